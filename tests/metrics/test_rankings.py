"""Blocks of equal scores against counting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import UserError
from recbench.metrics.rankings import rank_scores


def test_blocks_by_hand() -> None:
    # User 5: 0.9 (negative), then a tie of one positive and one negative; user 9: one positive, one negative below.
    ranking = rank_scores([1, 0, 0, 1, 0], [0.5, 0.9, 0.5, 0.2, 0.1], [5, 5, 5, 9, 9])
    assert ranking.group.tolist() == [0, 0, 1, 1]
    assert ranking.before.tolist() == [0, 1, 0, 1]
    assert ranking.above.tolist() == [0, 1, 0, 0]
    assert ranking.positives.tolist() == [0, 1, 1, 0]
    assert ranking.negatives.tolist() == [1, 1, 0, 1]
    assert ranking.positives_of_group.tolist() == [1, 1]
    assert ranking.negatives_of_group.tolist() == [2, 1]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=30))
def test_counts_equal_a_loop(rows: list[tuple[int, int, str]]) -> None:
    ranking = rank_scores(*(list(column) for column in zip(*rows, strict=True)))
    expected = []
    for user in sorted({user for _, _, user in rows}):
        own = [(label, score) for label, score, of in rows if of == user]
        for score in sorted({score for _, score in own}, reverse=True):
            higher = [label for label, other in own if other > score]
            tied = [label for label, other in own if other == score]
            expected.append((len(higher), higher.count(0), tied.count(1), tied.count(0)))
    columns = (ranking.before, ranking.above, ranking.positives, ranking.negatives)
    assert [tuple(map(int, block)) for block in zip(*columns, strict=True)] == expected


def test_infinite_scores_tie() -> None:
    ranking = rank_scores([1, 0, 0, 1], [-np.inf, -np.inf, 0.0, np.inf])
    assert ranking.positives.tolist() == [1, 0, 1]
    assert ranking.negatives.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("labels", "scores", "groups", "message"),
    [
        ([], [], None, "no scores"),
        ([0, 1], [0.1], None, "one length"),
        ([0, 2], [0.1, 0.2], None, "label 2 at index 1"),
        ([0, 1], [0.1, np.nan], None, "score at index 1 is NaN"),
        ([0, 1], [0.1, 0.2], [1], "one group a row"),
    ],
)
def test_bad_input_is_named(labels: list[int], scores: list[float], groups: list[int] | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        rank_scores(labels, scores, groups)
