"""What a run depends on and what not: the same command gives the same bytes, another seed others, batches nothing."""

import pytest

from recbench.runs import Run

pytestmark = pytest.mark.slow


def _bytes(run: Run) -> bytes:
    return (run.path / "metrics.json").read_bytes()


def _weights(run: Run, where: str = "policy") -> bytes:
    return (run.path / where / "model.safetensors").read_bytes()


def test_the_same_sft_twice_gives_the_same_bytes(workspace, sft_run) -> None:
    again = workspace.sft()
    assert _bytes(again) == _bytes(sft_run)
    assert _weights(again) == _weights(sft_run)
    assert again.manifest["content_hash"] == sft_run.manifest["content_hash"]


@pytest.mark.parametrize(
    "arm",
    [
        ["--algo=grpo", "--neg=random"],
        ["--algo=grpo", "--neg=mixed"],
        ["--algo=tawin", "--top-k", "5", "algo.window_shape=soft"],
    ],
    ids=" ".join,
)
def test_the_same_rl_twice_gives_the_same_bytes(arm, workspace, sft_run) -> None:
    first, second = (workspace.rl(sft_run, *arm) for _ in range(2))
    assert _bytes(first) == _bytes(second)
    assert _weights(first) == _weights(second)


@pytest.mark.parametrize("policy", ["popularity", "item_knn", "sasrec", "bpr_mf"])
def test_the_same_baseline_twice_gives_the_same_bytes(policy, workspace) -> None:
    first, second, other = (workspace.baseline(policy, f"seed={seed}") for seed in (0, 0, 1))
    assert _bytes(first) == _bytes(second)
    assert _weights(first) == _weights(second)
    counted = policy in ("popularity", "item_knn")
    assert (_weights(other) == _weights(first)) == counted  # what is counted draws nothing


def test_the_same_evaluation_twice_gives_the_same_bytes(workspace, sft_run) -> None:
    first, second = (workspace.evaluated(sft_run, "--k", "5") for _ in range(2))
    assert _bytes(first) == _bytes(second)
    assert (first.path / "ranks.parquet").read_bytes() == (second.path / "ranks.parquet").read_bytes()


def test_zero_is_a_seed_and_one_is_another(workspace, sft_run) -> None:
    zero, one = workspace.sft("seed=0"), workspace.sft("seed=1")
    assert _bytes(zero) == _bytes(sft_run)  # the default
    assert _bytes(one) != _bytes(zero)
    assert zero.metrics["targets"] == one.metrics["targets"]  # the market has a seed of its own
    assert one.manifest["data_fingerprint"] == zero.manifest["data_fingerprint"]
    arms = [workspace.rl(sft_run, "--algo=grpo", "--neg=random", f"seed={seed}") for seed in (0, 1)]
    assert _weights(arms[0], "checkpoints/last") != _weights(arms[1], "checkpoints/last")


def test_seeds_of_the_bootstrap_move_intervals_only(workspace, sft_run) -> None:
    zero, one = (workspace.evaluated(sft_run, "--k", "5", f"seed={seed}").metrics["kept"] for seed in (0, 1))
    assert all(zero[name]["value"] == one[name]["value"] for name in zero)
    assert any(zero[name]["low"] != one[name]["low"] for name in zero)


@pytest.mark.parametrize("trained", ["sft_run", "semantic_run"])
def test_batches_of_an_evaluation_do_not_matter(trained, workspace, request) -> None:
    run = request.getfixturevalue(trained)
    options = ["bootstrap=0", "--k", "1,5,10", "--window", "0,0.1"]
    small, large = (workspace.evaluated(run, *options, f"batch_size={size}") for size in (7, 64))
    assert _bytes(small) == _bytes(large)
    assert (small.path / "ranks.parquet").read_bytes() == (large.path / "ranks.parquet").read_bytes()


def test_numbers_that_differ_between_machines_stay_out_of_metrics(workspace, sft_run) -> None:
    assert {"training_seconds", "peak_memory_mb", "versions"} <= sft_run.manifest.keys()
    assert not {"training_seconds", "seconds", "path", "device"} & sft_run.metrics.keys()
    assert "second" not in (sft_run.path / "metrics.json").read_text()
