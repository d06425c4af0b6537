"""recbench: experiments that put large language models into recommender systems, with numbers to defend."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recbench.version import __version__

if TYPE_CHECKING:
    from recbench.python import compare, load, recommend, run
    from recbench.stages.score import score_file

__all__ = ["__version__", "compare", "load", "recommend", "run", "score_file"]
PUBLIC = dict.fromkeys(("compare", "load", "recommend", "run"), "python") | {"score_file": "stages.score"}


def __getattr__(name: str) -> Any:
    """Import public functions when first asked for, so that `import recbench` costs nothing."""
    if name in PUBLIC:
        return getattr(import_module(f"recbench.{PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
