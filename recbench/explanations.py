"""What went wrong, in one line: our own errors, Hydra's, the operating system's."""

import errno
import re
from typing import Any

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from recbench import schema
from recbench.errors import StorageError, UserError
from recbench.extensions import keys_from_outside, place_in

NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)  # too long, or with a link that leads to itself
NO_RIGHTS = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR)
LONGEST = 1500  # characters of an error line


def explain(problem: BaseException, stage: str = "") -> str:
    """An error in one line; Hydra's, which run over several, with a near word where there is one."""
    text = _explained(problem, stage)  # at most a screen of it: a value that is named may be a whole file
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 300]} ... {text[-300:]}"


def _explained(problem: BaseException, stage: str) -> str:
    text = _joined(problem)
    if isinstance(problem, UserError | StorageError):
        return text
    if isinstance(problem, OSError) and is_of_a_path(problem):
        if problem.errno in NO_RIGHTS:
            return f"{problem.filename}: {problem.strerror}; give another path, or change its rights"
        return f"{problem.filename}: no file can have this path ({problem.strerror}); give another"
    if not isinstance(problem, HydraException | OmegaConfBaseException):
        told = f"{type(problem).__name__}: {text}" if text else type(problem).__name__
        return f"{place}: {told}" if (place := place_in(problem)) else told
    if isinstance(problem, OverrideParseException):
        return f"cannot read {problem.override!r}: write KEY=VALUE, such as seed=1"
    if found := re.search(
        r"Could not find '([^']+)/([^'/]+)' Available options in '[^']+': (.*?)(?: Config search|$)", text
    ):
        group, name, available = found[1], found[2], found[3].split()
        own = f", or a class of your own as {group}=MODULE.CLASS" if group in schema.KINDS else ""
        return f"{group}={name}: expected one of {', '.join(available)}{own}{schema.did_you_mean(name, available)}"
    if found := re.search(r"In '(experiment/[^']+)': Could not override '/?([^'@]+)", text):
        return f"{found[1].replace('/', '=')} is not for this command: it sets {found[2]}"
    if found := re.search(r"In '(experiment/[^']+)': .* Key 'bench' not in", text):
        return f"{found[1].replace('/', '=')} is an experiment over several runs: give it to recbench bench"
    if found := re.search(r"Could not override '([^']+)'", text):
        if below := [key for key in _keys(stage) if key.startswith(f"{found[1]}.")]:
            return f"{found[1]}: {stage} has no choice of {found[1]}: set its keys, such as {below[0]}"
        return f"unknown key {found[1]}{schema.did_you_mean(found[1].split('@')[0], _keys(stage))}"
    if found := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return f"{found[1]} has several values: add -m to run each, or write a list as [a,b]"
    if (found := re.match(r"Error merging override ([\w.]+)=(.*)$", text)) and (wanted := _wanted(stage, found[1])):
        return f"{found[1]}={found[2]}: expected {wanted}"
    text = re.sub(r"^Error merging override ", "", text)
    if problem.__cause__ is not None:
        text = f"{text}: {_joined(problem.__cause__)}"
    return re.sub(r" full_key: .*$", "", text)


def is_of_a_path(problem: BaseException) -> bool:
    """Whether a path was given that no file can have, that may not be read, or that is no file or no folder."""
    return isinstance(problem, OSError) and problem.filename is not None and problem.errno in (*NO_PATH, *NO_RIGHTS)


def where(problem: BaseException) -> str:
    """The run folder that failed, which the exception carries as a note; the innermost when one run made another."""
    notes = getattr(problem, "__notes__", [])
    return f" ({notes[0]})" if notes else ""


def _joined(problem: BaseException) -> str:
    return " ".join(str(problem).split())


# What a key takes, by the type of its field.
IN_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list[int]: "a list of whole numbers, as in [1,2]",
    list[float]: "a list of numbers, as in [0.1,0.2]",
    list[str]: "a list of words, as in [a,b]",
    list[list[float]]: "a list of lists of numbers, as in [[0.1,0.2]]",
    dict[str, Any]: "keys and values, as in {a: 1}",
}
IN_WORDS |= {kind | None: words for kind, words in IN_WORDS.items()}


def _wanted(stage: str, key: str) -> str | None:
    """What a stage's key takes, in words; None where its type has none."""
    schemas = schema.STAGE_SCHEMAS
    item = dict(schema.options(schemas[stage])).get(key) if stage in schemas else None
    if item is None or item.type not in IN_WORDS:
        return None
    has_range = any(item.metadata.get(name) is not None for name in ("one_of", "least", "most"))
    among = "; " if item.metadata.get("one_of") else ", "
    return IN_WORDS[item.type] + (f"{among}{schema.expected(item)}" if has_range else "")


def _keys(stage: str) -> list[str]:
    if stage not in schema.STAGE_SCHEMAS:
        return []
    keys = [key for key, _ in schema.options(schema.STAGE_SCHEMAS[stage])] + keys_from_outside()
    return [*keys, *dict.fromkeys(key.split(".")[0] for key in keys), "experiment"]
