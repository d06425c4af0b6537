"""A tokenizer of whole lower-case words, learned from reference captions, as an ordinary Hugging Face tokenizer.

Item captions are short and of few distinct words: with words as tokens, a small language model needs few steps a
caption. Punctuation marks are tokens of their own, and decoding gives the text back, in lower case.
"""

from collections import Counter
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PAD, BEGIN, END, UNKNOWN, IMAGE = "<pad>", "<s>", "</s>", "<unk>", "<image>"
SPECIAL = (PAD, BEGIN, END, UNKNOWN, IMAGE)  # their ids are 0 to 4
SPACE = "\u2581"  # stands for the space before a word


def train_word_tokenizer(captions: Iterable[str], least_count: int = 1) -> PreTrainedTokenizerFast:
    """Learn the words that occur at least `least_count` times; more frequent ones have smaller ids, after SPECIAL.

    The same captions in another order give the same tokenizer.
    """
    pipeline = _pipeline({})
    counts: Counter[str] = Counter()
    for caption in captions:
        text = pipeline.normalizer.normalize_str(caption)
        counts.update(word for word, _ in pipeline.pre_tokenizer.pre_tokenize_str(text))
    kept = sorted((-count, word) for word, count in counts.items() if count >= least_count and word not in SPECIAL)
    tokenizer = _pipeline({word: index for index, word in enumerate([*SPECIAL, *(word for _, word in kept)])})
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        unk_token=UNKNOWN,
        extra_special_tokens={"image_token": IMAGE},
        clean_up_tokenization_spaces=False,
    )


def _pipeline(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=True),
            pre_tokenizers.Split(Regex(r'[.,;:!?()"]'), behavior="isolated"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always", split=True)
    return tokenizer
