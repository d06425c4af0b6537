"""Evaluations as `recbench compare` reads them: which arm and seed each is of, and what its ranks.parquet says."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from recbench.errors import UserError
from recbench.policy.kinds import policy_kind
from recbench.rl.rules import rule_of
from recbench.runs import Run
from recbench.schema import is_first_sft, label_of

# What may differ between runs of one arm: the seed and what follows from it, and what changes no number.
NOT_OF_AN_ARM = ("seed", "input", "runs", "threads", "device", "upstream", "force", "resume", "data", "sft")

BY_ID = ("above_by_id", "ties_by_id", "n_by_id")  # of ranks.parquet, where items share semantic IDs


class Evaluation(NamedTuple):
    """One eval run of an arm: which arm and seed it is of, and what its ranks.parquet says."""

    run: Run
    trained: Run
    arm: str
    seed: int
    users: NDArray[np.object_]  # of each case, [C]
    positions: NDArray[np.int64]  # of the case among the user's interactions, [C]
    counts: NDArray[np.int64]  # negatives above, ties, negatives of each case, [3, C]
    exact: NDArray[np.int64]  # the same of the cases that were scored exactly, -1 for others, [3, C]
    by_id: NDArray[np.int64] | None  # counts of semantic IDs instead, [3, C]; none where they are not known
    items: int  # of the catalogue
    found: float  # ranks up to which counts are right: infinite when exact
    found_by_id: float  # the same of the counts of IDs


def arm_label(config: DictConfig) -> str:
    """What a training run is called among arms: sft, more sft, grpo beam, tawin 5-15 (ranks), tawin 0.01,0.05 (FPR).

    Of other policies than the LLM recommender: popularity, item-knn, bpr-mf, sasrec, and sasrec with a rule, as in
    sasrec tawin 5-15.
    """
    rule = rule_of(config.algo).arm(config.algo, label_of("negatives", config.negatives), is_first_sft(config))
    return policy_kind(config.policy).arm(config.policy, rule, is_first_sft(config))


def read_evaluations(runs: Sequence[Run], excluded: bool, labels: Mapping[str, str] | None) -> list[Evaluation]:
    """What every eval run says, with items already seen out of the ranking or in; arms by `labels`, else by configs.

    Raises UserError for a run whose training or ranks are gone.
    """
    found = arm_labels(runs) if labels is None else labels
    return [_read(run, trained_run(run), found[run.id], excluded) for run in runs]


def trained_run(run: Run) -> Run:
    """The train run whose policy an eval run scored; UserError if it is gone."""
    source = run.input_run("train")
    if source is None:
        raise UserError(f"the train run that eval run {run.id} scored is gone: its arm cannot be told")
    return source


def arm_labels(runs: Sequence[Run]) -> dict[str, str]:
    """The arm of each eval run, by its id; settings in which runs of one name differ are added to it."""
    configs = [trained_run(run).config for run in runs]
    names = [arm_label(config) for config in configs]
    settings = [dict(_leaves(OmegaConf.to_container(config, resolve=True))) for config in configs]
    labels = {}
    for run, name, mine in zip(runs, names, settings, strict=True):
        alike = [theirs for other, theirs in zip(names, settings, strict=True) if other == name]
        shared = [key for key in mine if all(key in theirs for theirs in alike)]  # others are of another version
        varied = [key for key in shared if any(theirs[key] != mine[key] for theirs in alike)]
        labels[run.id] = " ".join([name, *(f"{key}={mine[key]}" for key in varied)])
    return labels


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if not prefix and key in NOT_OF_AN_ARM:
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _read(run: Run, trained: Run, arm: str, excluded: bool) -> Evaluation:
    file = run.path / "ranks.parquet"
    if not file.is_file():
        raise UserError(f"eval run {run.id} has no ranks.parquet: evaluate again")
    table = _table(file, excluded, BY_ID)
    above, ties, negatives = counts = _counts(table, excluded)
    exact, found, found_by_id = counts, np.inf, np.inf
    by_id = _counts_by_id(table, counts, trained, excluded)
    if run.metrics["ranks"] != "exact":
        # A positive that the beam did not find counts as ranked last: right as far as the beam went.
        censored = table["censored"].to_numpy()
        found = float(above[censored].min(initial=run.config.beam_width))
        counts = np.stack([np.where(censored, negatives, above), ties, negatives])
        if by_id is not None:
            found_by_id = float(by_id[0][censored].min(initial=run.config.beam_width))
            by_id = np.stack([np.where(censored, by_id[2], by_id[0]), *by_id[1:]])
        exact = _exact_counts(run.path / "exact_ranks.parquet", table, excluded)
    return Evaluation(
        run=run,
        trained=trained,
        arm=arm,
        seed=int(trained.config.seed),
        users=table["user"].to_numpy(),
        positions=table["case"].to_numpy().astype(np.int64),
        counts=counts,
        exact=exact,
        by_id=by_id,
        items=int(table["n"].to_numpy().max(initial=0)) + 1,
        found=found,
        found_by_id=found_by_id,
    )


def _table(file: Path, excluded: bool, where_there: Sequence[str] = ()) -> pa.Table:
    columns = dict.fromkeys(["user", "case", "censored", "n", *_columns(excluded)])
    if where_there:
        columns |= dict.fromkeys(name for name in pq.read_schema(file).names if name in where_there)
    return pq.read_table(file, columns=list(columns)).sort_by([("user", "ascending"), ("case", "ascending")])


def _columns(excluded: bool) -> list[str]:
    return [f"{name}_excluded" if excluded else name for name in ("above", "ties", "n")]


def _counts(table: pa.Table, excluded: bool) -> NDArray[np.int64]:
    return np.stack([table[name].to_numpy().astype(np.int64) for name in _columns(excluded)])


def _counts_by_id(table: pa.Table, counts: NDArray[np.int64], trained: Run, excluded: bool) -> NDArray[np.int64] | None:
    """Counts [3, C] of IDs: those of items where no items share one; none where they do, and it is not told."""
    if not trained.metrics.get("item_tokens", {}).get("items_that_share_a_sequence", 0):
        return counts
    if excluded or not set(BY_ID) <= set(table.column_names):
        return None
    return np.stack([table[name].to_numpy().astype(np.int64) for name in BY_ID])


def _exact_counts(file: Path, cases: pa.Table, excluded: bool) -> NDArray[np.int64]:
    """Counts [3, C] of the `cases` that the sample in `file` has, -1 for the others; no case without a file."""
    counts = np.full((3, cases.num_rows), -1, dtype=np.int64)
    if file.is_file():
        sample = _table(file, excluded)
        row = {case: index for index, case in enumerate(_keys(cases))}
        counts[:, [row[case] for case in _keys(sample)]] = _counts(sample, excluded)
    return counts


def _keys(table: pa.Table) -> Iterator[tuple[str, int]]:
    return zip(table["user"].to_pylist(), table["case"].to_pylist(), strict=True)


def check_same_cases(evaluations: Sequence[Evaluation]) -> None:
    """Raises UserError unless all evaluations are of the same data, split and cases, in the same order."""
    first = evaluations[0]
    for other in evaluations[1:]:
        pair = f"eval runs {first.run.id} and {other.run.id}"
        mine, theirs = first.run.data_fingerprint, other.run.data_fingerprint
        if mine != theirs:
            shown = f"{first.run.data_name} {str(mine)[:12]} and {other.run.data_name} {str(theirs)[:12]}"
            raise UserError(f"{pair} are on different data ({shown}): compare runs on one data set")
        if first.run.config.split != other.run.config.split:
            shown = f"{first.run.config.split} and {other.run.config.split}"
            raise UserError(f"{pair} score different splits ({shown}): evaluate both on one, as in split=test")
        same = len(first.users) == len(other.users)
        if same and (first.users == other.users).all() and (first.positions == other.positions).all():
            continue
        cases = [set(zip(one.users, one.positions.tolist(), strict=True)) for one in (first, other)]
        limits = f"max_cases={first.run.config.max_cases} and {other.run.config.max_cases}"
        raise UserError(
            f"{pair} score different cases: {len(cases[0] - cases[1])} of {len(cases[0])} are in the first only, "
            f"{len(cases[1] - cases[0])} of {len(cases[1])} in the second only ({limits}): evaluate both alike"
        )
