"""The item trie in CSR arrays, checked by hand on a small catalogue and by properties on random ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import UserError
from recbench.item_tokens.trie import build_trie


def test_a_small_trie_by_hand() -> None:
    # Items: [5,0], [5,1], [9,1], [5,1]. First-level codes 5, 9 become tokens 1, 2; second-level 0, 1 become 3, 4.
    # Nodes, breadth first: 0 root; 1 = (5), 2 = (9); 3 = (5,0), 4 = (5,1), 5 = (9,1).
    trie = build_trie(np.array([[5, 0], [5, 1], [9, 1], [5, 1]]))
    assert trie.child_offsets.tolist() == [0, 2, 4, 5, 5, 5, 5]
    assert trie.node_tokens.tolist() == [0, 1, 2, 3, 4, 4]
    assert trie.parents.tolist() == [-1, 0, 0, 1, 1, 2]
    assert trie.depths.tolist() == [0, 1, 1, 2, 2, 2]
    assert trie.leaf_of_item.tolist() == [3, 4, 5, 4]
    assert trie.items.tolist() == [0, 1, 3, 2]
    assert trie.level_starts.tolist() == [1, 3, 5]
    assert trie.item_tokens.tolist() == [[1, 3], [1, 4], [2, 4], [1, 4]]
    assert trie.shared_items == 2
    # Node 2 has one child and nothing to choose below it; the root and node 1 have choices.
    assert trie.needs_forward.tolist() == [True, True, False, False, False, False]
    assert [chunk.tolist() for chunk in trie.subtree_chunks] == [[1]]


def test_a_sequence_that_begins_another_gets_a_terminator() -> None:
    trie = build_trie(np.array([[0, -1], [0, 1]]))
    assert trie.depth == 3
    assert len(np.unique(trie.leaf_of_item)) == 2
    assert (trie.child_counts[trie.leaf_of_item] == 0).all()


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (np.zeros((0, 2), int), "no items"),
        (np.array([[0, 1], [-1, -1]]), "row 1"),
        (np.array([[0, 1], [-1, 3]]), "row 1"),
    ],
)
def test_impossible_codes_are_named(codes: np.ndarray, words: str) -> None:
    with pytest.raises(UserError, match=words):
        build_trie(codes)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=25))
def test_every_item_is_reached_by_its_own_tokens_and_leaves_have_no_children(sequences: list[list[int]]) -> None:
    codes = np.full((len(sequences), 4), -1)
    for row, sequence in enumerate(sequences):
        codes[row, : len(sequence)] = sequence
    trie = build_trie(codes)
    for item, leaf in enumerate(trie.leaf_of_item):
        node = 0
        for token in trie.item_tokens[item]:
            if token < 0:
                break
            children = np.arange(trie.child_offsets[node], trie.child_offsets[node + 1]) + 1
            (matching,) = children[trie.node_tokens[children] == token]
            assert trie.parents[matching] == node
            node = int(matching)
        assert node == leaf
        assert trie.child_counts[leaf] == 0
    # Two items share a leaf exactly when their sequences are equal.
    same_codes = (codes[:, None] == codes[None]).all(2)
    assert (same_codes == (trie.leaf_of_item[:, None] == trie.leaf_of_item[None])).all()
    assert trie.child_counts.sum() == trie.node_count - 1
    wanted = np.flatnonzero(trie.needs_forward & (trie.depths > 0))
    assert sorted(np.concatenate([*trie.subtree_chunks, np.zeros(0, int)]).tolist()) == wanted.tolist()
