"""How good captions are: the attribute values that they name, overlap with reference captions, and variety.

All compare lower-cased words, that is runs of letters and digits: case and punctuation do not count. Texts come as one
list of captions and one of references, a reference each. Sources: BLEU, Papineni et al. (2002); ROUGE-L, Lin (2004);
CIDEr-D, arXiv 1411.5726; distinct-n, arXiv 1510.03055. tests/oracle holds values of sacrebleu, rouge-score and
pycocoevalcap, which these agree with.
"""

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from recbench.errors import UserError

CIDER_SIGMA = 6.0  # of the length penalty, in words; the authors' value
LONGEST = 4  # words of an n-gram, in BLEU-4 and CIDEr
_WORD = re.compile(r"[^\W_]+")


class AttributeAccuracy(NamedTuple):
    """Share of items whose caption names the right value, share of the most frequent value, and the number of items."""

    accuracy: float
    majority: float
    items: int


def words(text: str) -> list[str]:
    """Lower-cased runs of letters and digits.

    >>> words("A Dark-blue T-shirt, size 3!")
    ['a', 'dark', 'blue', 't', 'shirt', 'size', '3']
    """
    return _WORD.findall(text.lower())


def named_values(captions: Sequence[str], values: Iterable[str]) -> list[str | None]:
    """The one of `values` that each caption names first, as whole words; None where it names none.

    Of values that begin at the same word the longest counts: "dark blue" names Dark Blue, not Dark.

    >>> named_values(["a light blue vest", "Blue, with a vest", "bluebell"], ["Blue", "Light Blue"])
    ['Light Blue', 'Blue', None]
    """
    by_words = {" ".join(words(value)): value for value in sorted(set(values), reverse=True)}
    by_words.pop("", None)
    if not by_words:
        return [None] * len(captions)
    longest_first = sorted(by_words, key=lambda text: (-len(text), text))
    pattern = re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, longest_first))})(?!\S)")
    found = (pattern.search(" ".join(words(caption))) for caption in captions)
    return [by_words[match.group()] if match else None for match in found]


def attribute_accuracy(
    captions: Sequence[str], truth: Sequence[str | None], values: Iterable[str] | None = None
) -> AttributeAccuracy:
    """How often a caption names the item's own value of an attribute, by `named_values`.

    `truth` [N] holds each item's value; items with None are left out. `values` are all values that the attribute has,
    by default those in `truth`; give the catalogue's when the captions are only a part of it. `majority` is what naming
    the most frequent value every time would reach. NaN, with a warning, without items. Raises UserError for unequal
    lengths.

    >>> attribute_accuracy(["red hat", "a blue cap", "green"], ["Red", "Green", "Green"])
    AttributeAccuracy(accuracy=0.6666666666666666, majority=0.6666666666666666, items=3)
    """
    _check(captions, truth)
    known = [(caption, value) for caption, value in zip(captions, truth) if value is not None]
    if not known:
        warnings.warn("no item has a value of the attribute: the accuracy is NaN", stacklevel=2)
        return AttributeAccuracy(math.nan, math.nan, 0)
    right = [value for _, value in known]
    found = named_values([caption for caption, _ in known], right if values is None else [*values, *right])
    hits = sum(one is not None and words(one) == words(value) for one, value in zip(found, right))
    return AttributeAccuracy(hits / len(known), max(Counter(right).values()) / len(known), len(known))


def mean_length(captions: Sequence[str]) -> float:
    """Mean number of words; NaN, with a warning, without captions."""
    if not captions:
        warnings.warn("there are no captions: their mean length is NaN", stacklevel=2)
        return math.nan
    return sum(len(words(caption)) for caption in captions) / len(captions)


def distinct_n(captions: Sequence[str], n: int) -> float:
    """Different n-grams over all n-grams of all captions, in (0, 1]: low where captions repeat each other.

    NaN, with a warning, where no caption has n words.

    >>> distinct_n(["a red hat", "a red cap"], 2)  # a red, red hat, red cap
    0.75
    """
    counts = Counter(gram for caption in captions for gram in _grams(words(caption), n))
    if not counts:
        warnings.warn(f"no caption has {n} words: distinct-{n} is NaN", stacklevel=2)
        return math.nan
    return len(counts) / counts.total()


def bleu4(captions: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU-4 in [0, 1], without smoothing: geometric mean of the clipped precisions of 1 to 4 words, times a
    penalty for captions that are shorter than their references. sacrebleu's score over 100.

    NaN, with a warning, where no caption has four words. Raises UserError for unequal lengths.
    """
    _check(captions, references)
    matched, total, length, reference_length = [0] * LONGEST, [0] * LONGEST, 0, 0
    for caption, reference in zip(captions, references):
        mine, other = words(caption), words(reference)
        length, reference_length = length + len(mine), reference_length + len(other)
        for n in range(1, LONGEST + 1):
            grams = Counter(_grams(mine, n))
            matched[n - 1] += (grams & Counter(_grams(other, n))).total()
            total[n - 1] += grams.total()
    if not total[-1]:
        warnings.warn("no caption has four words: BLEU-4 is NaN", stacklevel=2)
        return math.nan
    if not all(matched):
        return 0.0
    precision = math.exp(sum(math.log(hit / all_) for hit, all_ in zip(matched, total)) / LONGEST)
    return precision * min(1.0, math.exp(1 - reference_length / length))


def rouge_l(captions: Sequence[str], references: Sequence[str]) -> float:
    """Mean over items of ROUGE-L in [0, 1]: the F measure of the longest common subsequence of words.

    0 for a caption or reference without words. NaN, with a warning, without captions; raises UserError for unequal
    lengths. It is rouge-score's `rougeL` F measure without stemming.

    >>> rouge_l(["a red hat with stripes"], ["the red woollen hat"])  # red, hat: 2 of 5 and 2 of 4
    0.4444444444444444
    """
    _check(captions, references)
    if not captions:
        warnings.warn("there are no captions: ROUGE-L is NaN", stacklevel=2)
        return math.nan
    total = 0.0
    for caption, reference in zip(captions, references):
        mine, other = words(caption), words(reference)
        total += 2 * _common_subsequence(mine, other) / max(len(mine) + len(other), 1)
    return total / len(captions)


def cider(captions: Sequence[str], references: Sequence[str]) -> float:
    """CIDEr-D in [0, 10], as pycocoevalcap computes it, over words without stemming; mean over items.

    Captions and references become TF-IDF vectors over n-grams of 1 to 4 words. The value is ten times the mean cosine
    between them, with clipped counts and a penalty for unequal lengths. Document frequencies are those of the
    references at hand, so values of different sets of items do not compare. NaN, with a warning, for fewer than two
    items, where they mean nothing. Raises UserError for unequal lengths.
    """
    _check(captions, references)
    if len(captions) < 2:
        warnings.warn("CIDEr needs at least two items: it is NaN", stacklevel=2)
        return math.nan
    reference_words = [words(reference) for reference in references]
    frequency = Counter(gram for other in reference_words for gram in set(_all_grams(other)))
    items = math.log(len(references))
    weight = {gram: items - math.log(count) for gram, count in frequency.items()}
    total = 0.0
    for caption, other in zip(captions, reference_words):
        mine = words(caption)
        cosine = _cosines(Counter(_all_grams(mine)), Counter(_all_grams(other)), weight, items)
        gap = max(len(mine), 1) - max(len(other), 1)
        total += math.exp(-(gap**2) / (2 * CIDER_SIGMA**2)) * cosine / LONGEST
    return 10 * total / len(captions)


def _cosines(
    mine: "Counter[tuple[str, ...]]",
    other: "Counter[tuple[str, ...]]",
    weight: dict[tuple[str, ...], float],
    rare: float,
) -> float:
    """Sum over lengths of n-grams of the clipped cosine; `rare` is the weight of n-grams that no reference has."""
    product, norm, other_norm = [0.0] * LONGEST, [0.0] * LONGEST, [0.0] * LONGEST
    for gram, count in mine.items():
        value, there = count * weight.get(gram, rare), other[gram] * weight.get(gram, rare)
        product[len(gram) - 1] += min(value, there) * there
        norm[len(gram) - 1] += value**2
    for gram, count in other.items():
        other_norm[len(gram) - 1] += (count * weight[gram]) ** 2
    return sum(p / math.sqrt(a * b) for p, a, b in zip(product, norm, other_norm) if a > 0 and b > 0)


def _common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence; one machine operation a word of b (Hyyro's bit vectors)."""
    places: dict[str, int] = {}
    for index, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(a)) - 1
    state = full  # a 0 bit for every word of `a` at which the subsequence grows
    for word in b:
        met = state & places.get(word, 0)
        state = ((state + met) | (state - met)) & full
    return len(a) - state.bit_count()


def _grams(sequence: Sequence[str], n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(sequence[start:] for start in range(n)))


def _all_grams(sequence: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return (gram for n in range(1, LONGEST + 1) for gram in _grams(sequence, n))


def _check(captions: Sequence[object], others: Sequence[object]) -> None:
    if len(captions) != len(others):
        raise UserError(f"there are {len(captions)} captions but {len(others)} to compare with; give one each")
