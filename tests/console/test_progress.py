import logging
import warnings
from datetime import UTC, datetime, timedelta

import pytest

from recbench.console import progress
from recbench.console.progress import Progress, Steps, about, say, short_warnings


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


def test_steps_tell_the_time_left_by_what_those_made_took(capsys, monkeypatch, caplog):
    now = iter([0.0, 0.0, 20.0, 20.0, 40.0, 100.0, 100.0]).__next__
    monkeypatch.setattr("time.monotonic", now)
    log = logging.getLogger("test_progress")
    with caplog.at_level(logging.INFO, logger="test_progress"):
        steps = Steps("stage", {"draw": 1, "write": 5, "train": 3, "report": 2}, log)
        steps.begin()
        steps.end(datetime.now(UTC))  # after 20 seconds: the other ten parts take 200
        steps.begin()
        steps.end(datetime.now(UTC) - timedelta(hours=1))  # it was there: 20 seconds a part still
        steps.begin()
        steps.end(datetime.now(UTC))  # after 60 seconds for three parts: still 20 a part
        steps.begin()
    lines = [
        "== stage 1 of 4: draw",
        "== stage 2 of 4: write, about 3.5 minutes left",  # 200 seconds
        "== stage 3 of 4: train, about 1.5 minutes left",  # 5 parts, 100 seconds
        "== stage 4 of 4: report, about half a minute left",  # 2 parts, 40 seconds
    ]
    assert capsys.readouterr().err.splitlines() == lines
    assert [record.message for record in caplog.records] == lines


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a few seconds"),
        (20, "about half a minute"),
        (55, "about 1 minute"),
        (160, "about 2.5 minutes"),
        (430, "about 7 minutes"),
        (7000, "about 2 hours"),
        (9500, "about 2.5 hours"),
    ],
)
def test_a_time_is_as_round_as_it_is_known(seconds, words):
    assert about(seconds) == words
