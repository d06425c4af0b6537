"""Metrics that are functions of the user's own: `mine.metric`, `mine.metric@10`."""

from collections.abc import Iterable

from recbench.extensions import metric
from recbench.metrics.table import add_metric


def own_metrics(names: Iterable[str]) -> None:
    """Import those of the names that are from outside, and let the metrics know them; raises UserError."""
    for name in names:
        if (extension := metric(name)) is not None:
            add_metric(name.partition("@")[0], extension.found)
