"""Every stage from the real command line: SFT, each RL rule, evaluation, and scores of what an evaluation kept."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow

SEQUENCES = ["algo.contexts=sequence", "algo.rank_dropout=true"]
# group_size=8 in these short trainings, and 63 negatives: a beam of 8 reaches FPR 8 / 63.
ARMS = {
    "grpo random": (["--algo=grpo", "--neg=random"], "auc"),
    "grpo beam": (["--algo=grpo", "--neg=beam"], f"wpauc(0,{8 / 63!r})"),
    "grpo mixed": (["--algo=grpo", "--neg=mixed"], f"wpauc(0,{8 / 63!r})"),
    "tawin window, hard": (["--algo=tawin", "--window", "0.02,0.2"], "wpauc(0.02,0.2)"),
    "tawin window, soft": (["--algo=tawin", "--window", "0.02,0.2", "algo.window_shape=soft"], "wpauc(0.02,0.2)"),
    "tawin top_k": (["--algo=tawin", "--top-k", "5"], "hr@5"),
    "tawin as published": (["--algo=tawin", "--anchor", "5", "--neg=beam"], "hr@5"),
    "tawin top_k, soft, ranks by beam": (
        ["--algo=tawin", "--top-k", "5", "algo.window_shape=soft", "algo.ranks=beam"],
        "hr@5",
    ),
    "tawin on random negatives": (["--algo=tawin", "--neg=random", "--window", "0.02,0.5"], "wpauc(0.02,0.5)"),
    "all terms": (
        ["--algo=grpo", "--neg=random", "algo.kl=0.1", "algo.sft_weight=0.1", "algo.surrogate=logistic"],
        "auc",
    ),
    "a pass for whole sequences": (["--algo=grpo", "--neg=mixed", *SEQUENCES], f"wpauc(0,{8 / 63!r})"),
    "tawin, ranks estimated, a pass for whole sequences": (
        ["--algo=tawin", "--window", "0.02,0.2", "algo.ranks=estimated", *SEQUENCES],
        "wpauc(0.02,0.2)",
    ),
    "several updates": (["--algo=grpo", "--neg=random", "algo.updates_per_rollout=2", "algo.select_by=mrr@5"], "mrr@5"),
}


def _weights(run, where: str) -> dict[str, np.ndarray]:
    return load_file(run.path / where / "model.safetensors")


def _differ(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    assert first.keys() == second.keys()
    return any(not np.array_equal(first[name], second[name]) for name in first)


def test_sft_learns_and_keeps_the_best_weights(sft_run) -> None:
    metrics = sft_run.metrics
    assert metrics["algorithm"] == "sft" and metrics["selected_by"] == "ndcg@10"
    assert metrics["targets"] == 383 - 60  # training interactions, less each user's last, which is kept for RL
    assert metrics["steps"] == 48  # 60 users in batches of 16, twelve times
    assert [entry["step"] for entry in metrics["curve"]] == [0, 16, 32, 48]
    validation = metrics["validation"]
    assert validation["cases"] == 60
    assert validation["best"]["ndcg@10"] == max(entry["ndcg@10"] for entry in metrics["curve"])
    assert validation["best"]["ndcg@10"] > validation["initial"]["ndcg@10"]
    assert metrics["item_tokens"]["vocabulary"] == 65
    assert not _differ(_weights(sft_run, "policy"), _weights(sft_run, "checkpoints/best"))
    assert [entry["stage"] for entry in sft_run.manifest["inputs"]] == ["data"]
    assert list((sft_run.path / "events").iterdir())
    assert (sft_run.path / "report.md").is_file()


@pytest.mark.parametrize("name", ARMS)
def test_rl_starts_at_the_sft_checkpoint_and_moves(name: str, workspace, sft_run) -> None:
    arguments, selected_by = ARMS[name]
    run = workspace.rl(sft_run, *arguments)
    metrics = run.metrics
    assert metrics["selected_by"] == selected_by
    assert metrics["targets"] == 60  # the interaction that each user kept for RL
    steps = 3 if name == "several updates" else 6  # sets of groups
    assert metrics["steps"] == steps
    assert metrics["curve"][-1]["step"] == steps
    assert all(np.isfinite(list(entry.values())).all() for entry in metrics["curve"])
    before, start = sft_run.metrics["validation"]["best"], metrics["validation"]["initial"]
    assert {key: start[key] for key in before} == before
    assert metrics["validation"]["best"][selected_by] == max(entry[selected_by] for entry in metrics["curve"])
    assert _differ(_weights(run, "checkpoints/last"), _weights(sft_run, "policy"))
    assert _differ(_weights(run, "policy"), _weights(sft_run, "policy")) == (metrics["best_step"] > 0)
    inputs = [(entry["stage"], entry["id"]) for entry in run.manifest["inputs"]]
    assert ("train", sft_run.id) in inputs


def test_an_rl_policy_keeps_the_shape_of_its_start(workspace, sft_run) -> None:
    # The commands that follow an SFT run do not repeat its policy's settings.
    first = workspace.rl(sft_run, "--algo=grpo", "--neg=random", "algo.learning_rate=0.01", "algo.select_by=hr@50")
    second = workspace.rl(first, "--algo=tawin", "--top-k", "5")
    for run in (first, second):
        assert (run.path / "policy" / "policy.json").read_bytes() == (sft_run.path / "policy/policy.json").read_bytes()
        assert workspace.evaluated(run, "--k", "5").metrics["trained"] == run.metrics


def test_a_pass_for_whole_sequences_learns_from_all_of_their_targets(workspace, sft_run) -> None:
    """60 users of 5 to 11 training interactions; SFT's batches, so that more SFT sees the same interactions."""
    arm = ["--algo=tawin", "--top-k", "5", "algo.interactions=all", *SEQUENCES]
    metrics = workspace.rl(sft_run, *arm).metrics
    control = workspace.rl(sft_run, "algo=more_sft", "algo.interactions=all", "algo.contexts=sequence").metrics
    assert metrics["targets"] == control["targets"] > 60 * 5


@pytest.mark.parametrize("arm", [["algo=more_sft"], ["--algo=grpo", "--neg=beam"]], ids=["more sft", "grpo"])
def test_going_on_where_a_training_stood(arm, workspace) -> None:
    start = workspace.sft("algo.weight_averaging=0.9")
    run = workspace.rl(start, *arm, "algo.continues=training", "algo.weight_averaging=0.9", "algo.learning_rate=0")
    before = start.metrics["curve"][-1]
    assert {key: run.metrics["curve"][0][key] for key in before} == {**before, "step": 0}
    assert not _differ(_weights(run, "checkpoints/last"), _weights(start, "checkpoints/last"))
    assert _differ(_weights(start, "checkpoints/last"), _weights(start, "policy"))
    assert run.metrics["first_step"] == start.metrics["steps"]
    third = workspace.rl(run, *arm, "algo.continues=training")
    assert third.metrics["first_step"] == start.metrics["steps"] + run.metrics["steps"]


def test_going_on_needs_a_training_to_go_on_from(workspace, refuse) -> None:
    refuse(workspace.stage("train", "--algo=sft", "algo.continues=training"), "algo.continues=training has no effect")
    start = workspace.sft("seed=9")
    (start.path / "checkpoints" / "last" / "state.json").unlink()
    arm = ["seed=9", f"input={start.path}", "--algo=grpo", "--neg=beam", "algo.continues=training"]
    refuse(workspace.stage("train", *arm), "has no checkpoints/last to go on from")


def test_what_cannot_share_a_pass_is_refused(workspace, sft_run, refuse) -> None:
    arm = [f"input={sft_run.path}", "--algo=grpo", "--neg=beam", *SEQUENCES]
    refuse(workspace.stage("train", *arm, "negatives.exclude_seen=true"), "algo.contexts=sequence does not take apart")


def test_more_sft_from_a_checkpoint(workspace, sft_run) -> None:
    more = ["--algo=sft", f"input={sft_run.path}", "algo.interactions=reserved", "algo.steps=5"]
    run = workspace.made("train", *more, "algo.evaluate_every=5", "algo.batch_size=16")
    metrics = run.metrics
    assert (metrics["algorithm"], metrics["steps"], metrics["targets"]) == ("sft", 5, 60)
    assert [entry["step"] for entry in metrics["curve"]] == [0, 5]
    assert metrics["validation"]["initial"] == sft_run.metrics["validation"]["best"]
    assert _differ(_weights(run, "checkpoints/last"), _weights(sft_run, "policy"))


def test_sft_on_weighted_contexts(workspace, sft_run, refuse) -> None:
    run = workspace.rl(sft_run, "--algo=weighted_sft", "--top-k", "5")
    assert run.metrics["selected_by"] == "hr@5" and run.metrics["steps"] == 6
    assert _differ(_weights(run, "checkpoints/last"), _weights(sft_run, "policy"))
    assert workspace.evaluated(run).metrics["judged"]["described"] == "weighted_sft at Top-5, seed 0"
    for more, words in (
        (["--top-k", "5", "--neg=random"], "weighs contexts by the ranks of their positives, and negatives is random"),
        (["--anchor", "5"], "algo.anchor is for tawin, and algo is weighted_sft"),
        ([], "algo=weighted_sft needs one of --window a,b, --top-k K and --weights ndcg@K"),
    ):
        refuse(workspace.stage("train", f"input={sft_run.path}", "--algo=weighted_sft", *more), words)


def test_an_average_of_weights_dropped_items_and_smoothing(workspace) -> None:
    extras = ["algo.weight_averaging=0.9", "algo.item_dropout=0.2", "algo.label_smoothing=0.1", "algo.schedule=cosine"]
    run = workspace.sft(*extras)
    assert run.metrics["best_step"] > 0
    assert _differ(_weights(run, "policy"), _weights(run, "checkpoints/last"))


# ---- evaluation


@pytest.fixture(scope="module")
def evaluation(workspace, sft_run):
    return workspace.evaluated(sft_run, "--window", "0,0.1", "--window", "0.02,0.5", "--k", "1,5,10")


def test_an_evaluation_says_what_was_scored(evaluation, sft_run) -> None:
    metrics = evaluation.metrics
    assert (metrics["split"], metrics["cases"], metrics["ranks"]) == ("test", 60, "exact")
    assert metrics["trained"] == sft_run.metrics
    for part in ("kept", "excluded", "best"):
        assert {"auc", "wpauc(0,0.1)", "mcclish(0.02,0.5)", "pauc(0,0.1)", "hr@5", "ndcg@10", "mrr@1"} <= set(
            metrics[part]
        )
        for value in metrics[part].values():
            assert value["low"] <= value["value"] <= value["high"]
    # Leaving out negatives never pushes a positive down.
    assert all(metrics["excluded"][f"hr@{k}"]["value"] >= metrics["kept"][f"hr@{k}"]["value"] for k in (1, 5, 10))
    assert (evaluation.path / "roc_head.png").is_file()


def test_the_ranks_that_were_kept(evaluation) -> None:
    table = pq.read_table(evaluation.path / "ranks.parquet").to_pydict()
    assert len(set(table["user"])) == 60
    assert set(table["n"]) == {63}
    assert not any(table["censored"])
    for row, top in enumerate(table["top_items"]):
        assert len(top) == len(set(top)) == 10
        assert table["above_excluded"][row] <= table["above"][row]
        assert table["n_excluded"][row] < 63


def test_scoring_the_ranks_gives_the_evaluations_own_numbers(evaluation, workspace) -> None:
    options = ["--window", "0,0.1", "--window", "0.02,0.5", "--k", "1,5,10", "--samples", "50", "--json"]
    result = workspace.command("score", str(evaluation.path / "ranks.parquet"), *options)
    assert result.code == 0, result.err
    scored, kept = json.loads(result.out), evaluation.metrics["kept"]
    assert scored.keys() == kept.keys()
    for name, value in kept.items():
        assert scored[name] == pytest.approx(value, abs=1e-12), name


def test_a_beam_as_wide_as_the_catalogue_gives_the_same_top_k(evaluation, workspace, sft_run) -> None:
    beam = workspace.evaluated(sft_run, "ranks=beam", "beam_width=64", "--k", "1,5,10", "--window", "0,0.1").metrics
    assert beam["ranks"] == "beam of 64" and beam["censored"] == 0
    for part in ("kept", "excluded"):
        assert "auc" not in beam[part]
        for name, value in beam[part].items():
            assert value == evaluation.metrics[part][name], (part, name)


def test_a_narrow_beam_leaves_out_what_it_cannot_tell(evaluation, workspace, sft_run) -> None:
    options = ["ranks=beam", "beam_width=10", "--k", "1,5,10,20", "--window", "0,0.1", "--window", "0.02,0.5"]
    metrics = workspace.evaluated(sft_run, *options).metrics
    assert 0 < metrics["censored"] < 1
    kept, excluded = metrics["kept"], metrics["excluded"]
    assert "hr@10" in kept and "hr@20" not in kept and "auc" not in kept
    assert "wpauc(0,0.1)" in kept and "wpauc(0.02,0.5)" not in kept
    assert "hr@10" in excluded and "hr@20" not in excluded
    for part in ("kept", "excluded"):  # one level of tokens: the beam misses nothing, and excluding costs it no places
        for name, value in metrics[part].items():
            assert value == evaluation.metrics[part][name], (part, name)


def test_a_sample_of_validation_cases(workspace, sft_run) -> None:
    metrics = workspace.evaluated(sft_run, "split=validation", "max_cases=7", "--k", "5").metrics
    assert (metrics["split"], metrics["cases"]) == ("validation", 7)


def test_validation_scores_what_training_saw(workspace, sft_run) -> None:
    metrics = workspace.evaluated(sft_run, "split=validation", "--k", "10,50").metrics
    best = sft_run.metrics["validation"]["best"]
    for name in ("auc", "hr@10", "hr@50", "ndcg@10"):
        assert metrics["kept"][name]["value"] == pytest.approx(best[name], abs=1e-12)


def test_a_continued_policy_keeps_its_own_settings_and_refuses_others(workspace, sft_run, refuse) -> None:
    continued = workspace.rl(sft_run, "algo=more_sft", "algo.steps=1")
    assert continued.config.policy == sft_run.config.policy
    assert continued.config.item_tokens == sft_run.config.item_tokens
    refuse(workspace.stage("train", f"input={sft_run.path}", "policy.width=32"), "another policy than asked for")
    refuse(workspace.stage("train", f"input={sft_run.path}", "item_tokens=semantic_ids"), "another item_tokens")
