"""The real policy under every rule: tries of several levels, items that share an ID, histories that are empty."""

import copy
import math

import numpy as np
import pytest
import torch

from recbench.item_tokens.trie import build_trie
from recbench.policy.llama_small import LlamaPolicy
from recbench.rl.groups import build_groups
from recbench.rl.step import rl_step
from recbench.schema import PolicyConfig

HISTORIES = torch.tensor([[1, 2, 3], [-1, -1, -1], [7, -1, -1], [0, 9, -1]])
POSITIVES = torch.tensor([4, 5, 0, 9])


@pytest.fixture(params=["atomic", "levels", "shared"])
def policy(request):
    random = np.random.default_rng(1)
    codes = {
        "atomic": np.arange(30)[:, None],
        "levels": np.unique(random.integers(0, 4, size=(60, 3)), axis=0)[:30],
        "shared": random.integers(0, 3, size=(30, 3)),
    }[request.param]
    torch.manual_seed(0)
    settings = PolicyConfig(layers=1, width=16, heads=2, feed_forward=32, history=4, output_dropout=0.2)
    return LlamaPolicy(build_trie(codes), settings)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["random", "beam", "mixed", "window"])
@pytest.mark.parametrize("ranks", ["exact", "beam"])
@pytest.mark.parametrize("shape", ["hard", "soft"])
def test_every_source_makes_a_finite_step(policy, settings, kind, ranks, shape):
    algo, negatives = settings(
        name="tawin",
        kind=kind,
        ranks=ranks,
        window_shape=shape,
        window=[0.0, 0.4],
        group_size=6,
        kl=0.1,
        sft_weight=0.1,
        updates_per_rollout=2,
        surrogate="logistic",
    )
    reference = copy.deepcopy(policy)
    groups = build_groups(policy, HISTORIES, POSITIVES, algo, negatives, torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3)
    log = rl_step(policy, reference, optimizer, groups, HISTORIES, algo)
    assert log.updates == 2
    for value in (log.loss, log.kl, log.sft, log.gradient_norm, log.entropy, log.ratio):
        assert math.isfinite(value)
    assert all(parameter.isfinite().all() for parameter in policy.parameters())


@pytest.mark.parametrize("kind", ["random", "beam"])
def test_tawin_is_grpo_on_the_real_policy(policy, settings, kind):
    """A beam as wide as the catalogue: narrower ones miss items on tries, so that their ranks are not exact."""
    weights = []
    for name in ("grpo", "tawin"):
        changes = {"name": name, "window": [0.0, 1.0], "positives": "injected", "dropout": False}
        algo, negatives = settings(kind=kind, group_size=6, beam_width=30, **changes)
        twin = copy.deepcopy(policy).double()
        groups = build_groups(twin, HISTORIES, POSITIVES, algo, negatives, torch.Generator().manual_seed(0))
        optimizer = torch.optim.SGD(twin.parameters(), lr=1.0)
        log = rl_step(twin, None, optimizer, groups, HISTORIES, algo)
        assert log.no_effect == 0.0
        weights.append(torch.cat([parameter.detach().flatten() for parameter in twin.parameters()]))
    before = torch.cat([parameter.detach().double().flatten() for parameter in policy.parameters()])
    assert torch.allclose(weights[0], weights[1], atol=1e-6, rtol=0)
    assert (weights[0] - before).abs().max() > 1e-3
