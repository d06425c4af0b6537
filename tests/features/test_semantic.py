"""Semantic IDs and clusters of captions: like captions get like codes, and only training items teach."""

import numpy as np
import pytest

from recbench.errors import UserError
from recbench.features.make import Material, make_features
from recbench.features.semantic import caption_codes, cluster_column, joint_column, level_columns, semantic_index
from recbench.schema import FeaturesConfig

CODES = np.array([[2, 0], [-1, -1], [0, 1]])  # the second item has no caption
DRESSES, PANS = ["red dress", "red silk dress", "long red dress"], ["steel pan", "big steel pan", "steel pan lid"]


def lists(encoded) -> list[list[int]]:
    return [part.tolist() for part in np.split(encoded.column.ids, encoded.column.offsets[1:-1])]


def codes_of(captions, training=None, levels=1, size=2, embedding="tfidf", seed=0):
    mask = np.ones(len(captions), dtype=bool) if training is None else np.array(training)
    return caption_codes(captions, mask, levels, size, embedding, 4, seed)


def test_a_column_a_level() -> None:
    first, second = level_columns("semantic_ids", CODES, 3)
    assert lists(first) == [[4], [], [2]] and lists(second) == [[2], [], [3]]  # code + 2
    assert (first.column.name, second.column.name) == ("semantic_ids_1", "semantic_ids_2")
    assert first.column.size == second.column.size == 5
    assert first.names[2] == "level 1 code 2" and second.names[0] == "level 2 code 0"


def test_one_column_of_all_levels_whose_ids_tell_the_level() -> None:
    # Level 1 has ids 2 to 4, level 2 has 5 to 7: [2, 0] is 2 + 2 and 5 + 0; [0, 1] is 2 + 0 and 5 + 1.
    joint = joint_column("semantic_ids", CODES, 3)
    assert lists(joint) == [[4, 5], [], [2, 6]]
    assert joint.column.size == 8 == len(joint.names) + 2
    assert [joint.names[number - 2] for number in (4, 5, 6)] == ["level 1 code 2", "level 2 code 0", "level 2 code 1"]


def test_clusters_are_one_id() -> None:
    encoded = cluster_column("clusters", np.array([1, -1, 0]), 2)
    assert lists(encoded) == [[3], [], [2]]
    assert encoded.distinct.tolist() == [1, 0, 1] and not encoded.unknown.any() and not encoded.cut.any()


def test_the_index_has_every_item_also_without_a_caption() -> None:
    assert semantic_index(["x", "y", "z"], CODES) == {
        "x": ["<a_2>", "<b_0>"],
        "y": ["<a_none>", "<b_none>"],
        "z": ["<a_0>", "<b_1>"],
    }


def test_like_captions_share_a_code() -> None:
    codes = codes_of([*DRESSES, None, *PANS])[:, 0]
    assert codes[3] == -1
    assert len(set(codes[:3])) == len(set(codes[4:])) == 1 and codes[0] != codes[4]


def test_equal_captions_share_all_codes() -> None:
    codes = codes_of([*DRESSES, *PANS, *DRESSES], levels=3, size=3)
    assert (codes[:3] == codes[6:]).all()


def test_only_training_items_teach() -> None:
    training = [True] * 6 + [False] * 2
    before = codes_of([*DRESSES, *PANS, "red dress", "green lamp"], training, levels=2)
    after = codes_of([*DRESSES, *PANS, "steel pan", "violet lamp with pan"], training, levels=2)
    assert (before[:6] == after[:6]).all()
    # An item outside takes the codes of the training item with its caption.
    assert before[6].tolist() == before[0].tolist() and after[6].tolist() == after[3].tolist()


def test_fewer_distinct_captions_than_clusters_are_told() -> None:
    with pytest.warns(UserWarning, match="9 clusters were asked for, and the captions of training items make only 2"):
        codes = codes_of(["red dress", "steel pan", "red dress"], size=9)
    assert codes[0, 0] == codes[2, 0] != codes[1, 0]


@pytest.mark.parametrize(
    ("captions", "training", "embedding", "words"),
    [
        (["a", "b"], [True, True], "tfidf", "no words of two letters"),
        ([None, "red dress"], [True, False], "tfidf", "no training item has a caption"),
        (["red dress"], [True], "nowhere", "expected tfidf, or the folder of a sentence encoder"),
    ],
)
def test_what_cannot_be_embedded_is_told(captions, training, embedding, words) -> None:
    with pytest.raises(UserError, match=words):
        codes_of(captions, training, embedding=embedding)


def test_a_sentence_encoder_serves_too(tmp_path) -> None:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "steel", "pan", "dress"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    torch.manual_seed(0)
    settings = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    BertModel(settings).save_pretrained(tmp_path)
    captions = ["red dress", "steel pan", None, "red dress", "steel pan"]
    config = FeaturesConfig(**{"kinds": ["clusters"], "embedding": str(tmp_path), "clusters": 2})
    made = make_features(Material(config, captions, np.ones(5, dtype=bool), tmp_path, seed=0))
    first, second, none, *others = lists(made.columns[0])
    assert others == [first, second] and none == [] and first != second
    assert made.origins["clusters"].startswith("sentence encoder")
