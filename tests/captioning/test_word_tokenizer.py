"""The tokenizer of whole words: round trips, rare words, order, and its folder."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from recbench.captioning.word_tokenizer import SPECIAL, train_word_tokenizer

CAPTIONS = ["Black T-shirt, solid.", "black  shirt (soft)!", "Blue shirt."]


def test_words_and_marks_by_hand() -> None:
    tokenizer = train_word_tokenizer(CAPTIONS)
    words = tokenizer.convert_ids_to_tokens(tokenizer("BLACK t-shirt (soft).").input_ids)
    assert words == ["\u2581black", "\u2581t-shirt", "\u2581", "(", "soft", ")", "."]
    assert [tokenizer.convert_tokens_to_ids(token) for token in SPECIAL] == [0, 1, 2, 3, 4]
    # Twice each: . black shirt; then once each, by their characters.
    assert tokenizer.convert_ids_to_tokens([5, 6, 7]) == [".", "\u2581black", "\u2581shirt"]


@pytest.mark.parametrize("caption", CAPTIONS)
def test_decoding_gives_the_text_back(caption: str) -> None:
    tokenizer = train_word_tokenizer(CAPTIONS)
    assert tokenizer.decode(tokenizer(caption).input_ids) == " ".join(caption.lower().split())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.sampled_from("aB .,;!?()-'é\n"), max_size=20), min_size=1, max_size=4))
def test_any_text_comes_back_when_its_words_are_known(captions: list[str]) -> None:
    tokenizer = train_word_tokenizer(captions)
    for caption in captions:
        assert tokenizer.decode(tokenizer(caption).input_ids).strip() == " ".join(caption.lower().split())


def test_rare_words_are_unknown() -> None:
    tokenizer = train_word_tokenizer(CAPTIONS, least_count=2)
    assert len(tokenizer) == len(SPECIAL) + 3  # black, shirt and the full stop
    assert tokenizer("blue shirt").input_ids == [3, tokenizer.convert_tokens_to_ids("\u2581shirt")]
    assert tokenizer.decode(tokenizer("blue shirt").input_ids, skip_special_tokens=True).strip() == "shirt"


def test_order_of_captions_does_not_matter_and_the_folder_gives_the_same_tokenizer(tmp_path: Path) -> None:
    tokenizer = train_word_tokenizer(CAPTIONS)
    assert train_word_tokenizer(CAPTIONS[::-1]).get_vocab() == tokenizer.get_vocab()
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded("Black shirt (soft)!").input_ids == tokenizer("Black shirt (soft)!").input_ids
    assert (loaded.pad_token_id, loaded.bos_token_id, loaded.eos_token_id, loaded.unk_token_id) == (0, 1, 2, 3)
    assert loaded.image_token == "<image>"


def test_no_captions_leave_the_special_tokens() -> None:
    assert len(train_word_tokenizer([])) == len(SPECIAL)
