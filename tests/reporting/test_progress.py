import logging
import warnings

from recbench.reporting import progress
from recbench.reporting.progress import Progress, say, short_warnings


def test_lines_in_a_file(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with Progress("train", 4) as bar:
        bar.advance(1, loss=0.5)
        bar.advance(3, loss=0.25)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith("train: 1 of 4, ")
    assert " left, loss 0.5" in lines[0]
    assert lines[-1].startswith("train: 4 of 4, ")
    assert lines[-1].endswith(" taken, loss 0.25")


def test_lines_are_rare(capsys):
    with Progress("train", 1000) as bar:
        for _ in range(1000):
            bar.advance()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_last_line_goes_to_the_log(caplog):
    log = logging.getLogger("test_progress")
    with caplog.at_level(logging.INFO, logger="test_progress"), Progress("eval", 1, log) as bar:
        bar.advance()
    assert "eval: 1 of 1" in caplog.text


def test_a_resumed_count_has_the_rate_of_now(capsys):
    with Progress("train", 10) as bar:
        bar.move_to(10)
    assert "train: 10 of 10, 0/s" in capsys.readouterr().err


def test_what_an_early_stop_leaves_out_does_not_slow_the_rate(capsys, monkeypatch):
    monkeypatch.setattr("time.monotonic", iter([0.0, 20.0, 20.0, 20.0, 20.0, 20.0]).__next__)
    with Progress("ctr", 40) as bar:
        bar.move_to(20)  # the first model stopped at once
        bar.advance(4)  # in 20 seconds
        assert "ctr: 24 of 40, 0.2/s, 1:20 left" in capsys.readouterr().err


def test_say_prints_markup_as_it_is(capsys):
    say("window [bold]0, 1[/bold]")
    assert capsys.readouterr().err == "window [bold]0, 1[/bold]\n"


def test_only_our_own_warnings_are_shown(capsys):
    with short_warnings():
        warnings.warn_explicit("a user has one class", UserWarning, progress.__file__, 1)
        warnings.warn_explicit("deprecated", UserWarning, "/elsewhere/library.py", 1)
    assert capsys.readouterr().err == "warning: a user has one class\n"
