"""Reports of the caption chain's stages, from run folders written by hand."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from recbench.reporting.clicks import gains_of
from recbench.reporting.gain_plot import Gain, plot_gains
from recbench.reporting.report import write_report
from recbench.reporting.results import result_grids
from recbench.runs import create_run

pytestmark = pytest.mark.slow


@pytest.fixture
def make_run(tmp_path):
    def make(stage, metrics, **record):
        config = OmegaConf.create({"runs": str(tmp_path), "seed": 0, "seeds": [0, 1], "data": {"name": "toy"}})
        run = create_run(stage, config)
        run.record(**record)
        run.finish("done", metrics)
        return run

    return make


def arm(auc, cold):
    seeds = [{"seed": seed, "auc": auc + seed / 100, "auc_cold": cold, "hr@10": 0.9, "hr@5": 0.7} for seed in (0, 1)]
    return {
        "metrics": {
            "hr@10": {"mean": 0.9, "std": 0.0},
            "hr@5": {"mean": 0.7, "std": 0.0},
            "auc": {"mean": auc + 0.005, "std": 0.0071},
            "auc_cold": {"mean": cold, "std": 0.0},
        },
        "seeds": seeds,
        "training": [{"seed": seed, "best_epoch": 2, "validation_auc": 0.6} for seed in (0, 1)],
    }


def gain(value, low, high):
    wider = {"user_low": low - 1, "user_high": high + 1, "both_low": low - 2, "both_high": high + 2, "both_p": 0.00001}
    return {"value": value, "low": low, "high": high, **wider}


CTR = {
    "model": "deepfm",
    "columns": "fields",
    "fields": {"with": ["user", "item", "words"], "without": ["user", "item"], "shuffled": ["user", "item", "words"]},
    "test": {"rows": 1000, "clicks": 250, "cold": 100, "users": 50, "items": 40},
    "arms": {"shuffled": arm(0.61, 0.5), "with": arm(0.7, 0.65), "without": arm(0.6, 0.5)},
    "gains": {
        "shuffled over without": {"all": gain(4.0, 1.5, 5.5)},
        "with over without": {"cold": gain(30.0, 20.0, 40.0), "all": gain(16.53, 12.0, 20.0)},
    },
    "best": {
        "all": {"auc": 0.8, "auc_on_clicks": 0.81, "log_loss": 0.4, "log_loss_on_clicks": 0.41, "closed_auc_with": 0.5},
    },
}


def rows(text, beginning):
    return [line for line in text.splitlines() if line.startswith(f"| {beginning}")]


def test_the_arms_stand_side_by_side_in_their_own_order(make_run):
    text = write_report(make_run("ctr", CTR).path).read_text()
    assert "| metric | without captions | with captions | captions shuffled | best possible |" in text
    assert rows(text, "auc |") == ["| auc | 0.6050 ± 0.0071 | 0.7050 ± 0.0071 | 0.6150 ± 0.0071 | 0.8100 |"]
    assert text.index("| hr@5 |") < text.index("| hr@10 |")
    assert "reads `user`, `item` in every arm" in text and "250 clicks (25.0%)" in text


def test_gains_have_their_intervals_and_a_star_only_where_that_of_users_and_items_is_clear(make_run):
    run = make_run("ctr", CTR)
    text = write_report(run.path).read_text()
    (line,) = rows(text, "captions over none, all rows")
    assert line.split(" | ")[1:4] == ["+16.53% *", "[+10.00, +22.00]", "< 0.0001"]
    assert line.split(" | ")[4:] == ["[+11.00, +21.00]", "[+12.00, +20.00] |"]
    (line,) = rows(text, "shuffled over none, all rows")
    assert line.split(" | ")[1:3] == ["+4.00%", "[-0.50, +7.50]"]  # alone of the three it holds zero
    assert line.split(" | ")[4:] == ["[+0.50, +6.50]", "[+1.50, +5.50] |"]
    assert text.index("captions over none, cold items") < text.index("shuffled over none, all rows")
    assert "![Relative gains in AUC with their intervals](gains.png)" in text
    assert (run.path / "gains.png").stat().st_size > 10_000
    assert "data:image/png;base64," in (run.path / "report.html").read_text()
    assert "gains.png" not in run.artifacts() and "report.html" not in run.artifacts()


def test_gains_over_seeds_have_a_column_where_there_are_several(make_run):
    assert "over seeds |" not in write_report(make_run("ctr", CTR).path).read_text()
    gain = {**CTR["gains"]["with over without"]["all"], "seed_mean": 16.5, "seed_std": 0.25}
    spread = {**CTR, "gains": {"with over without": {"all": gain}}}
    text = write_report(make_run("ctr", spread).path).read_text()
    assert "| 95%, rows | over seeds |" in text
    assert rows(text, "captions over none, all rows")[0].endswith("| +16.50 ± 0.25 |")


def test_a_report_says_what_one_seed_leaves_open(make_run):
    assert "one over permutations, too" in write_report(make_run("ctr", CTR).path).read_text()
    arms = {name: {**arm(0.6, 0.5), "seeds": [{"seed": 0, "auc": 0.6}]} for name in ("with", "without")}
    assert "says nothing of other permutations" in write_report(make_run("ctr", {**CTR, "arms": arms}).path).read_text()


def test_the_share_of_the_distance_is_told(make_run):
    text = write_report(make_run("ctr", CTR).path).read_text()
    assert rows(text, "AUC, all rows") == ["| AUC, all rows | 0.8000 | 0.8100 | 0.6050 | 0.7050 | 50% | – |"]


def test_latency_is_taken_from_the_manifest(make_run):
    times = {"p50_ms": 2.0, "p99_ms": 3.456, "parameters": 120_000, "megabytes": 0.48}
    added = {"p50_ms": 0.5, "p99_ms": -0.25, "parameters": 1000, "megabytes": 0.004}
    latency = {"batch": 1024, "repeats": 200, "arms": {"with": times, "without": times}, "added": {"with": added}}
    text = write_report(make_run("ctr", CTR, latency=latency | {"device": "cpu", "threads": 2}).path).read_text()
    assert "| with captions | 2.00 | 3.46 | 120,000 | 0.48 |" in text
    assert "| added by with captions | +0.50 | -0.25 | +1,000 | +0.00 |" in text
    assert "A batch of 1,024 impressions" in text and "on cpu, 2 threads" in text


def test_one_arm_and_undefined_numbers_still_make_a_report(make_run):
    alone = {
        "model": "lr",
        "arms": {"without": arm(0.6, 0.5)},
        "gains": {"with over without": {"cold": {"rows": 3, "value": None, "low": None, "high": None}}},
    }
    run = make_run("ctr", alone)
    text = write_report(run.path).read_text()
    assert "| captions over none, cold items | – | [–, –] | – | [–, –] | [–, –] |" in text
    assert not (run.path / "gains.png").exists() and "gains.png" not in text
    assert write_report(make_run("ctr", {"arms": {}}).path).is_file()


def test_the_plot_is_the_same_every_time(tmp_path):
    gains = [*gains_of(CTR), Gain("none", "none", float("nan"), (0, 1), (0, 1))]
    for name in ("a.png", "b.png"):
        plot_gains(tmp_path / name, gains, "title", "rows", "users")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_caption_report_has_quality_examples_and_the_sheet(make_run, tmp_path):
    named = {"colour": {"accuracy": 0.7, "majority": 0.25, "items": 40}}
    quality = {
        "unseen": {"items": 40, "bleu4": 0.2, "attributes": named},
        "all": {"items": 100, "bleu4": 0.3, "attributes": named},
    }
    origins = {"skipped": 10, "model": 90, "fallback": 0}
    metrics = {"captioner": "llava_small", "items": 100, "tokens": 900, "origins": origins, "quality": quality}
    run = make_run("caption", metrics | {"reasons": {"the picture is a bomb": 10}}, items_a_second=12.5)
    table = {"item": ["a", "b"], "caption": ["red | `hat` <b>", None], "origin": ["model", "skipped"]}
    pq.write_table(pa.table(table), run.path / "captions.parquet")
    (run.path / "contact_sheet.png").write_bytes(b"png")
    text = write_report(run.path).read_text()
    assert "| captioned by the model | 90 | 90.0% |" in text
    assert "| colour | 70.0% | 25.0% | 70.0% | 25.0% |" in text
    assert "| BLEU-4 | 0.3000 | 0.2000 |" in text
    assert "| the picture is a bomb | 10 |" in text
    assert "| `a` | ``red \\| `hat` <b>`` | model |" in text and "| `b` |" not in text
    assert "(contact_sheet.png)" in text
    assert "<code>red | `hat` &lt;b&gt;</code>" in (run.path / "report.html").read_text()


def test_a_tokenize_report_tells_coverage_and_frequent_values(make_run):
    shares = {"all": 0.5, "training": 0.75, "others": None}
    column = {
        "kind": "words",
        "vocabulary": 1234,
        "coverage": shares,
        "oov_rate": shares,
        "mean_length": {"all": 7.25},
        "cut": {"all": 0.01},
        "distinct_lists": 99,
        "most_frequent": [{"value": "hat", "items": 30, "share": 0.3}],
    }
    metrics = {
        "items": 100,
        "training_items": 80,
        "coverage": shares,
        "captioner": "file",
        "columns": {"words": column},
    }
    text = write_report(make_run("tokenize", metrics).path).read_text()
    assert "| words | 1,234 | 50.0% | 75.0% | – | 75.0% | – | 7.2 | 1.0% | 99 |" in text
    assert "| 1 | `hat` 30.0% |" in text


def rate(value):
    return {"value": value, "error": 0.001, "users": 500, "impressions": 10_000, "design_effect": 1.5}


@pytest.mark.parametrize(
    ("low", "says"), [(0.05, "The interval leaves out zero: `with` is better."), (-0.05, "The interval holds zero")]
)
def test_a_simulation_report_reads_the_interval(make_run, low, says):
    metrics = {
        "a": "without",
        "b": "with",
        "control": rate(0.1),
        "treatment": rate(0.11),
        "lift": {"value": 0.1, "low": low, "high": 0.15, "p": 0.002},
        "sample_size": {"lift": 0.0002, "impressions": 3_900_000_000, "users": 39_000_000},
        "visits": 20,
    }
    text = write_report(make_run("simulate", metrics).path).read_text()
    assert f"| with over without | +10.00% | [{100 * low:+.2f}, +15.00] | 0.0020 |" in text
    assert says in text
    assert "To find a lift of 0.02%" in text and "3,900,000,000 impressions, some 39,000,000 users" in text
    assert "| visits | 20 |" in text


def test_off_policy_estimates_have_intervals(make_run):
    value = {"value": 0.005, "low": 0.004, "high": 0.006, "error": 0.0005}
    policies = {"with": {"ips": value, "snips": value, "effective_rounds": 812.34}, "logging": {"ips": value}}
    text = write_report(make_run("simulate", {"rounds": 10_000, "off_policy": policies}).path).read_text()
    assert "| with | 0.0050 [0.0040, 0.0060] | 0.0050 [0.0040, 0.0060] | 812.3 |" in text
    assert "| logging | 0.0050 [0.0040, 0.0060] |  | – |" in text


@pytest.mark.parametrize("stage", ["caption", "tokenize", "ctr", "simulate", "eval"])
def test_terminal_tables_stand_empty_metrics(stage):
    assert isinstance(result_grids(stage, {}), list)
