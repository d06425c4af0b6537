"""A catalogue of six items: what is larger by default is left out and told, what was asked for is refused."""

import json

import pytest

pytestmark = pytest.mark.slow

LOG = "user,item\n" + "".join(f"u{user},{'abcdef'[(user + place) % 6]}\n" for user in range(5) for place in range(5))
TINY = ["policy.layers=1", "policy.width=16", "policy.feed_forward=16", "policy.history=4", "sft.epochs=1"]


@pytest.fixture
def shop(tmp_path, fresh_workspace):
    """The overrides that name a log of five users and six items."""
    (tmp_path / "log.csv").write_text(LOG)
    return ["data=table", f"data.path={tmp_path / 'log.csv'}", "data.name=shop"]


def test_evaluations_and_their_comparison_leave_out_what_is_beyond_the_catalogue(fresh_workspace, shop, refuse) -> None:
    short = [*shop, *TINY, "algo.steps=2"]
    evaluated = []
    for neg in ("beam", "random"):
        trained = fresh_workspace.made("train", f"--neg={neg}", *short)
        result = fresh_workspace.stage("eval", f"input={trained.id}", "--json")
        assert result.code == 0, result.err
        assert "note: ks 10, 20, 50 left out: the catalogue has 6 items" in result.err
        metrics = json.loads(result.out)["metrics"]
        assert [name for name in metrics["kept"] if "@" in name] == [
            "hr@1",
            "hr@5",
            "mrr@1",
            "mrr@5",
            "ndcg@1",
            "ndcg@5",
        ]
        evaluated.append(json.loads(result.out)["run"])
    compared = fresh_workspace.command("compare", *evaluated, "--runs", str(fresh_workspace.root), "--json")
    assert compared.code == 0, compared.err
    assert "hr@10, hr@50, ndcg@10 left out: the catalogue has 6 items" in compared.err
    assert json.loads(compared.out)["metrics"] == ["auc", "wpauc(0,0.01)", "wpauc(0.01,0.05)", "hr@1"]
    asked = fresh_workspace.command("compare", *evaluated, "--runs", str(fresh_workspace.root), "--metrics", "hr@10")
    refuse(asked, "hr@10: the catalogue has 6 items; give a K of at most that")
    refuse(fresh_workspace.stage("eval", f"input={trained.id}", "--k", "5,7"), "ks=7: the catalogue has 6 items")


def test_a_comparison_has_the_windows_and_cutoffs_that_its_runs_share(fresh_workspace, shop) -> None:
    trained = [fresh_workspace.made("train", f"--neg={neg}", *shop, *TINY, "algo.steps=1") for neg in ("beam", "mixed")]
    window, wide = ["--window", "0.2,0.6"], ["--window", "0,1"]
    first = fresh_workspace.evaluated(trained[0], *window, *wide, "--k", "1,3")
    second = fresh_workspace.evaluated(trained[1], *window, "--k", "3,5")
    found = fresh_workspace.command("compare", str(first.path), str(second.path), "--json")
    assert json.loads(found.out)["metrics"] == ["auc", "wpauc(0.2,0.6)", "hr@3", "ndcg@3"]
    assert (
        "wpauc(0,0.01), wpauc(0.01,0.05), hr@1 left out: not every run was evaluated with them; --metrics computes any"
        in found.err
    )


def test_a_bench_on_a_small_catalogue(fresh_workspace, shop) -> None:
    arms = ["--arms", "sft,grpo_beam", "--seeds", "0"]
    result = fresh_workspace.stage("bench", *shop, *TINY, "algo.steps=2", "algo.evaluate_every=1", *arms, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["metrics"]["metrics"] == ["auc", "wpauc(0,0.01)", "wpauc(0.01,0.05)", "hr@1"]


def test_item_tokens_of_more_codes_than_items(fresh_workspace, shop) -> None:
    codes = ["item_tokens=semantic_ids", "item_tokens.source=cooccurrence"]  # 256 codes a level, by default
    assert fresh_workspace.made("train", "--algo=sft", *shop, *TINY, *codes).metrics["item_tokens"]["levels"] >= 1
