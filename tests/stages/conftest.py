"""Eval runs written by hand, for what reads nothing else."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbench.execution import compose
from recbench.runs import Run, create_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The runs folder of `write_evaluation`; that of `fresh_workspace`, too."""
    return tmp_path / "runs"


@pytest.fixture
def write_evaluation(folder: Path) -> Callable[..., Run]:
    """Write a finished eval run with a table of ranks, of a training that is a config and nothing else."""

    def write(training, seed, ranks: pa.Table, metrics, *, data="bazaar", fingerprint="a", **settings) -> Run:
        common = [f"runs={folder}", f"data={data}"]
        overrides = [*common, f"seed={seed}", *training]
        train = create_run("train", compose("train", overrides), overrides)
        train.finish("done", {"steps": 3})
        chosen = [*common, *(f"{key}={value}" for key, value in settings.items())]
        run = create_run("eval", compose("eval", chosen), chosen)
        run.use(train)
        run.record(data_fingerprint=fingerprint)
        pq.write_table(ranks, run.path / "ranks.parquet")
        run.finish("done", metrics)
        return Run(run.path)

    return write
