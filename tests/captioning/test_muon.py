"""Muon: against singular values, against torch's own where that computes in float32, and in the state that it keeps."""

import numpy as np
import pytest
import torch
from torch import Tensor

from recbench.captioning.muon import Muon, orthogonalised


def matrix(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(6, 6), (3, 8), (9, 4), (1, 5)])
def test_singular_vectors_stay_and_singular_values_go_through_the_quintic(shape: tuple[int, int]) -> None:
    given = matrix(*shape, seed=0).double().numpy()
    left, values, right = np.linalg.svd(given, full_matrices=False)
    values = values / np.sqrt((values**2).sum())
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    expected = torch.from_numpy(left * values @ right).float()
    torch.testing.assert_close(orthogonalised(torch.from_numpy(given).float()), expected, rtol=1e-4, atol=1e-5)


def test_zeros_stay_zeros_and_lower_precisions_are_not_computed_in() -> None:
    assert (orthogonalised(torch.zeros(3, 4)) == 0).all()
    assert orthogonalised(matrix(3, 4, seed=1).bfloat16()).dtype == torch.float32


def steps(optimizer: torch.optim.Optimizer, parameters: list[Tensor], count: int) -> None:
    for step in range(count):
        optimizer.param_groups[0]["lr"] = 0.02 / (step + 1)
        for place, parameter in enumerate(parameters):
            parameter.grad = matrix(*parameter.shape, seed=100 * step + place)
        optimizer.step()


def test_moves_as_torch_s_own_does_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(6, 6), (3, 8), (9, 4)]
    ours, theirs = ([matrix(*shape, seed=7).requires_grad_() for shape in shapes] for _ in range(2))
    steps(Muon(ours, lr=0.02, weight_decay=0.1), ours, 5)
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.float)  # what torch's would orthogonalise in
    steps(torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="original"), theirs, 5)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - matrix(*mine.shape, seed=7)).abs().max() > 0.01
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_a_restored_state_goes_on_where_it_was() -> None:
    whole, halves = (
        [matrix(4, 4, seed=3).requires_grad_()],
        [matrix(4, 4, seed=3).requires_grad_()],
    )
    straight, first, second = (Muon(whole, lr=0.02), Muon(halves, lr=0.02), Muon(halves, lr=0.02))
    for step in range(4):
        whole[0].grad = halves[0].grad = matrix(4, 4, seed=step)
        straight.step()
        if step == 2:
            second.load_state_dict(first.state_dict())
        (first if step < 2 else second).step()
    assert torch.equal(whole[0], halves[0])


def test_a_matrix_without_gradient_stays_and_what_is_no_matrix_is_refused() -> None:
    still = matrix(3, 3, seed=5).requires_grad_()
    Muon([still], lr=0.02, weight_decay=0.1).step()
    assert torch.equal(still.detach(), matrix(3, 3, seed=5))
    with pytest.raises(ValueError, match=r"matrices, not a parameter of shape \(3,\)"):
        Muon([torch.zeros(3, requires_grad=True)], lr=0.02)
