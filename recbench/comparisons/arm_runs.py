"""The trainings and evaluations of a bench's arms: those that are there, and new ones where none is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from recbench.comparisons.experiments import changeable, composed, pick_of, training, written
from recbench.execution import differences, prepare
from recbench.quoting import quote
from recbench.runs import Run
from recbench.schema.experiments import SCRATCH, SFT
from recbench.upstream import find, is_sft_for, obtain, require, require_sft


@dataclass(frozen=True)
class ArmRun:
    """An arm with one seed on one data set, trained and evaluated."""

    data: str
    name: str  # of the arm, as the bench has it
    seed: int
    trained: Run
    scored: Run
    pick: str | None  # the metric whose checkpoint is scored; none: that of the training's own


class ArmRuns:
    """The runs of an experiment, each once: those that are there, and, given the bench run, new ones where none is."""

    def __init__(self, config: DictConfig, run: Run | None) -> None:
        self.config, self.run = config, run
        self._known: dict[tuple[Any, ...], Run | None | Exception] = {}

    def trained(self, data: str, arm: str, seed: int) -> Run | None:
        """The training of an arm; None where it, or what it starts from, is not there and is not to be made."""
        return self._once(("train", data, arm, seed), lambda: self._trained(data, arm, seed))

    def scored(self, data: str, arm: str, seed: int, place: int = 0) -> Run | None:
        """The evaluation of an arm, of the checkpoint that the bench's picker at `place` picked, likewise."""
        pick = pick_of(self.config, data, arm, place)
        return self._once(("eval", data, arm, seed, pick), lambda: self._scored(data, arm, seed, pick))

    def _once(self, key: tuple[Any, ...], get: Callable[[], Run | None]) -> Run | None:
        if key not in self._known:
            try:
                self._known[key] = get()
            except Exception as problem:  # arms that start from a failed one fail like it, and it is not tried again
                self._known[key] = problem
        known = self._known[key]
        if isinstance(known, Exception):
            raise known
        return known

    def _data(self, data: str) -> Run | None:
        base = changeable(training(self.config, data, SFT)[0])
        base.force = self.config.force
        return find("data", base, match=lambda _: True) if self.run is None else require("data", base, self.run)

    def _trained(self, data: str, arm: str, seed: int) -> Run | None:
        source = self._once(("data", data), lambda: self._data(data))
        fingerprint = source.data_fingerprint if source is not None else None
        start = self.config.arms[arm].start if arm != SFT else None
        checkpoint = self.trained(data, start, seed) if start not in (None, SCRATCH) else None
        if checkpoint is None and start not in (None, SCRATCH):
            return None
        shared, overrides = training(self.config, data, arm)
        made = changeable(shared)
        made.seed = seed
        if arm == SFT:
            if self.run is None:
                return find("train", made, match=is_sft_for(made), fingerprint=fingerprint)
            made.force = self.config.force
            return require_sft(made, self.run, strict=True, fingerprint=fingerprint)
        overrides = [*overrides, f"seed={seed}"]
        if checkpoint is None:  # its data are given as a node, which the overrides do not tell
            overrides = differences("train", made) if self.run is not None else overrides
        else:
            made.input = checkpoint.id
            overrides.append(f"input={checkpoint.id}")
        return self._get("train", made, overrides, fingerprint)

    def _scored(self, data: str, arm: str, seed: int, pick: str | None) -> Run | None:
        trained = self.trained(data, arm, seed)
        if trained is None:
            return None
        overrides = [*written(self.config.evaluation), *([f"pick={quote(pick)}"] if pick is not None else [])]
        made = changeable(composed("eval", overrides))
        made.seed, made.input = seed, trained.id
        return self._get("eval", made, [*overrides, f"seed={seed}", f"input={trained.id}"], None)

    def _get(self, stage: str, made: DictConfig, overrides: list[str], fingerprint: str | None) -> Run | None:
        settled = prepare(stage, made, overrides)
        if self.run is None:
            return find(stage, settled, fingerprint=fingerprint)
        return obtain(stage, settled, overrides, self.run, force=self.config.force, fingerprint=fingerprint)


def arms_of(config: DictConfig, with_starts: bool = False) -> Iterator[tuple[int, str, str]]:
    """(seed, data, arm) in the order in which they are made; with those that only others start from, if asked for."""
    for seed in config.seeds:
        for data in map(str, config.on):
            others = [arm for arm in config.arms if arm not in config.chosen] if with_starts else []
            for arm in [*others, *config.chosen]:
                yield int(seed), data, str(arm)
