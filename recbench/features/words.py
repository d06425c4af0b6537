"""Normalised words of captions."""

import unicodedata

JOINERS = "-'"  # stay inside words: t-shirt, women's


class _Letters(dict[int, str]):
    """What each character becomes: itself, where it may be part of a word, else a space; filled as needed."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        # Letters, marks (vowel signs of many scripts) and numbers; `\w` of regular expressions has no marks.
        stays = unicodedata.category(character)[0] in "LMN" or character in JOINERS
        self[code] = character if stays else " "
        return self[code]


_LETTERS = _Letters({ord("\N{RIGHT SINGLE QUOTATION MARK}"): "'", ord("\N{HYPHEN}"): "-"})


def words(caption: str) -> list[str]:
    """The words of a caption in their order: Unicode NFKC, case folded, without punctuation.

    There is no list of stop words: words that nearly all captions have are left out by their document frequency.
    Languages that put no spaces between words need the kind `tokens`.

    >>> words("A women's T-shirt, ＲＥＤ (cotton)!")
    ['a', "women's", 't-shirt', 'red', 'cotton']
    """
    text = unicodedata.normalize("NFKC", caption).casefold().replace("--", " ").translate(_LETTERS)
    stripped = (word.strip(JOINERS) for word in text.split())
    return [word for word in stripped if word]
