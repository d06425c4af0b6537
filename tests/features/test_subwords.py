"""Subwords: which tokenizer writes them, and that its vocabulary comes from training items alone."""

import numpy as np
import pytest

from recbench.captioning.word_tokenizer import train_word_tokenizer
from recbench.errors import UserError
from recbench.features.make import Material, make_features
from recbench.features.subwords import load_tokenizer, saved_tokenizers, subwords, train_tokenizer
from recbench.schema import FeaturesConfig

CAPTIONS = ["a red dress", "a red silk dress", "a blue silk hat", "a red hat"]


def make(captions, training, folder, **settings):
    config = FeaturesConfig(kinds=["tokens"], least_items=1, most_share=1.0, **settings)
    return make_features(Material(config, captions, np.array(training), folder, seed=0))


def spelled(made) -> list[list[str]]:
    (encoded,) = made.columns
    rows = np.split(encoded.column.ids, encoded.column.offsets[1:-1])
    return [["OOV" if number == 1 else encoded.names[number - 2] for number in row] for row in rows]


def test_a_trained_tokenizer_writes_any_text_and_is_the_same_twice() -> None:
    tokenizer = train_tokenizer(CAPTIONS * 3, 300)
    assert len(tokenizer) <= 300
    text = "a red tuxedo, 日本 🙂"
    assert tokenizer.decode(tokenizer(text)["input_ids"]).strip() == text
    # "red" is among the most frequent, so it is one subword, with its space in front wherever it stands.
    assert list(subwords(["red", "a red"], tokenizer)) == [["Ġred"], ["Ġa", "Ġred"]]
    assert train_tokenizer(CAPTIONS * 3, 300).backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def test_captions_are_tokenized_in_batches_and_missing_ones_stay_empty(monkeypatch) -> None:
    tokenizer = train_word_tokenizer(CAPTIONS)
    captions = [None, "a red", None, None, None, "hat", ""]
    expected = [[], ["▁a", "▁red"], [], [], [], ["▁hat"], []]
    assert list(subwords(captions, tokenizer)) == expected
    monkeypatch.setattr("recbench.features.subwords.BATCH", 2)  # one batch has no caption at all
    assert list(subwords(captions, tokenizer)) == expected


def test_the_captioners_own_tokenizer_is_taken(tmp_path) -> None:
    train_word_tokenizer(CAPTIONS[:2]).save_pretrained(tmp_path / "checkpoints" / "llava_small")
    made = make(CAPTIONS, [True, True, True, False], tmp_path)
    assert made.origins["tokens"] == "tokenizer of the captioner"
    # It knows a, red, dress and silk; blue and hat it writes as <unk>, which is no value but out of vocabulary.
    assert spelled(made) == [
        ["▁a", "▁red", "▁dress"],
        ["▁a", "▁red", "▁silk", "▁dress"],
        ["▁a", "OOV", "▁silk"],
        ["▁a", "▁red", "OOV"],
    ]
    assert "<unk>" not in made.vocabularies["tokens"].values
    assert made.tokenizer is not None and '"WordLevel"' in made.tokenizer


def test_subwords_that_only_other_items_have_are_out_of_vocabulary(tmp_path) -> None:
    train_word_tokenizer(CAPTIONS).save_pretrained(tmp_path / "words")
    made = make(CAPTIONS, [True, True, False, False], tmp_path, tokenizer=str(tmp_path / "words"))
    assert made.origins["tokens"] == "tokenizer of words"
    assert spelled(made)[2:] == [["▁a", "OOV", "▁silk"], ["▁a", "▁red", "OOV"]]
    assert made.columns[0].unknown.tolist() == [0, 0, 2, 1]  # blue, hat; hat


def test_folds_with_one_tokenizer_share_it_and_with_several_a_new_one_is_trained(tmp_path) -> None:
    for fold in (0, 1):
        train_word_tokenizer(CAPTIONS).save_pretrained(tmp_path / "checkpoints" / f"llava_small-{fold}")
    assert saved_tokenizers(tmp_path) == [tmp_path / "checkpoints" / "llava_small-0"]
    assert make(CAPTIONS, [True] * 4, tmp_path).origins["tokens"] == "tokenizer of the captioner"
    train_word_tokenizer(CAPTIONS[2:]).save_pretrained(tmp_path / "checkpoints" / "llava_small-1")
    assert len(saved_tokenizers(tmp_path)) == 2
    made = make(CAPTIONS, [True] * 4, tmp_path, vocabulary=300)
    assert made.origins["tokens"].startswith("byte-level BPE") and "folds have none in common" in made.origins["tokens"]


def test_without_a_tokenizer_one_is_trained_on_training_items_only(tmp_path) -> None:
    settings = {"vocabulary": 300}
    made = make([*CAPTIONS, "quizzical zebra"], [True] * 4 + [False], tmp_path, **settings)
    changed = make([*CAPTIONS, "violet violet violet"], [True] * 4 + [False], tmp_path, **settings)
    assert made.origins["tokens"] == "byte-level BPE trained on captions of training items"
    assert made.tokenizer == changed.tokenizer
    assert made.vocabularies["tokens"].values == changed.vocabularies["tokens"].values
    assert spelled(made)[:4] == spelled(changed)[:4]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing here", " cannot be loaded as AutoTokenizer"),
        ("/nowhere/at/all", ": there is no such folder"),
        ("../nothing", ": there is no such folder"),
        ("a/folder/here", ": there is no such folder"),
    ],
)
def test_a_missing_tokenizer_is_told_in_one_line(name: str, words: str) -> None:
    with pytest.raises(UserError, match=f"features.tokenizer={name}{words}") as told:
        load_tokenizer(name)
    assert "\n" not in str(told.value)
