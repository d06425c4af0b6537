"""What a source of data is: built-in ones are modules beside this one, others are named by `data=MODULE.CLASS`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

import pyarrow as pa

from recbench.data.sources.raw import RawData
from recbench.errors import UserError
from recbench.extensions import implementation
from recbench.schema import DataConfig, is_outside


class Source(Protocol):
    """Reads items, and interactions or impressions of them; its own settings are `config.options`."""

    def read(self, config: DataConfig) -> RawData:
        """The data as they are: filters, order and splits come after."""
        ...


def reader_of(config: DataConfig) -> Callable[[DataConfig], RawData]:
    """The function that reads what `data.source` names."""
    if not is_outside(config):
        read: Callable[[DataConfig], RawData] = import_module(f"recbench.data.sources.{config.source}").read
        return read
    source: Source = implementation("data", config)()

    def read_checked(config: DataConfig) -> RawData:
        raw = source.read(config)
        if not isinstance(raw, RawData):
            raise UserError(f"data={config.source}: read returned a {type(raw).__name__}, expected a RawData")
        for name, table, needed in (
            ("catalogue", raw.catalogue, ("item",)),
            ("interactions", raw.interactions, ("user", "item")),
            ("impressions", raw.impressions, ("user", "item", "label")),
            ("user_fields", raw.user_fields, ("user",)),
        ):
            if table is None and name != "catalogue":
                continue
            if not isinstance(table, pa.Table):
                raise UserError(f"data={config.source}: {name} is a {type(table).__name__}, expected a pyarrow.Table")
            if missing := [column for column in needed if column not in table.column_names]:
                raise UserError(f"data={config.source}: {name} has no column {missing[0]}")
        return raw

    return read_checked
