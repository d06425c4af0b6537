"""recbench caption: one caption an item, written in shards by one process or several, and how good they are."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from recbench.captioning import processes
from recbench.captioning.choose import check_config, make_captioner, make_fallback
from recbench.captioning.contact_sheet import Tile, draw_contact_sheet
from recbench.captioning.estimate import estimate_cost
from recbench.captioning.folds import fold_of_items, number_of_folds
from recbench.captioning.items import reference_captions
from recbench.captioning.kinds import captioner_of
from recbench.captioning.pictures import read_pictures
from recbench.captioning.quality import caption_quality
from recbench.captioning.shards import begin_again, cut, merge, missing, nothing_captioned, write_missing
from recbench.captioning.table import FALLBACK, FILE, MODEL, SKIPPED, CaptionRow, read_rows
from recbench.captioning.writer import CaptionWriter
from recbench.console.progress import say
from recbench.data.build import build
from recbench.data.dataset import RecommendationData, load_data
from recbench.errors import UnfinishedError, UserError
from recbench.reporting.captions import SHEET
from recbench.runs import Run, atomic_path, newest, require_finished, resolve_run
from recbench.schema import CaptionStageConfig, typed
from recbench.training.device import autocast, choose_device, use_threads
from recbench.upstream import require

MOST_REASONS = 30  # that are counted one by one; a server may give each item one of its own
SHEET_ORDER = 0x5EE7  # random stream of the sheet's items


def run(config: CaptionStageConfig, run: Run) -> dict[str, Any]:
    """Write captions.parquet, skipped.json and contact_sheet.png, and return counts and the captions' quality.

    Under `accelerate launch` or torchrun this is process 0; the others call `assist`.

    Raises:
        UserError: the captioner lacks something, or the items left cannot be captioned by anyone.
    """
    use_threads(config.threads)
    device = _device(config)
    with processes.announced(run):
        data_run = require("data", config, run, input=config.input)  # type: ignore[arg-type]
        data = load_data(data_run.path)
        run.record(data_fingerprint=data.fingerprint, device=str(device))
        check_config(config.captioner, data)
        items = list(data.catalogue["item"])
        shards = cut(len(items), config.captioner.shard_size)
        if config.resume and not (run.path / FILE).is_file():
            begin_again(run.path, shards)
        if missing(run.path, shards):
            _write(config, run, data, device, shards)
            _check_answered(config, run, shards)
        merge(run.path, shards, items)
    rows = read_rows(run.path / FILE)
    skipped = json.loads((run.path / "skipped.json").read_text(encoding="utf-8"))
    if skipped:
        _tell_skipped(run, rows, skipped)
    parts = _parts(config, data)
    if config.sheet_items:
        _draw_sheet(config, run, data, rows, parts)
    if unread := sum(row.unread for row in rows):
        partly = sum(row.unread > 0 for row in rows)
        run.note(
            f"{unread} pictures of {partly} items cannot be read, and these are captioned from their others; "
            f"the column unread of {FILE} counts them"
        )
    cut_off = sum(row.cut for row in rows)
    if cut_off:
        run.note(
            f"{cut_off} of {len(rows)} captions end in mid-sentence at captioner.max_tokens="
            f"{config.captioner.max_tokens}; they are kept, and marked in the column cut"
        )
    judged = [row.caption if row.origin == MODEL else None for row in rows]
    return {
        "captioner": next((row.captioner for row in rows if row.origin == MODEL), None),
        "items": len(rows),
        "origins": {origin: sum(row.origin == origin for row in rows) for origin in (MODEL, FALLBACK, SKIPPED)},
        "reasons": _most_common(Counter(entry["reason"] for entry in skipped)),
        "cut_off": cut_off,
        "tokens": sum(row.tokens for row in rows),
        "quality": caption_quality(judged, data, config.data.attributes, parts),
    }


def assist(config: CaptionStageConfig) -> None:
    """Caption the shards of a process other than 0 of a launcher, in the run that process 0 makes.

    Raises:
        UserError: process 0 made no run, or it ended before all was captioned.
    """
    use_threads(config.threads)
    folder = Path(config.runs) / "caption"
    if config.resume:
        before = resolve_run(config.runs, config.resume, "caption", statuses=("interrupted", "failed", "running"))
        folder = before.path.parent.parent
    run = _Onlooker(processes.find_announced(folder).path)
    if not processes.wait_for(run, lambda: processes.is_prepared(run)):
        if Run(run.path).status != "done":
            raise UserError(
                f"caption run {run.id} ended before process {processes.rank()} could begin; see its log.txt"
            )
        return
    run = _Onlooker(run.path)  # with the inputs that it has by now
    theirs: Any = typed("caption", run.config)
    data_run = run.input_run("data")
    assert data_run is not None
    data = load_data(data_run.path)
    writer = _writer(theirs, data, run, _device(config))
    shards = cut(data.catalogue.num_rows, theirs.captioner.shard_size)
    write_missing(run.path, shards, writer.write, rank=processes.rank(), world_size=processes.world_size())
    processes.say_finished(run)


def estimate(config: CaptionStageConfig) -> dict[str, Any]:
    """What captioning all items would take, from a sample of 20; makes no run, and data only for the time being.

    Raises:
        UserError: as in `run`; also when the captioner would have to be trained first.
    """
    use_threads(config.threads)
    device = _device(config)
    with _data_at_hand(config) as data:
        check_config(config.captioner, data)
        captioner = make_captioner(config.captioner, data, None, config.seed, device)
        with autocast(device, config.precision):
            return estimate_cost(captioner, data, config.captioner, config.seed)


class _Onlooker(Run):
    """A run as seen by a process that is not its own: its manifest is read and never written."""

    def record(self, **values: Any) -> None:
        """Process 0 records the same."""


def _write(
    config: CaptionStageConfig, run: Run, data: RecommendationData, device: torch.device, shards: list[range]
) -> None:
    """Caption what is missing: all of it alone, else this process's share, and wait for that of the others."""
    world = processes.world_size()
    writer = _writer(config, data, run, device)
    if world > 1:
        processes.say_prepared(run)
    mine = sum(len(shard) for shard in shards[::world])
    left = sum(len(shards[number]) for number in missing(run.path, shards) if number % world == 0)
    started = time.perf_counter()
    with run.progress("caption" if world == 1 else f"caption, process 0 of {world}", mine) as bar:
        bar.move_to(mine - left)
        written = write_missing(run.path, shards, writer.write, world_size=world, advance=bar.advance)
    seconds = time.perf_counter() - started
    if written:
        run.record(captioning_seconds=round(seconds, 1), items_a_second=round(written / seconds, 2), processes=world)
    if world > 1:
        say(f"caption: waiting until all {world} processes have finished")
        processes.wait_for(run, lambda: not missing(run.path, shards) and processes.all_finished(run, range(1, world)))


def _check_answered(config: CaptionStageConfig, run: Run, shards: list[range]) -> None:
    """Raise UnfinishedError where an endpoint failed on every item, fewer than `most_failures` in a row."""
    checked = captioner_of(config.captioner).asks_server and config.captioner.most_failures
    reason = nothing_captioned(run.path, shards) if checked else None
    if reason is not None:
        raise UnfinishedError(
            f"captioner={config.captioner.kind} captioned none of {sum(map(len, shards))} items, the last failed with: "
            f"{reason}; see to the server, then recbench caption --resume latest asks again"
        )


def _writer(config: CaptionStageConfig, data: RecommendationData, run: Run, device: torch.device) -> CaptionWriter:
    captioner = make_captioner(config.captioner, data, run, config.seed, device)
    fallback = make_fallback(config.captioner, data, list(config.data.fields), config.seed, device)
    return CaptionWriter(data, config.captioner, captioner, fallback, partial(autocast, device, config.precision))


def _device(config: CaptionStageConfig) -> torch.device:
    """The configured device; under a launcher, auto takes the GPU of this process's number on its machine."""
    device = choose_device(config.device)
    if config.device == "auto" and device.type == "cuda" and processes.world_size() > 1:
        return torch.device("cuda", processes.local_rank() % torch.cuda.device_count())
    return device


def _parts(config: CaptionStageConfig, data: RecommendationData) -> dict[str, np.ndarray]:
    """Items that a captioner trained here has seen the references of, and the others; none where that is unknown."""
    captioner = config.captioner
    if not captioner_of(captioner).learns or captioner.path:
        return {}
    folds = number_of_folds(captioner.folds, data)
    if captioner.cross_fit and folds > 1:  # each item is captioned by one that has not seen it
        return {}
    fold = fold_of_items(data, folds, config.seed, config.data.family)
    known = np.array([caption is not None for caption in reference_captions(data)], dtype=bool)
    seen = known & ((fold != 0) | (folds == 1))
    return {"seen": seen, "unseen": ~seen}


def _most_common(reasons: Counter[str]) -> dict[str, int]:
    """The most frequent reasons with their counts, and the sum of the others."""
    common = dict(reasons.most_common(MOST_REASONS))
    others = sum(reasons.values()) - sum(common.values())
    return common | ({"other reasons": others} if others else {})


def _tell_skipped(run: Run, rows: list[CaptionRow], skipped: list[dict[str, Any]]) -> None:
    without = sum(row.origin == SKIPPED for row in rows)
    instead = len(skipped) - without
    reasons = ", ".join(f"{reason} ({count})" for reason, count in Counter(e["reason"] for e in skipped).most_common(3))
    by = next((row.captioner for row in rows if row.origin == FALLBACK), "")
    parts = ([f"{instead} captioned by the fallback {by}"] if instead else []) + (
        [f"{without} skipped"] if without else []
    )
    run.note(f"of {len(rows)} items, {' and '.join(parts)}: {reasons}; {run.path / 'skipped.json'} lists them")


def _draw_sheet(
    config: CaptionStageConfig,
    run: Run,
    data: RecommendationData,
    rows: list[CaptionRow],
    parts: dict[str, np.ndarray],
) -> None:
    """A random sample of pictures with the captioner's captions, of items whose references it has not seen."""
    unseen = parts.get("unseen", np.ones(len(rows), dtype=bool))
    order = np.random.default_rng([config.seed, SHEET_ORDER]).permutation(len(rows))
    tiles: list[Tile] = []
    for row in map(int, order):
        caption = rows[row].caption
        if rows[row].origin != MODEL or caption is None or not unseen[row]:
            continue
        pictures, _ = read_pictures(data.all_images(row), config.captioner)
        if not pictures:
            continue  # captions from a file, say, need none
        known = "caption" in data.catalogue.column_names
        tiles.append(Tile(pictures[0], caption, data.catalogue[row]["caption"] if known else None))
        if len(tiles) == config.sheet_items:
            break
    if tiles:
        with atomic_path(run.path / SHEET) as partial_path:
            draw_contact_sheet(partial_path, tiles)


@contextmanager
def _data_at_hand(config: CaptionStageConfig) -> Iterator[RecommendationData]:
    """The data of `input`, or of the newest data run that fits; else built in a folder that does not stay."""
    name = str(config.data.name)
    if config.input:
        yield load_data(require_finished(resolve_run(config.runs, config.input, "data", data=name)).path)
        return
    wanted = OmegaConf.to_container(config.data, resolve=True)  # type: ignore[arg-type]
    found = newest(
        config.runs, "data", lambda other: OmegaConf.to_container(other.config.data, resolve=True) == wanted, data=name
    )
    if found is not None:
        yield load_data(found.path)
        return
    with TemporaryDirectory(prefix="recbench-") as folder:
        build(config.data, Path(folder))
        yield load_data(Path(folder))
