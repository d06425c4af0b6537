"""One module a kind: a folder's classes become a table by their names, and their settings keys of one config node.

Nothing here names a kind. A new one is a module in its folder: the table, the choices of the config key,
`--help-config` and the checks follow.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import field, fields, make_dataclass
from typing import Any, ClassVar, TypeVar, get_type_hints

LAST = 100  # the place of what has not been given one


class Kind:
    """What the classes of such a folder have in common."""

    name: str = ""  # by which it is chosen; none: a base of others
    place: ClassVar[int] = LAST  # in lists; those of one place stand in the order of their names
    reads: ClassVar[frozenset[str]] = frozenset()  # settings shared with other kinds, `of="reads=..."` in the schema
    Settings: ClassVar[type | tuple[type, ...]] = ()  # dataclasses of keys that it reads, made of `option`, not of all


Found = TypeVar("Found", bound=Kind)
Settings = TypeVar("Settings")


def kinds_in(package: str, folder: Iterable[str], base: type[Found]) -> dict[str, Found]:
    """One of each class below `base` with a name that a module of `package` defines: by name, in the order of places.

    `folder` is the package's `__path__`. Its modules are imported, so they leave torch for where it is needed.
    """
    found: list[type[Found]] = []
    for module in pkgutil.iter_modules(folder):
        defined = importlib.import_module(f"{package}.{module.name}")
        classes = [one for one in vars(defined).values() if isinstance(one, type) and issubclass(one, base)]
        found += [one for one in classes if one.name and one.__module__ == defined.__name__]
    ordered = sorted(found, key=lambda one: (one.place, one.name))
    return {one.name: one() for one in ordered}


def modules_of(package: str) -> tuple[str, ...]:
    """The names of the modules in a package's folder, in their order; none of them is imported."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations is not None
    return tuple(sorted(module.name for module in pkgutil.iter_modules(spec.submodule_search_locations)))


def settings_of_kinds(title: str, kinds: Mapping[str, Kind], clause: str) -> type:
    """A dataclass with the settings of all kinds, each with an effect for its own kinds alone: `of="clause=NAME ..."`.

    Kinds that name one class of settings share its keys. Those that the first kind has come first.
    """
    names: dict[type, list[str]] = {}
    for kind in kinds.values():
        for settings in classes_of(kind):
            names.setdefault(settings, []).append(kind.name)
    made = [one for settings, of in names.items() for one in _fields(settings, f"{clause}={','.join(of)}")]
    return make_dataclass(title, made)


def classes_of(kind: Kind) -> tuple[type, ...]:
    """The dataclasses of a kind's own settings."""
    return kind.Settings if isinstance(kind.Settings, tuple) else (kind.Settings,)


def _fields(settings: type, clause: str) -> Iterable[tuple[str, Any, Any]]:
    types = get_type_hints(settings)
    for item in fields(settings):
        needs = tuple(f"{clause} {text}".strip() for text in item.metadata["of"] or ("",))
        metadata = {**item.metadata, "of": needs}
        copied = field(default=item.default, default_factory=item.default_factory, metadata=metadata)  # type: ignore[call-overload]
        yield item.name, types[item.name], copied


def own(settings: type[Settings], node: Any) -> Settings:
    """A kind's own settings out of the config node that they are keys of."""
    return settings(**{item.name: getattr(node, item.name) for item in fields(settings)})  # type: ignore[arg-type]
