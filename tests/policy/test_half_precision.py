"""Scores under autocast bfloat16: states may be rounded, the order of items must not be."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from recbench.ctr.layers import linear, perceptron
from recbench.ctr.models.finalmlp import BilinearFusion
from recbench.item_tokens.trie import build_trie
from recbench.policy.baselines.bpr_mf import BprMf
from recbench.policy.baselines.sasrec import SasRec
from recbench.policy.contexts import SequenceContexts
from recbench.policy.llama_small import LlamaPolicy
from recbench.precision import exact_product
from recbench.schema import PolicyConfig

ITEMS, BEST = 1000, 15
ATOMIC = np.arange(ITEMS)[:, None]
LEVELS = np.stack([ATOMIC[:, 0] // 100, ATOMIC[:, 0] // 10 % 10, ATOMIC[:, 0] % 10], axis=1)
HISTORIES = torch.from_numpy(np.random.default_rng(0).integers(0, ITEMS, (32, 4)))
EVERYTHING = torch.arange(ITEMS).expand(32, -1)
PLACES = torch.stack([torch.arange(32), torch.full((32,), 3)], dim=1)


def policy(kind: str) -> LlamaPolicy | SasRec:
    torch.manual_seed(0)
    sizes = PolicyConfig(layers=1, width=32, heads=2, feed_forward=32, history=4)
    codes = LEVELS if kind == "semantic_ids" else ATOMIC
    made = SasRec(build_trie(codes), sizes) if kind == "sasrec" else LlamaPolicy(build_trie(codes), sizes)
    for parameter in made.parameters():
        parameter.data.mul_(4.0)
    return made.eval()


def tied(scores: torch.Tensor) -> float:
    """Share of the best items of each row whose score another one of the best has, too."""
    assert scores.dtype == torch.float32
    best = scores.topk(BEST, dim=1).values
    same = best[:, 1:] == best[:, :-1]
    return float(same.double().mean())


PATHS: dict[str, Callable[..., torch.Tensor]] = {
    "catalogue": lambda made: made.score_catalogue(HISTORIES),
    "groups": lambda made: made.score_groups(HISTORIES, EVERYTHING).detach(),
    "some": lambda made: made.score_some(HISTORIES, torch.arange(500), EVERYTHING[:, 500:]),
    "beam": lambda made: made.beam_search(HISTORIES, 50).log_probs,
    "sequence catalogue": lambda made: SequenceContexts(made, HISTORIES).score_catalogue(PLACES),
    "sequence groups": lambda made: SequenceContexts(made, HISTORIES).score_groups(PLACES, EVERYTHING).detach(),
    "sequence some": lambda made: SequenceContexts(made, HISTORIES).score_some(PLACES, torch.arange(ITEMS), PLACES),
}


@pytest.mark.parametrize("kind", ["llama_small", "semantic_ids", "sasrec"])
@pytest.mark.parametrize("path", list(PATHS))
def test_no_more_of_the_best_tie_than_in_float32(kind: str, path: str) -> None:
    if kind == "semantic_ids" and path.startswith("sequence"):
        pytest.skip("several tokens an item share no pass")
    made = policy(kind)
    expected = PATHS[path](made)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = PATHS[path](made)
    assert tied(expected) < 0.01
    assert tied(found) < 0.01
    assert tied(expected.bfloat16().float()) > 0.05  # what a rounding of the scores would leave
    assert 0 < float((found - expected).abs().max()) < 0.5  # states are rounded, as they may be


@pytest.mark.parametrize("kind", ["llama_small", "semantic_ids", "sasrec"])
def test_the_loss_is_the_mean_of_those_scores(kind: str) -> None:
    made = policy(kind)
    targets = torch.zeros_like(HISTORIES, dtype=torch.bool)
    targets[:, 3] = True
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = made.sft_loss(HISTORIES, targets)
        before = HISTORIES.masked_fill(targets, -1)
        scores = made.score_catalogue(before).gather(1, HISTORIES[:, 3:])
    assert loss.dtype == torch.float32
    # Semantic IDs run the history and the item in one pass or in two; the rest is the same product.
    assert loss.item() == pytest.approx(-scores.mean().item(), abs=1e-5 if kind != "semantic_ids" else 2e-2)
    loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in made.parameters() if parameter.grad is not None)


def test_factors_and_click_models_score_in_full_precision() -> None:
    torch.manual_seed(0)
    factors = BprMf(build_trie(ATOMIC), PolicyConfig(kind="bpr_mf", width=16), 32)
    torch.nn.init.normal_(factors.user_factors.weight)
    inputs = torch.randn(2000, 8)
    users = torch.arange(32)[:, None]
    models = (perceptron(8, [8], 0.0), linear(8, 1), lambda given: BilinearFusion(8, 2)(given, given))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(
            factors.score_catalogue(users), exact_product(factors.user_factors.weight, factors.item_factors.weight.T)
        )
        for model in models:
            scores = model(inputs).flatten()
            assert scores.dtype == torch.float32
            assert len(scores.unique()) > 1900
    assert tied(factors.score_catalogue(users)) < 0.01


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_full_precision_is_the_product_as_it_stands(kind: torch.dtype) -> None:
    left, right = torch.randn(5, 7, dtype=kind), torch.randn(7, 3, dtype=kind)
    assert torch.equal(exact_product(left, right), left @ right)
    assert exact_product(left.bfloat16(), right.float()).dtype == torch.float32
