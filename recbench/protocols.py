"""What a class or function from outside the package has to have, checked against the Protocol of its kind."""

import inspect
from typing import Any

from recbench.dotted import named
from recbench.errors import UserError
from recbench.schema.outside import LABEL, Kind

LONGEST_LABEL = 60


def check_function(asked: str, found: Any, arguments: tuple[str, ...]) -> None:
    """Raise UserError unless `found` can be called with arguments of these names, in this order."""
    written = f"{asked.partition('=')[2].partition('@')[0]}({', '.join(arguments)})"
    if not callable(found) or isinstance(found, type):
        raise UserError(f"{asked} is a {type(found).__name__}, expected a function {written}")
    try:
        inspect.signature(found).bind(*arguments)
    except TypeError as problem:
        raise UserError(f"{asked} cannot be called as {written} ({problem})") from problem


def check_class(asked: str, kind: Kind, found: Any) -> None:
    """Raise UserError unless `found` is a class with the methods of the kind's Protocol, and all of them written."""
    if not isinstance(found, type):
        raise UserError(f"{asked} is a {type(found).__name__}, expected a class as {kind.protocol} says")
    base = named(kind.base) if kind.base else object
    if not issubclass(found, base):
        raise UserError(f"{asked}: class {found.__name__} is no {kind.base.replace(':', '.')}: derive it from that")
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        raise UserError(f"{asked}: class {found.__name__} is abstract: write {', '.join(missing)}")
    if kind.enough and issubclass(found, named(kind.enough)):
        _check_label(asked, found)
        return
    for name, wanted in vars(named(kind.protocol)).items():
        if not inspect.isfunction(wanted) or wanted.__module__ == "typing":
            continue
        own, signature = getattr(found, name, None), inspect.signature(wanted)
        written = f"{name}{signature}".replace("'", "")
        if own is None or (own is getattr(base, name, None) and _takes_anything(own)):
            raise UserError(f"{asked}: class {found.__name__} has no method {written}; {kind.protocol} tells of it")
        try:
            inspect.signature(own).bind(*signature.parameters)
        except TypeError as problem:
            raise UserError(
                f"{asked}: {found.__name__}.{name}{inspect.signature(own)} cannot be called as {written} ({problem})"
            ) from problem
    _check_label(asked, found)


def _takes_anything(method: Any) -> bool:
    """Whether it is a method in name only, as `forward` of torch.nn.Module is."""
    return any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in inspect.signature(method).parameters.values())


def _check_label(asked: str, found: type) -> None:
    label = getattr(found, LABEL, "mine")
    if not isinstance(label, str) or not label.isprintable() or not 0 < len(label) <= LONGEST_LABEL:
        raise UserError(f"{asked}: {LABEL} is {label!r}: expected a text of at most {LONGEST_LABEL} characters")
