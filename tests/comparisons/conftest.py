"""Eval runs written by hand, for what reads nothing else."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import DictConfig, OmegaConf

from recbench.composition import compose
from recbench.runs import Run, create_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The runs folder of `write_evaluation`; that of `fresh_workspace`, too."""
    return tmp_path / "runs"


@cache
def _compose(stage: str, overrides: tuple[str, ...]) -> DictConfig:
    return compose(stage, overrides)


def composed(stage: str, *overrides: str, **values: object) -> DictConfig:
    """The stage's config with `values` set; composing takes long, and runs of one arm differ by the seed alone."""
    return cast(DictConfig, OmegaConf.merge(_compose(stage, overrides), values))


@pytest.fixture
def write_evaluation(folder: Path) -> Callable[..., Run]:
    """Write a finished eval run with a table of ranks, of a training that is a config and nothing else."""

    def write(training, seed, ranks: pa.Table, metrics, *, data="bazaar", fingerprint="a", **settings) -> Run:
        train = create_run("train", composed("train", f"data={data}", *training, runs=str(folder), seed=seed))
        train.finish("done", {"steps": 3})
        chosen = [f"{key}={value}" for key, value in settings.items()]
        run = create_run("eval", composed("eval", f"data={data}", *chosen, runs=str(folder)))
        run.use(train)
        run.record(data_fingerprint=fingerprint)
        pq.write_table(ranks, run.path / "ranks.parquet")
        run.finish("done", metrics)
        return Run(run.path)

    return write
