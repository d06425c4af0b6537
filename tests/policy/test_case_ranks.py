"""Ranks of held-out positives: by hand on fixed scores, and against a plain loop over a real policy's scores."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from recbench.data.interactions import TEST, VALIDATION, Cases, held_out_cases
from recbench.errors import UserError
from recbench.item_tokens.trie import build_trie
from recbench.policy.base import Policy
from recbench.policy.interface import Beams
from recbench.policy.ranking import beam_recall, exact_is_affordable, rank_cases
from recbench.schema import PolicyConfig

SEQUENCES = [[0, 1, 2, 3], [4, 4, 5, 0, 6], [2, 2, 2], [1, 0, 3, 5, 6, 7, 2], [7, 6, 5, 4]]


class FixedScores(Policy):
    """Scores that do not depend on the history; items of one code are tied."""

    scores: torch.Tensor

    def __init__(self, codes: list[int], scores: list[float]) -> None:
        super().__init__(build_trie(np.array(codes)[:, None]), PolicyConfig(history=3))
        self.register_buffer("scores", torch.tensor(scores))

    def score_catalogue(self, histories: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(histories), -1)

    def beam_search(self, histories: torch.Tensor, width: int) -> Beams:
        order = self.scores.argsort(descending=True, stable=True)[:width].expand(len(histories), -1)
        return Beams(order, self.scores[order])


# Items 1 and 4 share a sequence. Best first: 2 | 1 and 4 | 0 | 5 | 3.
POLICY = FixedScores([0, 1, 2, 3, 1, 5], [-3.0, -2.0, -1.0, -5.0, -2.0, -4.0])


def _case(make_interactions: Callable, *sequence: int) -> tuple:
    interactions = make_interactions([sequence])
    return interactions, held_out_cases(interactions, TEST)


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        # positive last; above, ties, negatives, then the same without the items seen
        ([0, 5, 2], (0, 0, 5, 0, 0, 3)),
        ([2, 5, 3], (5, 0, 5, 3, 0, 3)),
        ([2, 5, 1], (1, 1, 5, 0, 1, 3)),  # tied with 4
        ([2, 4, 1], (1, 1, 5, 0, 0, 3)),  # the tied one was seen
        ([3, 3, 0, 2, 0], (3, 0, 5, 2, 0, 3)),  # a repeat is not excluded from being right
    ],
)
def test_ranks_by_hand(sequence, expected, make_interactions) -> None:
    ranks = rank_cases(POLICY, *_case(make_interactions, *sequence), top_items=2)
    found = [column[0] for column in (ranks.above, ranks.ties, ranks.negatives)]
    found += [column[0] for column in (ranks.above_excluded, ranks.ties_excluded, ranks.negatives_excluded)]
    assert tuple(found) == expected
    assert not ranks.censored[0]
    assert ranks.top_items.tolist()[0][0] == 2


@pytest.mark.parametrize(
    ("sequence", "width", "expected"),
    [
        # The beam is wider than asked for by the number of distinct items seen, the positive not counted.
        ([2, 5, 0], 6, (3, 0, False, 2, 0)),
        ([2, 5, 0], 1, (3, 0, True, 2, 0)),  # 2, 1, 4 were found: at least three are above, two of them not seen
        ([2, 5, 3], 2, (4, 0, True, 3, 0)),
        ([5, 0, 4], 1, (1, 1, False, 1, 1)),
        # A beam of two holds 2 and 1; 4 shares 1's sequence, so where either is found both stand there.
        ([5, 5, 1], 1, (1, 1, False, 1, 1)),
        ([5, 5, 4], 1, (1, 1, False, 1, 1)),
        ([1, 1, 4], 1, (1, 1, False, 1, 0)),
        ([4, 4, 4], 1, (1, 0, True, 1, 0)),
    ],
)
def test_a_beam_censors_what_it_does_not_find(sequence, width, expected, make_interactions) -> None:
    ranks = rank_cases(POLICY, *_case(make_interactions, *sequence), beam_width=width, top_items=2)
    columns = (ranks.above, ranks.ties, ranks.censored, ranks.above_excluded, ranks.ties_excluded)
    assert tuple(column[0] for column in columns) == expected
    assert ranks.negatives[0] == 5
    found = width + len(set(sequence[:-1]) - {sequence[-1]})
    assert ranks.top_items[0].tolist() == ([2, 1] if found > 1 else [2, -1])


def _loop_by_id(trie, scores: np.ndarray, positive: int) -> tuple[int, int]:
    """Token sequences above the positive's and tied with it, one by one."""
    score_of = {tuple(tokens): score for tokens, score in zip(trie.item_tokens.tolist(), scores.tolist(), strict=True)}
    own = tuple(trie.item_tokens[positive].tolist())
    others = [score for tokens, score in score_of.items() if tokens != own]
    return sum(score > scores[positive] for score in others), sum(score == scores[positive] for score in others)


@pytest.mark.parametrize(("positive", "above"), [(2, 0), (1, 1), (4, 1), (0, 2), (5, 3), (3, 4)])
def test_ids_above_by_hand(positive, above, make_interactions) -> None:
    """Best first, the IDs are those of 2, of 1 and 4, of 0, of 5, of 3: a place each, however many items have one."""
    for width in (None, 6):
        ranks = rank_cases(POLICY, *_case(make_interactions, 2, 0, positive), beam_width=width)
        assert (ranks.above_by_id[0], ranks.ties_by_id[0]) == (above, 0)
    assert POLICY.trie.sequence_count == 5


def _loop(scores: np.ndarray, positive: int, seen: set[int]) -> list[int]:
    """The six counts of one case, item by item."""
    counts = [0] * 6
    for item, score in enumerate(scores):
        if item == positive:
            continue
        for offset, counted in ((0, True), (3, item not in seen)):
            counts[offset] += counted and bool(score > scores[positive])
            counts[offset + 1] += counted and bool(score == scores[positive])
            counts[offset + 2] += counted
    return counts


@pytest.mark.parametrize("kind", ["atomic", "levels", "shared", "mixed depth"])
@pytest.mark.parametrize("split", [VALIDATION, TEST])
def test_exact_ranks_are_the_loop_over_items(kind: str, split: int, make_policy, make_interactions) -> None:
    policy, interactions = make_policy(kind).train(), make_interactions(SEQUENCES)
    cases = held_out_cases(interactions, split)
    done: list[int] = []
    ranks = rank_cases(policy, interactions, cases, batch_size=2, top_items=3, advance=done.append)
    assert policy.training and sum(done) == len(cases.user)  # the mode is as it was; progress was told
    policy.eval()
    for row, (user, position) in enumerate(zip(cases.user, cases.position)):
        before = interactions.items[interactions.offsets[user] : position].tolist()
        scores = policy.score_catalogue(torch.tensor([before[-4:]]))[0].numpy()  # a history of four
        counts = _loop(scores, int(interactions.items[position]), set(before))
        assert [ranks.above[row], ranks.ties[row], ranks.negatives[row]] == counts[:3]
        assert [ranks.above_excluded[row], ranks.ties_excluded[row], ranks.negatives_excluded[row]] == counts[3:]
        by_id = _loop_by_id(policy.trie, scores, int(interactions.items[position]))
        assert (ranks.above_by_id[row], ranks.ties_by_id[row]) == by_id
        np.testing.assert_allclose(scores[ranks.top_items[row]], np.sort(scores)[::-1][:3], atol=1e-6)


@pytest.mark.parametrize("kind", ["atomic", "levels", "shared", "mixed depth"])
def test_a_beam_as_wide_as_the_catalogue_gives_exact_ranks(kind: str, make_policy, make_interactions) -> None:
    policy, interactions = make_policy(kind), make_interactions(SEQUENCES)
    cases = held_out_cases(interactions, TEST)
    exact = rank_cases(policy, interactions, cases)
    beam = rank_cases(policy, interactions, cases, beam_width=policy.catalogue_size)
    for name in vars(exact):
        assert np.array_equal(getattr(exact, name), getattr(beam, name)), name
    assert not beam.censored.any()
    assert beam_recall(policy, interactions, cases, policy.catalogue_size) == 1.0


@pytest.mark.parametrize("kind", ["levels", "shared"])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_a_narrow_beam_never_claims_a_rank_below_the_exact_one(kind, width, make_policy, make_interactions) -> None:
    policy, interactions = make_policy(kind), make_interactions(SEQUENCES)
    cases = held_out_cases(interactions, TEST)
    exact = rank_cases(policy, interactions, cases)
    beam = rank_cases(policy, interactions, cases, beam_width=width)
    assert (beam.above[~beam.censored] <= exact.above[~beam.censored]).all()
    assert (beam.above[beam.censored] >= width).all()
    assert (beam.above_by_id[~beam.censored] <= exact.above_by_id[~beam.censored]).all()
    assert (beam.above_by_id <= beam.above).all() and (exact.above_by_id <= exact.above).all()
    assert (beam.above_excluded[beam.censored] >= width).all()
    assert (beam.ties[~beam.censored] == exact.ties[~beam.censored]).all()
    assert 0.0 <= beam_recall(policy, interactions, cases, width) <= 1.0


def test_batches_do_not_matter(make_policy, make_interactions) -> None:
    policy, interactions = make_policy("mixed depth"), make_interactions(SEQUENCES)
    cases = held_out_cases(interactions, TEST)
    one, many = (rank_cases(policy, interactions, cases, batch_size=size, top_items=4) for size in (1, 64))
    for name in vars(one):
        assert np.array_equal(getattr(one, name), getattr(many, name)), name


def test_no_cases_give_no_ranks(make_policy, make_interactions) -> None:
    nothing = Cases(np.zeros(0, np.int64), np.zeros(0, np.int64))
    ranks = rank_cases(make_policy(), make_interactions(SEQUENCES), nothing, top_items=2)
    assert ranks.above.shape == (0,) and ranks.top_items.shape == (0, 2)


def test_exact_scoring_is_the_default_for_small_tries_only(make_policy) -> None:
    assert exact_is_affordable(make_policy("levels"))
    row = np.arange(2 * 2100)
    pairs = np.stack([row // 2, row], axis=1)  # 2,100 first codes with two children each
    assert not exact_is_affordable(make_policy(pairs))


@pytest.mark.parametrize("beam_width", [None, 3])
def test_a_policy_of_nan_ranks_nothing_first(beam_width: int | None, make_interactions, make_policy) -> None:
    policy = make_policy("atomic")
    policy.embeddings.data.fill_(np.nan)
    with pytest.raises(UserError, match="scores items as NaN: its weights are no numbers; train it with a lower"):
        rank_cases(policy, *_case(make_interactions, 0, 5, 2), beam_width=beam_width)
