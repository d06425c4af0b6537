"""Negatives whose ranks lie inside the rule's window; for soft windows, around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recbench.rl.sources.interface import Source

if TYPE_CHECKING:
    from recbench.rl.asking import Batch, Found
    from recbench.rl.negatives import Negatives


class Window(Source):
    """Its window is the configured one."""

    name = "window"
    place = 4
    of_window = True

    def choose_found(self, batch: Batch, found: Found) -> Negatives:
        """Drawn uniformly from the window's ranks."""
        from recbench.rl.negatives import window_negatives

        return window_negatives(found.ranked, *batch.drawn_ranks(found.ranked), batch.budget, batch.generator)
