"""Bad input to the real stages: one line, exit status 2, and no file that a reader could take for a result."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recbench.runs import Run, find_runs
from recbench.stages import rules

pytestmark = pytest.mark.slow

ROWS = "user,item,when\nann,pan,10\nann,pot,20\nann,lid,30\nbob,pan,abc\n"


@pytest.fixture
def nothing_left(fresh_workspace):
    """Check, when the test is over, that no run is left and no half-written file."""
    yield
    assert find_runs(fresh_workspace.root) == []
    assert not list(fresh_workspace.root.parent.rglob(".partial-*"))


@pytest.fixture
def table(tmp_path):
    """A csv file with the given text."""

    def write(text: str) -> list[str]:
        (tmp_path / "clicks.csv").write_text(text)
        return ["data=table", f"data.path={tmp_path / 'clicks.csv'}"]

    return write


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--neg=foo"], "negatives=foo: expected one of beam, dns, mixed, random, window"),
        (["train", "algo.surrogate=cubic"], "algo.surrogate='cubic': expected one of linear, logistic, sigmoid"),
        (["train", "--algo=tawin", "--window", "0.5,0.1"], "0.5,0.1"),
        (["train", "--algo=tawin", "--window", "a,b"], "a,b"),
        (["train", "--algo=tawin", "--window", "0,2"], "0,2"),
        (["eval", "--window", "0.5,0.1"], "0.5,0.1"),
        (["eval", "--window", "a,b"], "a,b"),
        (["eval", "--window", "0,2"], "0,2"),
        (["eval", "--window", "nan,1"], "nan,1"),
        (["train", "--algo=sft", "--no-upstream"], "no finished data run on data bazaar"),
        (["train", "--no-upstream"], "no finished data run on data bazaar"),
        (["eval", "--no-upstream"], "no finished train run on data bazaar"),
        (["data", "data.options.size=huge"], "'huge', expected one of tiny, small, medium, large"),
        (["data", "data=table"], "data.path"),
        (["data", "data=table", "data.path=nowhere/clicks.csv"], "nowhere/clicks.csv"),
        (["data", "data=amazon_beauty", "data.path=nowhere"], "nowhere"),
        (["data", "data=amazon_industrial", "data.path=nowhere"], "nowhere"),
        (["data", "data=movielens", "data.path=nowhere"], "nowhere"),
        (["data", "data=amazon_magazine", "data.path=nowhere"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_values_that_cannot_be(arguments, words, fresh_workspace, refuse, nothing_left) -> None:
    refuse(fresh_workspace.stage(*arguments), words)


@pytest.mark.parametrize(
    ("text", "mapping", "words"),
    [
        ("", [], "empty"),
        ("user,item,when\n", [], "no "),
        (ROWS, ["data.options.columns.user=visitor"], "visitor"),
        (ROWS, ["data.options.columns.timestamp=when"], "line 5"),
        (ROWS.replace("ann,pot,20", "ann,,20"), [], "line 3"),
    ],
)
def test_tables_that_cannot_be_read(text, mapping, words, table, fresh_workspace, refuse, nothing_left) -> None:
    refuse(fresh_workspace.stage("data", *table(text), *mapping), words)


@pytest.mark.parametrize(("text", "words"), [("", "empty"), ("ann pan pot lid\nbob\n", "line 2")])
def test_sequences_that_cannot_be_read(text, words, tmp_path, fresh_workspace, refuse, nothing_left) -> None:
    (tmp_path / "user_sequence.txt").write_text(text)
    arguments = ["data=amazon_beauty", f"data.path={tmp_path}", "data.options.items_file=null"]
    refuse(fresh_workspace.stage("data", *arguments), words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--algo=tawin", "--top-k", "64"], "algo.top_k=64 is more than the 63 negatives"),
        (["train", "--neg=beam", "negatives.beam_width=3"], "negatives.beam_width=3 cannot fill groups"),
        (["eval", "--k", "65"], "ks=65: the catalogue has 64 items: give at most 64"),
    ],
)
def test_cutoffs_beyond_the_catalogue(arguments, words, workspace, sft_run, refuse) -> None:
    stage, *rest = arguments
    before = [run.id for run in find_runs(workspace.root, stage)]
    refuse(workspace.stage(stage, f"input={sft_run.path}", *rest), words)
    assert [run.id for run in find_runs(workspace.root, stage)] == before


def test_a_failed_run_is_not_evaluated(workspace, sft_run, refuse, monkeypatch) -> None:
    def failing(*arguments, **keys):
        raise RuntimeError("the machine is on fire")

    with monkeypatch.context() as patch:
        patch.setattr(rules, "rl_step", failing)
        result = workspace.stage("train", f"input={sft_run.path}", "--neg=random", "algo.steps=2")
    assert result.code == 1
    assert "RuntimeError: the machine is on fire" in result.err.splitlines()[-1]
    failed = find_runs(workspace.root, "train")[-1]
    assert failed.status == "failed"
    assert not (failed.path / "metrics.json").exists() and not (failed.path / "policy").exists()
    refuse(workspace.stage("eval", f"input={failed.path}"), f"train run {failed.id} is failed, not done")


def test_a_finished_run_is_not_resumed(workspace, sft_run, refuse) -> None:
    before = (sft_run.path / "manifest.json").read_bytes()
    refuse(workspace.stage("train", "--resume", str(sft_run.path)), "there is nothing to resume")
    assert (sft_run.path / "manifest.json").read_bytes() == before


def test_an_input_must_be_a_training(workspace, sft_run, refuse) -> None:
    data: Run | None = sft_run.input_run("data")
    assert data is not None
    refuse(workspace.stage("eval", f"input={data.path}"), "is a data run, and a train run is needed here")


def test_a_window_narrower_than_one_negative_is_noted_once_and_fractional(workspace, sft_run) -> None:
    options = ["--window", "0,0.01", "--window", "0,0.005", "--k", "1", "ranks=exact", "bootstrap=50"]
    result = workspace.stage("eval", f"input={sft_run.path}", *options)
    assert result.code == 0, result.err
    run = Run(Path(result.err.rsplit("report: ", 1)[1].strip()).parent)
    notes = [note for note in run.manifest["notes"] if "of one negative wide" in note]
    least = min(pq.read_table(run.path / "ranks.parquet")["n_excluded"].to_pylist())
    assert least < 63
    assert [note.partition(": ")[0] for note in notes] == [
        f"the window {window} is {63 * width:.3g} of one negative wide (63 negatives), and without seen items "
        f"{least * width:.3g} of one (at least {least})"
        for window, width in (("0,0.01", 0.01), ("0,0.005", 0.005))
    ]
    assert result.err.count("one negative wide") == 2 and "warning" not in result.err
    kept = run.metrics["kept"]
    # Without ties the first of 63 negatives ends at 1 / 63: every window inside that reads HR@1, whatever its width.
    assert kept["wpauc(0,0.01)"]["value"] == pytest.approx(kept["hr@1"]["value"])
    assert kept["wpauc(0,0.005)"]["value"] == pytest.approx(kept["hr@1"]["value"])
    tawin = workspace.rl(sft_run, "--algo=tawin", "--window", "0,0.01")
    assert any("0.63 of one negative of 63 wide" in note for note in tawin.manifest["notes"])


def test_a_catalogue_without_a_choice_teaches_nothing(table, fresh_workspace, refuse) -> None:
    rows = "user,item\n" + "ann,pan\n" * 5
    result = fresh_workspace.stage("train", "--algo=sft", *table(rows))
    refuse(result, "all items of data set table have one and the same token sequence")


def test_a_file_of_items_that_is_missing_is_told_by_its_key(table, fresh_workspace, refuse, nothing_left) -> None:
    given = table("user,item,timestamp\nann,pan,10\nann,pot,20\nann,lid,30\n")
    result = fresh_workspace.stage("data", *given, "data.options.items_file=pans.csv")
    refuse(result, "pans.csv is no file; check data.path and data.options.items_file=pans.csv")


def test_a_file_of_names_alone_has_no_rows(table, fresh_workspace, refuse, nothing_left) -> None:
    given = table("user,item,timestamp\n")
    refuse(fresh_workspace.stage("data", *given), "clicks.csv names columns and nothing else; give data.path a file")


def test_captions_under_other_names_are_told_once_with_a_remedy(tmp_path, fresh_workspace, refuse) -> None:
    file = tmp_path / "captions.csv"
    file.write_text("thing,words\nI1,a red pan\n")
    market = ["data=bazaar", "data.options.size=tiny", "captioner=file", f"captioner.path={file}"]
    result = fresh_workspace.stage("caption", *market)
    refuse(result, "no column item, only thing, words; name the column of items with captioner.item_column=COLUMN")
    assert result.err.count("captions.csv") == 1


def test_a_folder_that_is_not_there_is_no_name_on_the_hub(fresh_workspace, refuse) -> None:
    market = ["data=bazaar", "data.options.size=tiny", "captioner=llava_small"]
    result = fresh_workspace.stage("caption", *market, "captioner.language_model=/nowhere")
    refuse(result, "captioner.language_model=/nowhere: there is no such folder; give a checkpoint's folder")


def test_windows_may_have_whole_numbers(fresh_workspace) -> None:
    shown = fresh_workspace.command("eval", "windows=[[0,0.01],[0.5,1]]", "--cfg")
    assert shown.code == 0 and "- - 0.0\n  - 0.01\n- - 0.5\n  - 1.0\n" in shown.out
