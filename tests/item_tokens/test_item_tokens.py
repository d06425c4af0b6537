"""Item tokens: index files, residual k-means, collisions, and that nothing held back can leak into them."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.interactions import TRAIN
from recbench.data.targets import target_positions
from recbench.errors import UserError
from recbench.item_tokens.make import break_collisions, make_item_tokens, read_index_file, residual_kmeans
from recbench.item_tokens.vectors import cooccurrence_vectors, encoder_vectors, text_vectors
from recbench.schema import ItemTokensConfig

# ---- index files


def test_an_index_file_as_minionerec_writes_it(tmp_path) -> None:
    index = {
        "0": ["<a_236>", "<b_231>", "<c_226>"],
        "7": ["<a_236>", "<b_80>", "<c_226>"],
        "12": ["<a_42>", "<b_231>", "<c_5>"],
        "99": ["<a_1>", "<b_1>", "<c_1>"],
    }
    file = tmp_path / "index.json"
    file.write_text(json.dumps(index))
    # Items in the catalogue's order; each level numbers its tokens as they appear; item 99 is not in the catalogue.
    codes = read_index_file(file, ["12", "0", "7"])
    assert codes.tolist() == [[0, 0, 0], [1, 0, 1], [1, 1, 1]]


def test_equal_texts_of_different_levels_are_different_tokens_and_lengths_may_differ(tmp_path) -> None:
    file = tmp_path / "index.json"
    file.write_text(json.dumps({"a": ["x"], "b": ["x", "x"], "c": ["y", 3, "x"]}))
    assert read_index_file(file, ["a", "b", "c"]).tolist() == [[0, -1, -1], [0, 0, -1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "object of item id"),
        ('{"a": ["x"], "b": []}', "non-empty list"),
        ('{"a": ["x"], "b": "xyz"}', "non-empty list"),
        ('{"a": ["x"]}', "1 of 2 items, the first being 'b'"),
    ],
)
def test_a_broken_index_file_is_told_in_one_line(text, words, tmp_path) -> None:
    file = tmp_path / "index.json"
    file.write_text(text)
    with pytest.raises(UserError, match=words) as told:
        read_index_file(file, ["a", "b"])
    assert "\n" not in str(told.value)


def test_a_missing_index_file_is_named(tmp_path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_index_file(tmp_path / "nothing.json", ["a"])


# ---- residual k-means


def test_residual_kmeans_takes_the_large_differences_first_and_then_what_is_left() -> None:
    # Two far groups (+-10 on one axis), in each the same two offsets (+-1 on the other): the first level must name the
    # group. What its centroids leave over is the offset alone, so the second level names the offset, in both alike.
    group, offset = np.array([0, 0, 1, 1, 0, 1, 0, 0, 1, 1]), np.array([0, 1, 0, 1, 1, 0, 0, 0, 1, 1])
    vectors = np.stack([20.0 * group - 10.0, 2.0 * offset - 1.0], axis=1)
    first, second = residual_kmeans(vectors, levels=2, codebook_size=2, seed=0).T
    assert ((first[:, None] == first) == (group[:, None] == group)).all()
    assert ((second[:, None] == second) == (offset[:, None] == offset)).all()


def test_a_codebook_needs_no_more_codes_than_there_are_vectors() -> None:
    vectors = np.array([[0.0], [5.0], [9.0], [5.0]])
    codes = residual_kmeans(vectors, levels=3, codebook_size=256, seed=0)
    assert codes[1].tolist() == codes[3].tolist()
    assert len(np.unique(codes[:, 0])) == 3
    assert (codes[:, 1:] == 0).all()  # nothing is left over


@given(st.integers(0, 1000), st.integers(1, 3), st.integers(2, 6))
def test_equal_vectors_get_equal_codes_and_codes_stay_inside_the_codebook(seed: int, levels: int, size: int) -> None:
    vectors = np.random.default_rng(seed).integers(0, 3, size=(15, 2)).astype(float)
    codes = residual_kmeans(vectors, levels, size, seed)
    assert codes.shape == (15, levels)
    assert codes.min() >= 0 and codes.max() < size
    same = (vectors[:, None] == vectors).all(2)
    assert (codes[:, None] == codes).all(2)[same].all()
    assert (codes == residual_kmeans(vectors, levels, size, seed)).all()


# ---- collisions


def test_collisions_are_counted_out_in_catalogue_order() -> None:
    codes = np.array([[1, 2], [1, 2], [0, 1], [1, 2]])
    assert break_collisions(codes).tolist() == [[1, 2, 0], [1, 2, 1], [0, 1, 0], [1, 2, 2]]


def test_without_collisions_there_is_no_further_level() -> None:
    codes = np.array([[1, 2], [2, 1]])
    assert break_collisions(codes) is codes


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_after_breaking_collisions_all_rows_are_distinct(rows: list[tuple[int, int]]) -> None:
    codes = np.array(rows)
    broken = break_collisions(codes)
    assert len(np.unique(broken, axis=0)) == len(rows)
    assert (broken[:, :2] == codes).all()


# ---- what items are embedded from

SEQUENCES = [[0, 1, 2, 6, 7], [1, 0, 2, 7, 6], [3, 4, 5, 6, 0], [4, 3, 5, 7, 1], [5, 4, 3, 0, 6], [2, 0, 1, 3, 4]]


def test_items_bought_together_lie_together(make_interactions) -> None:
    vectors = cooccurrence_vectors(make_interactions(SEQUENCES), 9, dimensions=2, reserved=0, seed=0)
    cosine = vectors @ vectors.T
    # In training (the first three of each user) 0, 1, 2 occur with each other only, and so do 3, 4, 5: two blocks,
    # whose leading directions are the two dimensions.
    np.testing.assert_allclose(cosine[:3, :3], 1, atol=1e-6)
    np.testing.assert_allclose(cosine[3:6, 3:6], 1, atol=1e-6)
    np.testing.assert_allclose(cosine[:3, 3:6], 0, atol=1e-6)
    assert (vectors[6:] == 0).all()  # never in training


@pytest.mark.parametrize("reserved", [0, 1])
def test_cooccurrence_sees_neither_reserved_nor_held_out_interactions(reserved: int, make_interactions) -> None:
    interactions = make_interactions(SEQUENCES)
    seen = target_positions(interactions, "seen", reserved)
    hidden = np.setdiff1d(np.arange(len(interactions.items)), seen)
    assert (interactions.split[hidden] == TRAIN).any() == bool(reserved)
    items = interactions.items.copy()
    items[hidden] = np.random.default_rng(3).integers(0, 9, len(hidden))
    changed = dataclasses.replace(interactions, items=items)
    before = cooccurrence_vectors(interactions, 9, 4, reserved, seed=0)
    assert np.array_equal(before, cooccurrence_vectors(changed, 9, 4, reserved, seed=0))
    items = interactions.items.copy()
    items[seen[0]] = 8
    changed = dataclasses.replace(interactions, items=items)
    assert not np.array_equal(before, cooccurrence_vectors(changed, 9, 4, reserved, seed=0))


def test_semantic_ids_do_not_depend_on_what_sft_does_not_see(make_data) -> None:
    data = make_data([""] * 9, SEQUENCES)
    config = ItemTokensConfig(kind="semantic_ids", source="cooccurrence", levels=2, codebook_size=3, dimensions=3)
    tokens = make_item_tokens(config, data, reserved=1, seed=0)
    hidden = np.setdiff1d(np.arange(30), target_positions(data.interactions, "seen", 1))
    items = data.interactions.items.copy()
    items[hidden] = 8
    changed = dataclasses.replace(data, interactions=dataclasses.replace(data.interactions, items=items))
    assert np.array_equal(tokens.codes, make_item_tokens(config, changed, reserved=1, seed=0).codes)
    assert tokens.origin == "semantic IDs: residual k-means of co-occurrence in training interactions"
    assert tokens.trie().shared_items == 0


def test_like_texts_lie_together() -> None:
    vectors = text_vectors(["red dress", "red silk dress", "steel pan", "big steel pan"], dimensions=3, seed=0)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > cosine[0, 2] and cosine[2, 3] > cosine[1, 3]
    np.testing.assert_allclose(np.diag(cosine), 1)


@pytest.mark.parametrize("broken", [True, False])
def test_items_of_one_text_collide_and_are_told_apart_on_request(broken: bool, make_data) -> None:
    data = make_data(["red dress", "steel pan", "red dress", "blue shoe"], [[0, 1, 2]])
    config = ItemTokensConfig(kind="semantic_ids", levels=2, codebook_size=4, break_collisions=broken)
    trie = make_item_tokens(config, data, reserved=0, seed=0).trie()
    assert trie.shared_items == (0 if broken else 2)
    assert (trie.leaf_of_item[0] == trie.leaf_of_item[2]) == (not broken)


def test_atomic_items_are_one_token_each(make_data) -> None:
    tokens = make_item_tokens(ItemTokensConfig(), make_data(["", "", ""], [[0, 1, 2]]), reserved=0, seed=0)
    assert tokens.codes.tolist() == [[0], [1], [2]]


def test_given_tokens_say_that_their_making_is_unknown(make_data, tmp_path) -> None:
    file = tmp_path / "letter.json"
    file.write_text(json.dumps({"i0": ["a"], "i1": ["b"]}))
    config = ItemTokensConfig(kind="given", path=str(file))
    tokens = make_item_tokens(config, make_data(["", ""], [[0, 1, 0]]), reserved=0, seed=0)
    assert tokens.codes.tolist() == [[0], [1]]
    assert tokens.origin == "given by letter.json; how it was made is unknown to recbench"


@pytest.mark.parametrize("texts", [["", "", ""], ["-", "!", ""], ["A", "B", "C"], [f"word{n}" for n in range(101)]])
def test_items_without_usable_texts_are_told_with_a_remedy(texts, make_data) -> None:
    # One-letter titles hold no word for TF-IDF, and of 101 words that occur once each none is left either.
    config = ItemTokensConfig(kind="semantic_ids")
    with pytest.raises(UserError, match="use cooccurrence instead of text"):
        make_item_tokens(config, make_data(texts, [[0, 1, 2]]), reserved=0, seed=0)


def test_a_missing_encoder_is_told(tmp_path) -> None:
    with pytest.raises(UserError, match="folder of a sentence encoder"):
        encoder_vectors(["a"], tmp_path / "nothing")


def test_an_encoder_averages_real_tokens_only(tmp_path) -> None:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "steel", "pan", "dress"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    torch.manual_seed(0)
    settings = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    BertModel(settings).save_pretrained(tmp_path)
    together = encoder_vectors(["red dress", "steel pan steel pan red"], tmp_path)
    alone = encoder_vectors(["red dress"], tmp_path)
    np.testing.assert_allclose(together[0], alone[0], atol=1e-6)  # padding counts for nothing
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1)
