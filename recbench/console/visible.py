"""Text of any origin as a person may read it: nothing secret, nothing that steers a terminal, nothing endless."""

import logging
import re
from collections.abc import Iterable

from recbench.redaction import redacted

LONGEST_LINE = 2000  # letters of a message: room for a long path and a list of choices, not for a file
LONGEST_CELL = 1000  # letters of a table's cell: a config's longest value, not a file
LONGEST_RECORD = 20_000  # letters of a record in log.txt: a traceback
READ = 50_000  # letters at either end that are looked at all
# What has no shape of its own but moves, hides or reverses what stands around it: control characters, bidirectional
# controls, blanks without width, tags, and halves of surrogate pairs, which no file can hold.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_BREAKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")


def visible(text: str, *, keep_lines: bool = False) -> str:
    r"""The text with control characters and bidirectional overrides written out; line breaks are kept, or blanks.

    >>> print(visible("a\x1b[31mb\n\u202ec"))
    a\x1b[31mb \u202ec
    """
    if text.isprintable():  # as nearly every text is
        return text
    if keep_lines:
        lines = text.replace("\r\n", "\n").split("\n")
        return "\n".join("\t".join(map(_written_out, line.split("\t"))) for line in lines)
    return _written_out(_BREAKS.sub(" ", text))


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and its end with a word on how much was left out between them.

    >>> shortened("a" * 50 + "b" * 50, 20)
    'aaaaaaaaaaaaaaa [... 80 characters left out ...] bbbbb'
    """
    if len(text) <= most:
        return text
    ending = most // 4
    return f"{text[: most - ending]} [... {len(text) - most:,} characters left out ...] {text[len(text) - ending :]}"


def for_people(text: object, most: int = LONGEST_LINE) -> str:
    """One line for a terminal, a manifest or a report: without secrets, controls written out, at most about `most`."""
    return shortened(visible(redacted(shortened(str(text), 2 * READ))), most)


def command_line(overrides: Iterable[str]) -> str:
    """Overrides as they are shown: one line."""
    return for_people(" ".join(map(str, overrides)))


class LogFormatter(logging.Formatter):
    """Lines of log.txt; a record, its traceback included, goes through what messages go through."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, lines kept."""
        text = shortened(super().format(record), 2 * READ)
        return shortened(visible(redacted(text), keep_lines=True), LONGEST_RECORD)


def _written_out(text: str) -> str:
    return _UNSEEN.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
