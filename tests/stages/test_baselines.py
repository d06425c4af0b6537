"""Every baseline from the real command line: what it learns, how it is evaluated and called, what is refused."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from recbench.comparisons.evaluations import arm_label
from recbench.composition import compose
from recbench.data.dataset import load_data
from recbench.data.interactions import TEST, held_out_cases
from recbench.data.targets import target_positions

pytestmark = pytest.mark.slow

MARKET = ["data=bazaar", "data.options.size=tiny"]
SMALL = ["policy.layers=1", "policy.width=16", "policy.heads=2", "policy.feed_forward=16"]
POLICIES = {
    "popularity": [],
    "item_knn": ["policy.neighbours=10"],
    "sasrec": [*SMALL, "algo.epochs=8", "algo.evaluate_every=4", "algo.batch_size=16", "algo.learning_rate=0.01"],
    "bpr_mf": ["policy.width=8", "algo.epochs=8", "algo.batch_size=32", "algo.learning_rate=0.02"],
}
LOSSES = {  # and what selects: the partial AUC over the negatives, where there is one
    "softmax_negatives": "ndcg@10",
    "sdpo": "ndcg@10",
    "llpauc": "ndcg@10",
    "dns": f"wpauc(0,{7 / 63!r})",  # 7 of a pool that is the catalogue
    "rere": f"wpauc(0,{8 / 63!r})",
}


@pytest.fixture(scope="module")
def trained(workspace):
    """A run of each policy."""
    return {kind: workspace.made("train", *MARKET, f"policy={kind}", *more) for kind, more in POLICIES.items()}


@pytest.mark.parametrize("kind", POLICIES)
def test_each_policy_is_trained_and_evaluated(kind, trained, workspace) -> None:
    run = trained[kind]
    validation = run.metrics["validation"]
    assert run.metrics["targets"] == 383 - 60  # as SFT's: each user's last training interaction is kept back
    assert run.metrics["selected_by"] == "ndcg@10"
    assert validation["best"]["auc"] > 0.6  # chance is 0.5
    if kind in ("sasrec", "bpr_mf"):
        assert run.metrics["best_step"] > 0
        assert validation["best"]["ndcg@10"] > 1.5 * validation["initial"]["ndcg@10"]
    else:
        assert (run.metrics["steps"], run.metrics["parameters"]) == (0, 0)
    again = workspace.evaluated(run, "split=validation", "--k", "10,50").metrics
    for name in ("auc", "hr@10", "hr@50", "ndcg@10"):
        assert again["kept"][name]["value"] == pytest.approx(validation["best"][name], abs=1e-12)
    exact = workspace.evaluated(run, "--k", "5,10").metrics
    beam = workspace.evaluated(run, "--k", "5,10", "ranks=beam", "beam_width=64").metrics
    assert (exact["ranks"], exact["cases"]) == ("exact", 60)
    for part in ("kept", "excluded"):
        for name in ("hr@5", "hr@10", "ndcg@10"):
            assert beam[part][name] == exact[part][name]


def test_sasrec_learns_from_sampled_negatives_and_in_the_layers_of_its_authors(trained, workspace) -> None:
    starts = {trained["sasrec"].metrics["validation"]["initial"]["ndcg@10"]}
    for changed in ("policy.sampled_negatives=16", "policy.residual=normed"):
        run = workspace.made("train", *MARKET, "policy=sasrec", *POLICIES["sasrec"], changed)
        best, initial = (run.metrics["validation"][at] for at in ("best", "initial"))
        assert run.metrics["best_step"] > 0 and best["auc"] > 0.6
        assert best["ndcg@10"] > 1.5 * initial["ndcg@10"]
        assert best != trained["sasrec"].metrics["validation"]["best"]
        again = workspace.evaluated(run, "split=validation", "--k", "10").metrics  # the checkpoint knows its layers
        assert again["kept"]["ndcg@10"]["value"] == pytest.approx(best["ndcg@10"], abs=1e-12)
        starts.add(initial["ndcg@10"])
    assert len(starts) == 2  # the loss changes no start, the layers do


def test_popularity_ranks_by_counts_of_training(trained, workspace) -> None:
    data = load_data(trained["popularity"].input_run("data").path)
    interactions = data.interactions
    items = interactions.items[target_positions(interactions, "seen", 1)]
    counts = np.array([(items == row).sum() for row in range(data.catalogue.num_rows)])
    table = pq.read_table(workspace.evaluated(trained["popularity"], "--k", "5").path / "ranks.parquet").to_pydict()
    for row, position in enumerate(held_out_cases(interactions, TEST).position):
        own = counts[interactions.items[position]]
        assert table["above"][row] == (counts > own).sum()
        assert table["ties"][row] == (counts == own).sum() - 1


def test_what_is_reserved_is_seen_by_nobody_until_it_is_asked_for(workspace) -> None:
    for kind, short in (("popularity", []), ("bpr_mf", ["algo.epochs=1"])):
        everything = workspace.made("train", *MARKET, f"policy={kind}", "reserved=0", *short)
        assert everything.metrics["targets"] == 383
        same = workspace.made("train", *MARKET, f"policy={kind}", "algo.interactions=all", *short)
        assert same.metrics["validation"] == everything.metrics["validation"]


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_starts_at_the_sft_checkpoint_and_moves(name, workspace, sft_run) -> None:
    run = workspace.rl(sft_run, f"--algo={name}")
    assert run.metrics["selected_by"] == LOSSES[name]
    assert (run.metrics["targets"], run.metrics["steps"]) == (60, 6)
    assert all(np.isfinite(list(entry.values())).all() for entry in run.metrics["curve"])
    start, before = run.metrics["validation"]["initial"], sft_run.metrics["validation"]["best"]
    assert {key: start[key] for key in before} == before
    moved, origin = (
        load_file(path / "model.safetensors") for path in (run.path / "checkpoints" / "last", sft_run.path / "policy")
    )
    assert any(not np.array_equal(moved[key], origin[key]) for key in origin)


def test_rl_of_sasrec_starts_from_its_own_sft(trained, workspace) -> None:
    run = workspace.rl(trained["sasrec"], "--algo=tawin", "--top-k", "5")
    start = run.metrics["validation"]["initial"]
    before = trained["sasrec"].metrics["validation"]["best"]
    assert {key: start[key] for key in before} == before
    assert run.config.policy == trained["sasrec"].config.policy
    assert arm_label(run.config) == "sasrec tawin 2-8"
    more = workspace.made("train", f"input={trained['sasrec'].path}", "algo=more_sft", "algo.steps=2")
    assert more.metrics["validation"]["initial"] == before


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        (["policy=popularity"], "popularity"),
        (["policy=item_knn"], "item-knn"),
        (["policy=bpr_mf"], "bpr-mf"),
        (["policy=sasrec"], "sasrec"),
        (["policy=sasrec", "input=x"], "sasrec more sft"),
        (["policy=sasrec", "algo=grpo", "negatives=beam"], "sasrec grpo beam"),
        (["algo=softmax_negatives"], "softmax negatives"),
        (["algo=softmax_negatives", "negatives=beam"], "softmax negatives beam"),
        (["algo=dns"], "dns"),
        (["algo=llpauc"], "llpauc"),
        (["algo=sdpo"], "s-dpo"),
        (["algo=rere"], "rere"),
        (["algo=tawin", "algo.weights=ndcg@10"], "tawin ndcg@10"),
    ],
)
def test_what_a_run_is_called_among_arms(overrides, label) -> None:
    assert arm_label(compose("train", overrides)) == label


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["policy=popularity", "--algo=sft"], "policy=popularity is counted, and algo is sft: give --algo=count"),
        (["policy=item_knn", "--algo=grpo"], "policy=item_knn is counted, and algo is grpo: give --algo=count"),
        (["policy=bpr_mf", "--algo=tawin", "--top-k", "5"], "bpr_mf is trained by bpr, and algo is tawin: give --algo"),
        (["--algo=bpr"], "algo=bpr is for policy=bpr_mf, and policy is llama_small"),
        (["policy=sasrec", "--algo=count"], "algo=count is for policy=popularity or item_knn, and policy is sasrec"),
        (["policy=sasrec", "item_tokens=semantic_ids"], "policy=sasrec knows items, not their tokens"),
        (["policy=bpr_mf", "item_tokens=semantic_ids"], "policy=bpr_mf knows items, not their tokens"),
        (["policy=sasrec", "policy.heads=3"], "policy.width=64: expected a multiple of the heads (3)"),
        (["policy.heads=3"], "policy.width=128: expected a multiple of twice the heads (6)"),
        (["policy=bpr_mf", "policy.initial_embeddings=text"], "policy=bpr_mf has no token embeddings"),
        (["policy=item_knn", "policy.neighbours=0"], "policy.neighbours=0: expected at least 1"),
        (["policy=bpr_mf", "algo.l2=-1"], "algo.l2=-1: expected at least 0"),
        (["--algo=rere", "--neg=random"], "negatives=random has no places to reward: rere needs --neg=beam"),
        (["--algo=dns", "negatives.pool=5"], "negatives.pool=5 cannot fill groups of algo.group_size=16"),
        (["--algo=sdpo", "algo.sdpo_beta=0"], "algo.sdpo_beta=0: expected at least 1e-06"),
        (["--algo=llpauc", "algo.llpauc_alpha=1.1"], "algo.llpauc_alpha=1.1: expected at least 0.001 and at most 1"),
        (["--algo=softmax_negatives", "--neg=window"], "negatives=window is for tawin, and algo is softmax_negatives"),
        (["--algo=sdpo", "--top-k", "5"], "algo.top_k is for tawin, and algo is sdpo"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_go_together_is_refused(arguments, words, workspace, refuse) -> None:
    refuse(workspace.stage("train", *MARKET, *arguments), words)


@pytest.mark.parametrize("kind", ["popularity", "bpr_mf"])
def test_a_policy_with_a_rule_of_its_own_is_continued_by_no_rule(kind, trained, workspace, refuse) -> None:
    for rule in ("grpo", trained[kind].config.algo.name):
        result = workspace.stage("train", f"input={trained[kind].path}", f"--algo={rule}")
        refuse(result, f"policy={kind} starts from no other run: leave input=")


def test_a_policy_of_users_is_refused_on_other_users(trained, workspace, refuse) -> None:
    result = workspace.stage("eval", f"input={trained['bpr_mf'].path}", "data=bazaar", "data.options.size=small")
    refuse(result, "is a run on data bazaar, and other data were asked for")
