"""Contexts that share a pass against the same contexts read one by one."""

from typing import Any

import numpy as np
import pytest
import torch

from recbench.item_tokens.trie import build_trie
from recbench.policy.baselines.sasrec import SasRec
from recbench.policy.contexts import SequenceContexts
from recbench.rl.groups import build_groups
from recbench.rl.step import rl_step
from recbench.schema import AlgoConfig, NegativesConfig, PolicyConfig

ITEMS = torch.tensor([[3, 1, 4, 1, 5], [2, 6, -1, -1, -1], [0, 5, 2, 7, -1]])
PLACES = torch.tensor([[0, 4], [0, 0], [1, 1], [2, 3], [0, 2], [2, 1]])  # places of one row, an empty history
HISTORIES = torch.tensor(
    [[3, 1, 4, 1], [-1] * 4, [2, -1, -1, -1], [0, 5, 2, -1], [3, 1, -1, -1], [0, -1, -1, -1]]
)  # what comes before them


@pytest.fixture(params=["llama_small", "items that share a token", "sasrec"])
def policy(request, make_policy):
    if request.param == "sasrec":
        torch.manual_seed(0)
        sizes = PolicyConfig(kind="sasrec", layers=2, width=8, heads=2, feed_forward=12, history=6)
        sasrec = SasRec(build_trie(np.arange(9)[:, None]), sizes).eval()
        for parameter in sasrec.parameters():
            parameter.data.mul_(8.0)
        return sasrec
    codes = {"llama_small": [4, 0, 8, 3, 1, 7, 2, 6, 5], "items that share a token": [4, 0, 1, 3, 1, 7, 2, 0, 5]}
    return make_policy(np.array(codes[request.param])[:, None], history=6)


def test_every_score_is_that_of_the_context_alone(policy) -> None:
    contexts = SequenceContexts(policy, ITEMS)
    alone = policy.score_catalogue(HISTORIES)
    assert torch.allclose(contexts.score_catalogue(PLACES), alone, atol=1e-5)
    assert float(alone.std(dim=0).min()) > 1e-2  # contexts that say something
    candidates = torch.tensor([[2, 7, -1], [0, 0, 1], [8, 3, 4], [-1, -1, -1], [5, 6, 7], [1, 4, 2]])
    expected = alone.gather(1, candidates.clamp(min=0)).masked_fill(candidates < 0, -torch.inf)
    assert torch.allclose(contexts.score_groups(PLACES, candidates), expected, atol=1e-5)
    shared = torch.tensor([8, 0])
    some = contexts.score_some(PLACES, shared, candidates)
    assert torch.allclose(some, policy.score_some(HISTORIES, shared, candidates), atol=1e-4)
    beams, expected_beams = contexts.beam_search(PLACES, 4), policy.beam_search(HISTORIES, 4)
    assert torch.allclose(beams.log_probs, expected_beams.log_probs, atol=1e-5)
    assert torch.allclose(alone.gather(1, beams.items), beams.log_probs, atol=1e-5)


def test_a_step_is_that_of_the_contexts_alone(policy) -> None:
    """Dropout off, where the two passes are the same function, for every source of negatives.

    Random ones only where items share a token: which of two tied items is a negative is not defined.
    """
    tied = len(set(policy.token_columns.tolist())) < policy.catalogue_size
    algo = AlgoConfig(name="tawin", window=[0.0, 0.5], group_size=4, surrogate="logistic", sft_weight=0.1)
    algo.dropout = False
    positives = torch.tensor([5, 3, 6, 7, 4, 5])
    policy.double()
    start = {name: value.clone() for name, value in policy.state_dict().items()}
    for kind in ["random"] if tied else ["random", "beam", "mixed", "window"]:
        after = []
        for reads, histories in ((policy, HISTORIES), (SequenceContexts(policy, ITEMS), PLACES)):
            policy.load_state_dict(start)
            generator = torch.Generator().manual_seed(0)
            groups = build_groups(reads, histories, positives, algo, NegativesConfig(kind=kind), generator)
            log = rl_step(reads, None, torch.optim.SGD(policy.parameters(), lr=0.1), groups, histories, algo)
            assert log.no_effect < 1.0
            after.append(torch.cat([parameter.detach().flatten() for parameter in policy.parameters()]))
        assert torch.allclose(after[0], after[1], atol=1e-6, rtol=0), kind
        before = torch.cat([start[name].flatten() for name, _ in policy.named_parameters()])
        assert float((after[0] - before).abs().max()) > 1e-3, kind


def test_dropout_and_weights_are_the_policys(policy) -> None:
    contexts = SequenceContexts(policy, ITEMS)
    assert contexts.catalogue_size == 9
    assert not contexts.training
    contexts.train()
    assert policy.training
    assert contexts.training
    assert [id(one) for one in contexts.parameters()] == [id(one) for one in policy.parameters()]


def test_several_tokens_an_item_share_no_pass(make_policy) -> None:
    with pytest.raises(ValueError, match="one token"):
        SequenceContexts(make_policy("levels"), ITEMS)


@pytest.mark.parametrize("by_sequence", [True, False])
def test_ranks_with_dropout_are_those_of_the_gradient_pass(policy, by_sequence: bool) -> None:
    """Random draws of the build are drawn again: the ranks of a group are those of the scores that are moved."""
    reads, histories = (SequenceContexts(policy, ITEMS), PLACES) if by_sequence else (policy, HISTORIES)
    positives = torch.tensor([5, 3, 6, 7, 4, 5])
    policy.embedding_dropout = policy.output_dropout = policy.settings.output_dropout = 0.5
    found = {}
    for rank_dropout in (False, True):
        algo = AlgoConfig(name="tawin", window=[0.0, 1.0], positives="injected", group_size=9)
        algo.rank_dropout = rank_dropout
        negatives = NegativesConfig(kind="window")
        for seed in (0, 1):
            torch.manual_seed(seed)
            policy.eval()
            groups = build_groups(reads, histories, positives, algo, negatives, torch.Generator().manual_seed(0))
            assert not policy.training
            policy.train()
            scores = reads.score_groups(histories, groups.candidates)
            above = ((scores > scores[:, :1]) & groups.valid).sum(dim=1)
            found[rank_dropout, seed] = groups.positive_above, above
    assert torch.equal(found[True, 0][0], found[True, 0][1])
    assert torch.equal(found[True, 1][0], found[True, 1][1])
    assert not torch.equal(found[True, 0][0], found[True, 1][0])
    assert torch.equal(found[False, 0][0], found[False, 1][0])
    assert not torch.equal(found[False, 0][0], found[False, 0][1])


class Listening:
    """A policy that keeps what it was asked for and what it answered."""

    def __init__(self, policy: Any) -> None:
        self.policy, self.heard = policy, []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.policy, name)
        if name not in ("score_catalogue", "score_groups", "beam_search"):
            return found

        def answer(histories: torch.Tensor, *rest: Any) -> Any:
            scores = found(histories, *rest)
            self.heard.append((name, *rest, scores))
            return scores

        return answer


@pytest.mark.slow
@pytest.mark.parametrize("by_sequence", [True, False])
@pytest.mark.parametrize("kind", ["window", "beam"])
def test_contexts_without_effect_leave_the_masks_of_the_others(policy, by_sequence: bool, kind: str) -> None:
    """A hard window drops most contexts from the gradient pass; the masks of the rest are those of the ranking."""
    reads, histories = (SequenceContexts(policy, ITEMS), PLACES) if by_sequence else (policy, HISTORIES)
    listening: Any = Listening(reads)
    policy.embedding_dropout = policy.output_dropout = policy.settings.output_dropout = 0.5
    algo = AlgoConfig(name="tawin", window=[0.0, 0.25], group_size=3, surrogate="logistic", updates_per_rollout=2)
    algo.window_shape, algo.rank_dropout = "hard", True
    positives = torch.tensor([5, 3, 6, 7, 4, 5])
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.0)
    compared = 0
    for seed in range(8):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        listening.heard.clear()
        groups = build_groups(listening, histories, positives, algo, NegativesConfig(kind=kind), generator)
        log = rl_step(listening, None, optimizer, groups, histories, algo)
        ranked = [heard[-1] for heard in listening.heard if heard[0] == "score_catalogue"]
        found = [heard[-1] for heard in listening.heard if heard[0] == "beam_search"]
        assert (len(ranked), len(found)) == (1, int(kind == "beam"))
        for beams in found:  # of the scores that ranks are of, masks included
            assert torch.equal(ranked[0].gather(1, beams.items), beams.log_probs)
        chosen = groups.effective.nonzero().squeeze(1)
        if not 0 < len(chosen) < len(positives):
            continue
        assert log.ratio == 1.0
        moved = [heard for heard in listening.heard if heard[0] == "score_groups"]
        assert len(moved) == 2  # updates of one rollout
        for _, candidates, scores in moved:
            rows = chosen if len(scores) == len(positives) else torch.arange(len(chosen))
            items = groups.candidates[chosen]
            assert torch.equal(candidates[rows], items)
            expected = ranked[0][chosen].gather(1, items.clamp(min=0)).masked_fill(items < 0, -torch.inf)
            if by_sequence:  # one product of states for all places, another for some: equal up to rounding
                assert torch.allclose(scores[rows], expected, atol=1e-5)
            else:
                assert torch.equal(scores[rows], expected)
        compared += 1
    assert compared >= 2
