"""A policy as an ordinary causal language model of transformers: its model, and a tokenizer that knows item tokens."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from transformers import GenerationConfig, PreTrainedTokenizerBase

from recbench.errors import UserError
from recbench.item_tokens.trie import ItemTrie

# The levels' letters, as MiniOneRec and LETTER write codes: <a_17><b_203><c_5>.
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Exported(NamedTuple):
    """What `transformers` loads without recbench. A history is the beginning token and the tokens of its items."""

    model: Any  # a PreTrainedModel for causal language modelling, in float32
    tokenizer: PreTrainedTokenizerBase


def token_texts(trie: ItemTrie) -> list[str]:
    """A text for every token of a trie but the beginning one: <a_0>, <a_1>, ..., <b_0>, ... by level."""
    texts = []
    for level in range(trie.depth):
        letter = LETTERS[level] if level < len(LETTERS) else f"level{level}"
        texts += [f"<{letter}_{code}>" for code in range(trie.level_starts[level + 1] - trie.level_starts[level])]
    return texts


def item_index(trie: ItemTrie, items: Sequence[str]) -> dict[str, list[str]]:
    """The texts of every item's tokens by the item's id, as item_tokens=given reads them."""
    texts = token_texts(trie)
    return {item: [texts[token - 1] for token in row if token >= 0] for item, row in zip(items, trie.item_tokens)}


def add_item_tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Append tokens to a tokenizer, in place; their ids. Each is one token wherever it stands in a text.

    Raises:
        UserError: the tokenizer has one of them already, or does not keep them whole.
    """
    known = set(tokenizer.get_vocab())
    if taken := next((text for text in texts if text in known), None):
        raise UserError(f"the model's tokenizer has a token {taken} of its own, which is also an item's: train another")
    tokenizer.add_tokens(list(texts), special_tokens=True)
    ids = [int(one) for one in tokenizer.convert_tokens_to_ids(list(texts))]
    if tokenizer("".join(texts), add_special_tokens=False)["input_ids"] != ids:
        raise UserError("the model's tokenizer splits or joins added tokens, and cannot carry item tokens")
    return ids


def generation_config(begin: int, end: int, longest: int) -> GenerationConfig:
    """Beams without sampling: what a checkpoint's own generation config asks for is left out."""
    return GenerationConfig(bos_token_id=begin, eos_token_id=end, pad_token_id=end, max_new_tokens=longest)
