"""Texts of any origin in Markdown: escaped unless they say that they are Markdown already."""

import re
from urllib.parse import quote

from recbench.console.visible import LONGEST_CELL, for_people

# What opens or closes something in a line. An interval such as [0.1, 0.2] is none, if no link's address follows.
_SPECIAL = re.compile(
    r"""\\(?=[!-/:-@\[-`{-~|])|\\$|`|(?<!\s)\*|\*(?=\S)|~(?=~)|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])|&(?=\#|\w+;)
    |\[(?![-+–\d., \[\]]*\](?![(\[:]))|\](?=[(\[:])""",
    re.VERBOSE,
)
# What begins a heading, a quotation, a list or a rule, at the beginning of a line or of a list's entry.
_BLOCK = re.compile(r"^(?:(\d{1,9})(?=[.)](?:\s|$))|(?=#{1,6}(?:\s|$)|>|[+-](?:\s|$)|[-=]{2,}\s*$))")


class Markup(str):
    """Text that is Markdown: written by this project, or with all that it was given escaped."""

    __slots__ = ()


def escaped(text: object, most: int = LONGEST_CELL) -> Markup:
    r"""One line that Markdown shows as it is written, whatever is in it; a Markup stays as it is.

    >>> print(escaped("![x](http://a/b.png) <b> [0.1, 0.2] hr@10_of *a*"))
    !\[x\](http://a/b.png) \<b> [0.1, 0.2] hr@10_of \*a\*
    """
    if isinstance(text, Markup):
        return text
    line = _SPECIAL.sub(lambda found: "\\" + found[0], for_people(text, most))
    line = _BLOCK.sub(lambda found: (found[1] or "") + "\\", line)
    return Markup(line)


def code(text: str) -> Markup:
    """`text` as Markdown shows it letter by letter, whatever is in it."""
    flat = " ".join(for_people(text, LONGEST_CELL).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return Markup(f"{fence}{pad}{flat}{pad}{fence}" if flat else "")


def link(text: str, path: str) -> Markup:
    """A link to a file beside the report, whatever the folders on the way are called."""
    return Markup(f"[{escaped(text)}]({quote(path)})")
