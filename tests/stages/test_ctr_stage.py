"""recbench ctr from a click log and a file of captions to gains, scorers and a resumed run."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from recbench.ctr.scoring import load_scorer
from recbench.data.dataset import load_data
from recbench.data.impressions import click_histories, cold_rows
from recbench.data.interactions import TEST
from recbench.errors import UserError
from recbench.metrics.clicks import auc
from recbench.metrics.two_way import two_way_gain
from recbench.runs import Run

pytestmark = pytest.mark.slow

LOOKS = ("red", "blue", "green", "black")
MODEL = ["ctr.embedding_size=4", "ctr.hidden=[8]", "ctr.batch_size=128", "ctr.learning_rate=0.03", "ctr.epochs=5"]
QUICK = [*MODEL, "latency_repeats=5", "latency_batch=64", "ks=[1,3]"]


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> list[str]:
    """Overrides that name a click log in which captions decide clicks: 30 users, 40 items, five of them cold."""
    folder = Path(tmp_path_factory.mktemp("log"))
    random = np.random.default_rng(2)
    look, taste = random.integers(4, size=40), random.integers(4, size=30)
    with (folder / "clicks.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["user", "item", "clicked", "truth", "part", "daypart", "price"])
        for row in range(2400):
            part = "train" if row < 1500 else "validation" if row < 1900 else "test"
            user, item = random.integers(30), random.integers(40 if part == "test" else 35)
            truth = 0.8 if look[item] == taste[user] else 0.15
            hour, price = f"h{random.integers(3)}", f"{random.lognormal():.3f}"
            writer.writerow([f"u{user}", f"i{item}", int(random.random() < truth), truth, part, hour, price])
    for name, column, values in (
        ("items.csv", "brand", [f"b{number}" for number in random.integers(3, size=40)]),
        ("captions.csv", "caption", [f"a {LOOKS[one]} thing" for one in look]),
    ):
        with (folder / name).open("w", newline="") as stream:
            rows = [[f"i{row}", "", value] for row, value in enumerate(values)]
            csv.writer(stream).writerows([["item", "title", column], *rows])
    columns = {"label": "clicked", "probability": "truth", "split": "part"}
    return [
        "data=table",
        "data.name=log",
        f"data.path={folder / 'clicks.csv'}",
        *(f"data.options.columns.{name}={column}" for name, column in columns.items()),
        "data.options.context={numeric: [price], categorical: [daypart], time: []}",
        "data.options.items_file=items.csv",
        "+data.options.item_columns.brand=brand",
        "data.fields=[brand]",
        "captioner=file",
        f"captioner.path={folder / 'captions.csv'}",
        "features.least_items=1",
    ]


@pytest.fixture(scope="module")
def made(workspace, log) -> Run:
    """All arms, two seeds."""
    return workspace.made("ctr", *log, *QUICK, "seeds=[0,3]")


def test_the_interval_has_the_items_that_were_shown_as_draws(made) -> None:
    predicted = pq.read_table(made.path / "predictions.parquet")
    shown = load_data(made.input_run("data").path).impressions
    rows = predicted["row"].to_numpy()
    scores = [np.stack([predicted[f"{arm}-{seed}"] for seed in (0, 3)]) for arm in ("with", "without")]
    with_captions, without = scores
    users, items = shown.user[rows], shown.item[rows]
    expected = two_way_gain(predicted["label"].to_numpy(), with_captions, without, users, items)
    found = made.metrics["gains"]["with over without"]["all"]
    assert [found[key] for key in ("value", "both_low", "both_high", "both_p")] == pytest.approx(expected[:4])
    assert made.metrics["test"]["items"] == found["items"] == len(set(shown.item[rows]))


def test_captions_that_decide_clicks_gain_and_shuffled_ones_do_not(made) -> None:
    metrics = made.metrics
    gain = metrics["gains"]["with over shuffled"]["all"]
    assert gain["low"] > 0 and gain["both_low"] > 0 and gain["value"] > 5
    control = metrics["gains"]["shuffled over without"]["all"]
    assert control["value"] < gain["value"] / 2
    assert metrics["best"]["all"]["closed_auc_with"] > 0.5
    assert metrics["fields"]["with"] == [*metrics["fields"]["without"], "item.caption.words"]
    assert metrics["fields"]["shuffled"] == metrics["fields"]["with"]
    assert set(metrics["fields"]["without"]) == {"user", "item", "item.brand", "context.daypart", "context.price"}


def test_predictions_are_of_the_test_impressions_and_give_the_metrics(made) -> None:
    table = pq.read_table(made.path / "predictions.parquet")
    shown = load_data(made.input_run("data").path).impressions
    rows = table["row"].to_numpy()
    assert (rows == np.flatnonzero(shown.split == TEST)).all()
    assert (table["label"].to_numpy() == shown.label[rows]).all()
    assert (table["cold"].to_numpy() == cold_rows(shown, 5)[rows]).all() and table["cold"].to_numpy().any()
    assert set(table.column_names[3:]) == {f"{arm}-{s}" for arm in ("without", "with", "shuffled") for s in (0, 3)}
    for arm, found in made.metrics["arms"].items():
        areas = [auc(shown.label[rows], table[f"{arm}-{seed}"].to_numpy()) for seed in (0, 3)]
        assert [seed["auc"] for seed in found["seeds"]] == areas
        assert found["metrics"]["auc"]["mean"] == pytest.approx(np.mean(areas), rel=1e-12)
        assert found["metrics"]["auc"]["std"] == pytest.approx(abs(areas[0] - areas[1]) / 2**0.5, rel=1e-9)


def test_a_scorer_gives_the_probabilities_of_the_run(made) -> None:
    data = load_data(made.input_run("data").path)
    shown, table = data.impressions, pq.read_table(made.path / "predictions.parquet")
    rows = table["row"].to_numpy()[::7]
    for arm, seed in (("with", 3), ("shuffled", 0)):
        scorer = load_scorer(made.path, data, arm, seed)
        context = {name: values[rows] for name, values in shown.context.items()}
        scores = scorer.score(shown.user[rows], shown.item[rows], context=context)
        assert scores.dtype == np.float64
        np.testing.assert_allclose(scores, table[f"{arm}-{seed}"].to_numpy()[::7], rtol=1e-5)


def test_a_scorer_tells_what_is_not_there(made) -> None:
    data = load_data(made.input_run("data").path)
    with pytest.raises(UserError, match="no arm 'with' with seed 1; it has: shuffled-0, shuffled-3, with-0"):
        load_scorer(made.path, data, "with", 1)
    scorer = load_scorer(made.path, data, "with", 0)
    with pytest.raises(UserError, match="the context has no column 'daypart'"):
        scorer.score(np.array([0]), np.array([0]))
    other = type(data)(data.name, data.catalogue, data.interactions, "0" * 64, None, data.directory)
    with pytest.raises(UserError, match="was made on other data"):
        load_scorer(made.path, other, "with", 0)


def test_times_are_in_the_manifest_and_not_in_the_metrics(made) -> None:
    latency = made.manifest["latency"]
    assert set(latency["arms"]) == {"without", "with"} and latency["batch"] == 64
    assert all(0 < arm["p50_ms"] <= arm["p99_ms"] for arm in latency["arms"].values())
    sizes = {arm: found["parameters"] for arm, found in made.metrics["arms"].items()}
    assert latency["added"]["with"]["parameters"] == sizes["with"] - sizes["without"] > 0
    assert "_ms" not in json.dumps(made.metrics) and "seconds" not in json.dumps(made.metrics)


def test_a_resumed_run_trains_only_what_is_missing_and_ends_with_the_same_bytes(workspace, log, made) -> None:
    copy = made.path.with_name(made.path.name + "-cut")
    shutil.copytree(made.path, copy)
    shutil.rmtree(copy / "checkpoints" / "with-3")
    shutil.rmtree(copy / "checkpoints" / "shuffled-0")
    for name in ("metrics.json", "predictions.parquet"):
        (copy / name).unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    kept = (copy / "checkpoints" / "with-0" / "model.safetensors").stat().st_mtime_ns
    result = workspace.stage("ctr", "--resume", str(copy))
    assert result.code == 0, result.err
    assert (copy / "checkpoints" / "with-0" / "model.safetensors").stat().st_mtime_ns == kept
    for name in ("metrics.json", "predictions.parquet", "checkpoints/with-3/model.safetensors"):
        assert (copy / name).read_bytes() == (made.path / name).read_bytes(), name
    shutil.rmtree(copy)


def test_ids_alone_and_one_arm_need_no_captions(workspace, log) -> None:
    clicks = [text for text in log if not text.startswith(("captioner", "features"))]
    model = ["ctr=lr", "ctr.batch_size=128", "ctr.learning_rate=0.03", "ctr.epochs=5"]
    run = workspace.made("ctr", *clicks, *model, "ks=[1,3]", "arms=[without]", "columns=ids", "latency_repeats=0")
    assert run.input_run("tokenize") is None
    assert run.metrics["fields"] == {"without": ["user", "item"]} and run.metrics["gains"] == {}
    assert "latency" not in run.manifest


def test_din_reads_histories(workspace, log, made) -> None:
    words = ["ctr=din", "ctr.history=5", "ctr.epochs=1", "arms=[with]"]
    run = workspace.made("ctr", *log, *QUICK, *words, f"input={made.input_run('tokenize').path}")
    data = load_data(made.input_run("data").path)
    shown, table = data.impressions, pq.read_table(run.path / "predictions.parquet")
    rows = table["row"].to_numpy()
    scorer = load_scorer(run.path, data, "with", 0)
    context = {name: values[rows] for name, values in shown.context.items()}
    arguments = shown.user[rows], shown.item[rows], None
    scores = scorer.score(*arguments, click_histories(shown, rows, 5), context)
    np.testing.assert_allclose(scores, table["with-0"].to_numpy(), rtol=1e-5)
    assert not np.allclose(scores, scorer.score(*arguments, None, context))


def test_data_without_clicks_are_refused_in_one_line(workspace, refuse) -> None:
    words = ["data=table", "data.path=nowhere.csv", "arms=[without]"]
    refuse(workspace.stage("ctr", *words), "nowhere.csv")
