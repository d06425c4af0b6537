"""Scalars for TensorBoard, in a file whose name says nothing of the machine (SummaryWriter's holds its host name)."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self


class Scalars:
    """Appends to `folder`/events.out.tfevents.recbench; a context manager. TensorBoard shows it like any other."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "events.out.tfevents.recbench"
        new = not path.exists()
        self._event = Event
        self._stream = path.open("ab")
        self._records = RecordWriter(self._stream)
        if new:
            self._records.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write one value a tag at a step; what is undefined there is left out."""
        event = self._event(wall_time=time.time(), step=step)
        for tag, value in values.items():
            if math.isfinite(value):
                event.summary.value.add(tag=tag, simple_value=value)
        self._records.write(event.SerializeToString())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
