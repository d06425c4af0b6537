"""recbench: experiments that put large language models into recommender systems, with numbers to defend."""

from typing import TYPE_CHECKING, Any

from recbench.version import __version__

if TYPE_CHECKING:
    from recbench.stages.score import score_file

__all__ = ["__version__", "score_file"]


def __getattr__(name: str) -> Any:
    """Import public functions when first asked for, so that `import recbench` costs nothing."""
    if name == "score_file":
        from recbench.stages.score import score_file

        return score_file
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
