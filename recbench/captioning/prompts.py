"""Prompt templates: `{title}`, `{text}` and any catalogue column, filled in for an item."""

import hashlib
import string
from collections.abc import Collection

from recbench.captioning.interface import Item
from recbench.errors import UserError

LONGEST_VALUE = 2000  # characters of one value in a prompt: enough for any description, too few to flood a context


def check_prompt(template: str, columns: Collection[str], key: str = "captioner.prompt") -> None:
    """Make sure that a template can be filled in for every item.

    Args:
        columns: the catalogue's columns that a prompt may name, beside title and text.
        key: the config key that the template comes from, for the message.

    Raises:
        UserError: a placeholder that is no column, or braces that do not match.
    """
    known = ["title", "text", *sorted(columns)]
    for name, form in _placeholders(template, key):
        if name not in known:
            raise UserError(
                f"{key} has the placeholder {{{name}}}, which is no column of the catalogue: expected some of "
                f"{', '.join(known)} (a literal brace is written twice)"
            )
        if form:
            raise UserError(f"{key} has the placeholder {{{name}{form}}}: write {{{name}}}; values stand as they are")


def fill_prompt(template: str, item: Item, forbidden: Collection[str] = ()) -> str:
    """The template with the item's values; white space in a value becomes single spaces, long values are cut.

    Args:
        forbidden: what is taken out of values, such as a tokenizer's special tokens: a title that has the text of an
            image's place or of a turn's end would be read as one.
    """
    values = {**item.fields, "title": item.title, "text": item.text}
    for word in forbidden:
        values = {name: value.replace(word, " ") for name, value in values.items()}
    return template.format_map({name: " ".join(value.split())[:LONGEST_VALUE] for name, value in values.items()})


def prompt_hash(template: str) -> str:
    """Twelve hexadecimal digits that tell templates apart: the beginning of their SHA-256."""
    return hashlib.sha256(template.encode()).hexdigest()[:12]


def _placeholders(template: str, key: str) -> list[tuple[str, str]]:
    """Name and the rest (`!r`, `:>10`) of every placeholder."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as problem:
        raise UserError(
            f"{key}={template!r} cannot be read ({problem}): write {{title}}, and a literal brace twice"
        ) from problem
    return [
        (name, (f"!{conversion}" if conversion else "") + (f":{form}" if form else ""))
        for _, name, form, conversion in parts
        if name is not None
    ]
