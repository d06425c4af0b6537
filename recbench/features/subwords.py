"""Subwords of captions: by the tokenizer of the LLM that wrote them, by a named one, or by one trained on captions."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from recbench.pretrained import load_pretrained

BATCH = 1024  # captions tokenized together


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint folder or a Hugging Face hub name; code that comes with it is not run.

    Raises:
        UserError: there is none.
    """
    return load_pretrained(AutoTokenizer, name, "features.tokenizer", trust_remote_code=False)


def saved_tokenizers(caption_run: Path) -> list[Path]:
    """Checkpoint folders with tokenizers that a caption run saved, one a distinct tokenizer.

    Captioners of several folds may have learned different words.
    """
    files = sorted((caption_run / "checkpoints").glob("llava_small*/tokenizer.json"))
    distinct = {json.dumps(json.loads(file.read_text(encoding="utf-8")), sort_keys=True): file for file in files[::-1]}
    return sorted(file.parent for file in distinct.values())


def train_tokenizer(captions: Sequence[str], size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most `size` subwords, as LLaMA's and GPT's are; every text can be written with it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)  # the first word like all others
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(captions, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def subwords(captions: Sequence[str | None], tokenizer: PreTrainedTokenizerBase) -> Iterator[list[str]]:
    """The subwords of every caption as the tokenizer spells them, without special tokens; none where there is none."""
    remaining = iter(captions)
    while batch := list(islice(remaining, BATCH)):
        written = [caption for caption in batch if caption]
        ids = iter(tokenizer(written, add_special_tokens=False)["input_ids"] if written else ())
        for caption in batch:
            yield tokenizer.convert_ids_to_tokens(next(ids)) if caption else []
