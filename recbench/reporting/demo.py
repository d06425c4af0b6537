"""The report of `recbench demo`: the reports of both chains, one below the other."""

import shutil
from collections.abc import Mapping
from typing import Any

from recbench.dotted import named
from recbench.grids import Grid
from recbench.reporting.captions import caption_grids
from recbench.reporting.clicks import click_grids
from recbench.reporting.comparison import comparison_grids
from recbench.reporting.markup import link
from recbench.reporting.simulation import simulation_grids
from recbench.runs import Run, atomic_path
from recbench.stage_table import STAGES

PARTS = {
    "caption": "Pictures become captions",
    "ctr": "Captions join a click model",
    "simulate": "The click models meet users",
    "bench": "Recommenders are tuned with reinforcement learning",
}


def demo_grids(metrics: Mapping[str, Any]) -> list[Grid]:
    """What a terminal has room for: accuracy of captions, their gains, the A/B test, and the recommenders' means."""
    return [
        *caption_grids(metrics["caption"])[1:2],
        *click_grids(metrics["ctr"])[1:],
        *simulation_grids(metrics["simulate"])[:2],
        *comparison_grids(metrics["bench"])[:1],
    ]


def demo_sections(run: Run) -> list[str]:
    """The results of the runs that the demo made, in Markdown; their pictures are copied into its folder."""
    lines = []
    for stage, title in PARTS.items():
        other = run.input_run(stage)
        if other is None:
            continue
        text = named(STAGES[stage].sections)(other)  # draws its pictures, too
        for picture in sorted(other.path.glob("*.png")):
            with atomic_path(run.path / picture.name) as partial:
                shutil.copyfile(picture, partial)
        place = f"../../../{other.stage}/{other.data_name}/{other.id}/report.md"
        lines += [f"## {title}", "", f"From {link(f'recbench {stage}', place)}.", ""]
        lines += [line.replace("## ", "### ", 1) if line.startswith("## ") else line for line in _body(text)]
    return lines


def _body(lines: list[str]) -> list[str]:
    """Without the heading that says these are results."""
    return lines[2:] if lines[:1] == ["## Results"] else lines
