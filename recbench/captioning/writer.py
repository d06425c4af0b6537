"""Who captions which item: the captioner, the fallback where that cannot, or nobody."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from recbench.captioning.interface import Caption, Captioner, CaptionerStoppedError, Item, NoCaption
from recbench.captioning.items import read_items
from recbench.captioning.kinds import captioner_of
from recbench.captioning.prompts import prompt_hash
from recbench.captioning.table import FALLBACK, MODEL, SKIPPED, CaptionRow
from recbench.data.dataset import RecommendationData
from recbench.errors import UnfinishedError
from recbench.schema import CaptionerConfig

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")  # NUL ends texts elsewhere, ESC steers terminals; no word has one


class WriterStoppedError(UnfinishedError):
    """The captioner stopped within these rows: `rows` has an entry for some of them, from the first on."""

    def __init__(self, message: str, rows: Sequence[CaptionRow]) -> None:
        super().__init__(message)
        self.rows = list(rows)


@dataclass(frozen=True)
class CaptionWriter:
    """Captions rows of a catalogue: equal rows, equal captions, whenever and in whichever process it is asked."""

    data: RecommendationData
    config: CaptionerConfig
    captioner: Captioner
    fallback: Captioner | None  # None: items that the captioner cannot caption are skipped
    context: Callable[[], AbstractContextManager[object]] = nullcontext  # around every batch: mixed precision

    def write(self, rows: Sequence[int]) -> list[CaptionRow]:
        """One entry for each row of the catalogue, in their order.

        Raises:
            WriterStoppedError: the captioner cannot go on; it has the entries that there are.
        """
        size = self.config.batch_size
        written: list[CaptionRow] = []
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            try:
                written += self._batch(batch)
            except WriterStoppedError as stopped:
                rows_so_far = [again(row) for row in written + stopped.rows]  # what it failed of before may be the same
                raise WriterStoppedError(str(stopped), rows_so_far) from stopped.__cause__
        return written

    def _batch(self, rows: Sequence[int]) -> list[CaptionRow]:
        started = time.perf_counter()
        read = read_items(self.data, rows, self.config, images=self.captioner.reads_images)
        reasons = {item.row: reason for item, reason in read if reason is not None}
        readable = [item for item, _ in read if item.row not in reasons]
        template = self.config.prompt if "prompt" in captioner_of(self.config).reads else None
        asked = {item.row for item in readable}
        stopped: CaptionerStoppedError | None = None
        try:
            entries = self._ask(self.captioner, readable, MODEL, template)
        except CaptionerStoppedError as problem:
            stopped = problem
            entries = self._entries(self.captioner, readable, problem.answers, MODEL, template)
        failed = set()  # through no fault of theirs
        for item in readable:
            answer = entries[item.row]
            if isinstance(answer, NoCaption):
                reasons[item.row] = answer.reason
                failed |= {item.row} if answer.again else set()
        lacking = [replace(item, image=None, others=()) for item, _ in read if item.row in reasons]
        if self.fallback is not None and stopped is None:
            template = self.config.fallback_prompt if self.config.fallback == "text" else None
            entries |= self._ask(self.fallback, lacking, FALLBACK, template)
        seconds = (time.perf_counter() - started) / len(rows)
        result = []
        for item, _ in read:
            entry, reason = entries.get(item.row), reasons.get(item.row)
            if isinstance(entry, CaptionRow):
                row = replace(entry, seconds=seconds, reason=reason)
            else:
                if self.fallback is not None and isinstance(entry, NoCaption):
                    reason = f"{reason}; the fallback: {entry.reason}"
                row = CaptionRow(item.id, None, self.captioner.name, "", 0, seconds, SKIPPED, reason)
            unread = item.unread if row.origin == MODEL else 0
            result.append(replace(row, asked=item.row in asked, again=item.row in failed, unread=unread))
        if stopped is not None:
            raise WriterStoppedError(str(stopped), result) from stopped
        return result

    def _ask(
        self, captioner: Captioner, items: Sequence[Item], origin: str, template: str | None
    ) -> dict[int, CaptionRow | NoCaption]:
        if not items:
            return {}
        with self.context():
            answers = captioner.caption(items)
        return self._entries(captioner, items, answers, origin, template)

    def _entries(
        self,
        captioner: Captioner,
        items: Sequence[Item],
        answers: Sequence[Caption | NoCaption],
        origin: str,
        template: str | None,
    ) -> dict[int, CaptionRow | NoCaption]:
        if len(answers) != len(items):
            raise RuntimeError(f"captioner {captioner.name} gave {len(answers)} answers to {len(items)} items")
        hashed = prompt_hash(template) if template is not None else ""
        entries: dict[int, CaptionRow | NoCaption] = {}
        for item, answer in zip(items, answers, strict=True):
            text = one_line(answer.text) if isinstance(answer, Caption) else ""
            if isinstance(answer, NoCaption):
                entries[item.row] = answer
            elif not text:
                entries[item.row] = NoCaption("the captioner wrote nothing")
            else:
                row = CaptionRow(item.id, text, captioner.name, hashed, answer.tokens, 0.0, origin, None, answer.cut)
                entries[item.row] = row
        return entries


def again(row: CaptionRow) -> CaptionRow:
    """The entry of an item that a resumed run asks for again, unless the captioner has captioned it."""
    return row if row.origin == MODEL else replace(row, again=True)


def one_line(text: str) -> str:
    """The text with single spaces between words, without control characters and what UTF-8 cannot hold."""
    return " ".join(CONTROLS.sub(" ", text.encode("utf-8", "replace").decode("utf-8")).split())
