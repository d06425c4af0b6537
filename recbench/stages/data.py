"""recbench data: build, check and describe a data set."""

import json
from typing import Any

from recbench.console.progress import say
from recbench.data.build import build
from recbench.data.sources.reading import lines_of
from recbench.runs import Run
from recbench.schema import DataStageConfig

SHOWN_PROBLEMS = 10


def run(config: DataStageConfig, run: Run) -> dict[str, Any]:
    """Write catalogue.parquet and description.json; where the source has them, interactions.parquet,
    impressions.parquet with users.parquet, pictures, and best.parquet, the best ranks there can be.

    Returns:
        The numbers of `recbench.data.build.build`.
    """
    numbers = build(config.data, run.path)
    description = json.loads((run.path / "description.json").read_text(encoding="utf-8"))
    run.record(data_fingerprint=description["fingerprint"])
    for line in lines_of(description["reading"]):
        say(line)
        run.log.info(line)
    for warning in description["warnings"]:
        run.note(warning)
    problems = description["problems"]
    for problem in problems[:SHOWN_PROBLEMS]:
        run.note(problem)
    if len(problems) > SHOWN_PROBLEMS:
        run.note(f"{len(problems) - SHOWN_PROBLEMS} more problems are listed in {run.path / 'description.json'}")
    return numbers
