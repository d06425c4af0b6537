"""Token embeddings that start from item vectors: means over the items under a token, at the usual scale."""

import numpy as np
import pytest
import torch

from recbench.policy.initial import start_embeddings


def test_a_token_starts_at_the_mean_of_its_items(make_policy) -> None:
    # Tokens 1 and 2 are the first codes 0 and 1; tokens 3, 4, 5 the second codes. Item 3 has no vector.
    policy = make_policy(np.array([[0, 0], [0, 1], [1, 1], [1, 2]]))
    before = policy.embeddings.detach().clone()
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0], [0.0, 0.0]])
    start_embeddings(policy, vectors, 0.05)
    means = np.array([[0.5, 0.5], [-0.5, 0.5], [1.0, 0.0], [-0.5, 1.0]])  # tokens 1, 2, 3, 4
    after = policy.embeddings.detach()
    np.testing.assert_allclose(after[1:5, :2].numpy(), means * 0.05 / means.std(), rtol=1e-6)
    assert torch.equal(after[5], before[5]) and torch.equal(after[0], before[0])
    assert torch.equal(after[:, 2:], before[:, 2:])


@pytest.mark.parametrize("width", [3, 40])
def test_vectors_of_any_width_fit(width: int, make_policy) -> None:
    policy = make_policy("atomic")
    vectors = np.random.default_rng(0).normal(size=(9, width))
    start_embeddings(policy, vectors, 0.05)
    kept = min(width, 16)
    started = policy.embeddings.detach()[1:, :kept].numpy()
    assert np.corrcoef(started.ravel(), vectors[:, :kept].ravel())[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("number", [0.0, 0.5])
def test_vectors_that_tell_nothing_apart_leave_the_random_start(number: float, make_policy) -> None:
    policy = make_policy("atomic")
    before = policy.embeddings.detach().clone()
    start_embeddings(policy, np.full((9, 4), number), 0.05)
    assert torch.equal(policy.embeddings.detach(), before)
