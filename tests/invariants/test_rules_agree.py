"""TAWin trains as GRPO does where its window holds just GRPO's negatives (docs/methods.md, section 4)."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow

LONGER = ["algo.steps=10", "algo.evaluate_every=2"]


def _curves_agree(first, second) -> None:
    curves = [run.metrics["curve"] for run in (first, second)]
    assert len(curves[0]) == len(curves[1]) == 6
    for one, other in zip(*curves):
        assert one == pytest.approx(other, abs=1e-6)
    assert first.metrics["best_step"] == second.metrics["best_step"]
    assert len({entry["auc"] for entry in curves[0]}) > 1  # a curve that moves, or nothing would be said


def _weights(run) -> np.ndarray:
    from safetensors.numpy import load_file

    tensors = load_file(run.path / "checkpoints" / "last" / "model.safetensors")
    return np.concatenate([tensors[name].ravel() for name in sorted(tensors)])


@pytest.mark.parametrize("advantage", ["population", "sample"])
def test_the_whole_window_on_random_negatives_is_grpo(advantage: str, workspace, sft_run) -> None:
    same = ["--neg=random", "algo.positives=injected", f"algo.advantage={advantage}", *LONGER]
    grpo = workspace.rl(sft_run, "--algo=grpo", *same)
    tawin = workspace.rl(sft_run, "--algo=tawin", "--window", "0,1", *same)
    _curves_agree(grpo, tawin)
    np.testing.assert_allclose(_weights(tawin), _weights(grpo), atol=1e-4)


def test_the_head_of_the_window_on_beam_negatives_is_grpo(workspace, sft_run) -> None:
    same = ["--neg=beam", "algo.positives=on_policy", *LONGER]
    grpo = workspace.rl(sft_run, "--algo=grpo", *same)
    tawin = workspace.rl(sft_run, "--algo=tawin", f"algo.window=[0,{8 / 63!r}]", *same)
    assert grpo.metrics["selected_by"] == tawin.metrics["selected_by"]
    _curves_agree(grpo, tawin)
    np.testing.assert_allclose(_weights(tawin), _weights(grpo), atol=1e-4)


def test_another_window_is_not_grpo(workspace, sft_run) -> None:
    same = ["--neg=random", "algo.positives=injected", *LONGER]
    grpo = workspace.rl(sft_run, "--algo=grpo", *same)
    tawin = workspace.rl(sft_run, "--algo=tawin", "--window", "0,0.2", *same)
    assert np.abs(_weights(tawin) - _weights(grpo)).max() > 1e-3
