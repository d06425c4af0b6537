"""Who captions which item: the captioner, the fallback where that cannot, or nobody."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from recbench.captioning.interface import Caption, Captioner, Item, NoCaption
from recbench.captioning.items import read_items
from recbench.captioning.prompts import prompt_hash
from recbench.captioning.table import FALLBACK, MODEL, SKIPPED, CaptionRow
from recbench.data.dataset import RecommendationData
from recbench.schema import CaptionerConfig

PROMPTED = ("llava", "endpoint", "text")  # kinds of captioners that read the prompt


@dataclass(frozen=True)
class CaptionWriter:
    """Captions rows of a catalogue: equal rows, equal captions, whenever and in whichever process it is asked."""

    data: RecommendationData
    config: CaptionerConfig
    captioner: Captioner
    fallback: Captioner | None  # None: items that the captioner cannot caption are skipped
    context: Callable[[], AbstractContextManager[object]] = nullcontext  # around every batch: mixed precision

    def write(self, rows: Sequence[int]) -> list[CaptionRow]:
        """One entry for each row of the catalogue, in their order."""
        size = self.config.batch_size
        return [entry for start in range(0, len(rows), size) for entry in self._batch(rows[start : start + size])]

    def _batch(self, rows: Sequence[int]) -> list[CaptionRow]:
        started = time.perf_counter()
        read = read_items(self.data, rows, self.config, images=self.captioner.reads_images)
        reasons = {item.row: reason for item, reason in read if reason is not None}
        readable = [item for item, _ in read if item.row not in reasons]
        template = self.config.prompt if self.config.kind in PROMPTED else None
        entries = self._ask(self.captioner, readable, MODEL, template)
        for item in readable:
            answer = entries[item.row]
            if isinstance(answer, NoCaption):
                reasons[item.row] = answer.reason
        lacking = [replace(item, image=None) for item, _ in read if item.row in reasons]
        if self.fallback is not None:
            template = self.config.fallback_prompt if self.config.fallback == "text" else None
            entries |= self._ask(self.fallback, lacking, FALLBACK, template)
        seconds = (time.perf_counter() - started) / len(rows)
        result = []
        for item, _ in read:
            entry, reason = entries.get(item.row), reasons.get(item.row)
            if isinstance(entry, CaptionRow):
                result.append(replace(entry, seconds=seconds, reason=reason))
            else:
                if self.fallback is not None and isinstance(entry, NoCaption):
                    reason = f"{reason}; the fallback: {entry.reason}"
                result.append(CaptionRow(item.id, None, self.captioner.name, "", 0, seconds, SKIPPED, reason))
        return result

    def _ask(
        self, captioner: Captioner, items: Sequence[Item], origin: str, template: str | None
    ) -> dict[int, CaptionRow | NoCaption]:
        if not items:
            return {}
        with self.context():
            answers = captioner.caption(items)
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
                entries[item.row] = CaptionRow(item.id, text, captioner.name, hashed, answer.tokens, 0.0, origin, None)
        return entries


def one_line(text: str) -> str:
    """The text with single spaces between words, and with nothing that UTF-8 cannot hold."""
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
