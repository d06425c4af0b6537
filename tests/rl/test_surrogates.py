"""Surrogates: slopes against autograd, common scale at equal scores."""

import math

import pytest
import torch

from recbench.rl.surrogates import surrogate_pull, surrogate_value


@pytest.mark.parametrize("kind", ["linear", "logistic", "sigmoid"])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 3.0])
def test_pull_is_minus_the_slope_and_1_at_equal_scores(kind, temperature):
    margins = torch.tensor([-50.0, -2.0, -0.3, 0.0, 0.3, 2.0, 50.0], dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(surrogate_value(margins, kind, temperature).sum(), margins)[0]
    pull = surrogate_pull(margins.detach(), kind, temperature)
    assert pull.tolist() == pytest.approx((-slope).tolist(), abs=1e-12)
    assert pull[3].item() == pytest.approx(1.0)
    assert (pull >= 0).all()


def test_values_by_hand():
    margin = torch.tensor([0.0, 1e4, -1e4], dtype=torch.float64)
    assert surrogate_value(margin, "linear").tolist() == [0.0, -1e4, 1e4]
    assert surrogate_value(margin, "logistic", 0.5).tolist() == pytest.approx([math.log(2), 0.0, 2e4])
    assert surrogate_value(margin, "sigmoid", 0.5).tolist() == pytest.approx([1.0, 0.0, 2.0])


@pytest.mark.parametrize("function", [surrogate_pull, surrogate_value])
def test_unknown_surrogate(function):
    with pytest.raises(ValueError, match="hinge"):
        function(torch.zeros(1), "hinge")
