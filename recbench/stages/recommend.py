"""recbench recommend: the best items for users of the data, or for histories of a file, with their titles."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recbench.comparisons.naming import as_picked
from recbench.data.dataset import RecommendationData, load_data
from recbench.data.interactions import TEST, Cases, Interactions, held_out_cases
from recbench.data.sources.names import Names
from recbench.data.sources.raw import BrokenLines, existing_file, given_path
from recbench.data.sources.tabular import open_table, read_columns
from recbench.errors import UserError
from recbench.grids import Grid
from recbench.policy.base import Policy
from recbench.policy.checkpoint import load_policy
from recbench.policy.interface import TRIPLES
from recbench.policy.recommending import recommended
from recbench.runs import Run, atomic_path, require_finished, resolve_run
from recbench.schema import did_you_mean
from recbench.training.device import choose_device, use_threads

EXAMPLES = 10  # users, where none is asked for
SHOWN_HISTORY = 5  # of an item's latest, on a terminal
FORMATS = (".parquet", ".jsonl")
Row = dict[str, Any]  # user, history, held_out (or None), items, titles, scores


@dataclass(frozen=True)
class Wanted:
    """What is to be recommended, to whom."""

    k: int = 10
    users: tuple[str, ...] = ()  # none: ten examples
    everyone: bool = False
    history: Path | None = None  # a file with columns user and item, in order
    histories: tuple[tuple[str, ...], ...] | None = None  # the same from Python
    now: bool = False  # from all that a user did; else from what stands before the item held out for test
    seen: bool = False
    only: tuple[str, ...] = ()  # COLUMN=VALUE, several values of a column as alternatives
    pick: str | None = None
    device: str = "auto"
    threads: int = 0


def recommendations(trained: Run, wanted: Wanted) -> tuple[Iterator[Row], RecommendationData]:
    """A row a user, made batch by batch, and the data that they are of.

    Raises:
        UserError: no finished training, users or items that the data have not, a filter that leaves no item.
    """
    if trained.stage != "train":
        raise UserError(f"{trained.stage} run {trained.id} is no training: give the run of recbench train")
    require_finished(trained)
    data_run = trained.input_run("data")
    if data_run is None:
        raise UserError(
            f"train run {trained.id}: the data run that it was made from is gone; make it with recbench data"
        )
    data = load_data(data_run.path)
    use_threads(wanted.threads)
    policy, _ = load_policy(as_picked(trained, wanted.pick)[0])
    policy.to(choose_device(wanted.device))
    interactions, cases = _cases(wanted, data, policy)
    return _rows(policy, data, interactions, cases, wanted, allowed(data, wanted.only)), data


def trained_run(root: Path, name: str) -> Run:
    """The training that a user named, or that an evaluation so named judged.

    Raises:
        UserError: there is none.
    """
    run = resolve_run(root, name, None if name != "latest" else "train")
    judged = run.input_run("train") if run.stage == "eval" else None
    return judged or run


def allowed(data: RecommendationData, only: Sequence[str]) -> np.ndarray | None:
    """Which items every COLUMN=VALUE allows, bool [N]; none: all.

    Raises:
        UserError: no such column or value, or none is left.
    """
    if not only:
        return None
    wanted: dict[str, list[str]] = {}
    for text in only:
        column, sign, value = text.partition("=")
        if not sign:
            raise UserError(f"--only {text}: expected COLUMN=VALUE, such as brand=acme")
        if column not in data.catalogue.column_names:
            known = data.catalogue.column_names
            raise UserError(
                f"--only {text}: no column {column!r}, only {', '.join(known)}{did_you_mean(column, known)}"
            )
        wanted.setdefault(column, []).append(value)
    mask = np.ones(len(data.catalogue), dtype=bool)
    for column, values in wanted.items():
        cells = [set(cell) if isinstance(cell, list) else {cell} for cell in data.catalogue[column]]
        for value in values:
            if not any(value in cell for cell in cells):
                known = sorted({str(one) for cell in cells for one in cell if one is not None})
                raise UserError(f"--only {column}={value}: no item has it{did_you_mean(value, known)}")
        mask &= np.array([bool(cell & set(values)) for cell in cells])
    if not mask.any():
        raise UserError(f"--only {' '.join(only)}: no item has all of it; leave one out")
    return mask


def _cases(wanted: Wanted, data: RecommendationData, policy: Policy) -> tuple[Interactions, Cases]:
    if wanted.history is not None or wanted.histories is not None:
        if policy.learns_from == TRIPLES:
            raise UserError("this policy has a vector for each user of its data and reads no history; give --user")
        if wanted.history is not None:
            interactions = read_histories(wanted.history, data)
        else:
            pairs = [(str(row), item) for row, items in enumerate(wanted.histories or ()) for item in items]
            interactions = as_interactions(pairs, data, "histories")
        return interactions, Cases(np.arange(len(interactions.users)), interactions.offsets[1:].astype(np.int64))
    interactions = data.interactions
    if not interactions.users:
        raise UserError(f"data set {data.name} has no interactions; give histories with --history FILE")
    if wanted.now:
        cases = Cases(np.arange(len(interactions.users)), interactions.offsets[1:].astype(np.int64))
    else:
        cases = held_out_cases(interactions, TEST)
        if not len(cases.user):
            raise UserError(f"data set {data.name} has no test interactions: --now recommends what is next")
    if wanted.users:
        rows = {name: row for row, name in enumerate(interactions.users)}
        for name in wanted.users:
            if name not in rows:
                raise UserError(f"--user {name}: no such user in {data.name}{did_you_mean(name, interactions.users)}")
        chosen = np.isin(cases.user, [rows[name] for name in wanted.users])
        if not chosen.any():
            raise UserError(
                f"--user {wanted.users[0]}: nothing of theirs is held out for test; --now takes all they did"
            )
    elif wanted.everyone:
        chosen = np.ones(len(cases.user), dtype=bool)
    else:
        chosen = np.isin(np.arange(len(cases.user)), np.random.default_rng(0).permutation(len(cases.user))[:EXAMPLES])
    return interactions, Cases(cases.user[chosen], cases.position[chosen])


def read_histories(path: Path, data: RecommendationData) -> Interactions:
    """Interactions of a csv, tsv or Parquet file with columns user and item, in its order.

    Raises:
        UserError: no such file or column, or an item that the catalogue has not.
    """
    columns = {"user": "user", "item": "item"}
    file = open_table(existing_file(given_path(str(path))), columns)
    found = read_columns(file, columns, {name: Names(name) for name in columns}, BrokenLines(skip=False))
    pairs = list(zip(*(found.values[name].to_pylist() for name in columns), strict=True))
    return as_interactions(pairs, data, str(path))


def as_interactions(pairs: Sequence[tuple[str, str]], data: RecommendationData, where: str) -> Interactions:
    """Interactions of (user, item), oldest first, of users in the order of their first.

    Raises:
        UserError: there are none, or an item is not in the catalogue.
    """
    rows = {name: row for row, name in enumerate(data.catalogue["item"])}
    unknown = list(dict.fromkeys(item for _, item in pairs if item not in rows))
    if unknown:
        more = f", and {len(unknown) - 1:,} more are not" if len(unknown) > 1 else ""
        raise UserError(
            f"{where}: item {unknown[0]!r} is not in the catalogue of {data.name}{more}"
            f"{did_you_mean(unknown[0], list(rows))}; leave such items out"
        )
    if not pairs:
        raise UserError(f"{where}: no interactions; give one a row, oldest first")
    names = list(dict.fromkeys(user for user, _ in pairs))
    places = {name: place for place, name in enumerate(names)}
    code = np.array([places[user] for user, _ in pairs])
    offsets = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=len(names)))]).astype(np.int64)
    items = np.array([rows[item] for _, item in pairs], dtype=np.int32)[np.argsort(code, kind="stable")]
    return Interactions(names, offsets, items, np.zeros(len(items), np.int8), None)


def _rows(
    policy: Policy,
    data: RecommendationData,
    interactions: Interactions,
    cases: Cases,
    wanted: Wanted,
    only: np.ndarray | None,
) -> Iterator[Row]:
    names = list(data.catalogue["item"])
    titles = list(data.catalogue["title"]) if "title" in data.catalogue.column_names else [None] * len(names)
    for batch in recommended(policy, interactions, cases, wanted.k, seen=wanted.seen, only=only):
        for user, position, items, scores in zip(*batch.cases, batch.items, batch.scores, strict=True):
            end = interactions.offsets[user + 1]
            real = [int(item) for item in items if item >= 0]
            had = max(
                policy.history, SHOWN_HISTORY + 1
            )  # of a policy that reads none, what is shown, and if there is more
            past = interactions.items[max(interactions.offsets[user], position - had) : position]
            yield {
                "user": interactions.users[user],
                "history": [names[item] for item in past],
                "held_out": names[interactions.items[position]] if position < end else None,
                "items": [names[item] for item in real],
                "titles": [titles[item] for item in real],
                "scores": [float(score) for score in scores[: len(real)]],
            }


# ---- out


def write(rows: Iterator[Row], path: Path) -> int:
    """Write rows to a .parquet or .jsonl file as they come; returns how many there were.

    Raises:
        UserError: another ending, or a folder that is not there.
    """
    check_format(path)
    count = 0
    with atomic_path(path) as partial:
        if path.suffix == ".jsonl":
            with partial.open("w", encoding="utf-8") as lines:
                for row in rows:
                    lines.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
                    count += 1
            return count
        schema = pa.schema(
            {
                "user": pa.string(),
                "history": pa.list_(pa.string()),
                "held_out": pa.string(),
                "items": pa.list_(pa.string()),
                "titles": pa.list_(pa.string()),
                "scores": pa.list_(pa.float32()),
            }
        )
        with pq.ParquetWriter(partial, schema) as writer:
            block: list[Row] = []
            for row in rows:
                block.append(row)
                count += 1
                if len(block) == 4096:
                    writer.write_table(pa.Table.from_pylist(block, schema))
                    block = []
            writer.write_table(pa.Table.from_pylist(block, schema))
    return count


def check_format(path: Path) -> None:
    """Raise UserError where recommendations could not be written to `path`, before any is made."""
    if path.suffix not in FORMATS:
        raise UserError(f"--to {path}: expected a file that ends in {' or '.join(FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise UserError(f"--to {path}: there is no folder {path.absolute().parent}")


def grid(row: Mapping[str, Any], titles: Mapping[str, Any]) -> Grid:
    """One user's recommendations as a table; the held-out item is marked."""
    past = [str(titles.get(item) or item) for item in row["history"][-SHOWN_HISTORY:]]
    more = "... " if len(row["history"]) > SHOWN_HISTORY else ""
    rows = [
        [str(place), "held out" if item == row["held_out"] else "", item, str(title or ""), f"{score:.3f}"]
        for place, (item, title, score) in enumerate(zip(row["items"], row["titles"], row["scores"], strict=True), 1)
    ]
    note = ""
    if row["held_out"] is not None and row["held_out"] not in row["items"]:
        note = f"held out, and not among these: {row['held_out']} {titles.get(row['held_out']) or ''}".rstrip()
    title = f"user {row['user']}, who had {more}{' | '.join(past) or 'nothing'}"
    return Grid(title, ["", "", "item", "title", "score"], rows, prose=True, note=note)
