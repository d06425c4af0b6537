"""Playlists, one a line: a name, a tab, and titles separated by |, in their order.

recbench data data=data_source.Playlists data.path=playlists.txt
recbench train --algo=sft data=data_source.Playlists data.path=playlists.txt data.options.most_titles=50
"""

from dataclasses import dataclass

import pyarrow as pa

from recbench.data.sources.raw import RawData, source_path
from recbench.schema import option


class Playlists:
    @dataclass
    class Settings:
        most_titles: int = option(100, "the first ones of a playlist that are read", least=2)

    def read(self, config):
        lines = source_path(config).read_text(encoding="utf-8").splitlines()
        pairs = [
            (name, title.strip())
            for name, titles in (line.split("\t") for line in lines)
            for title in titles.split("|")[: config.options.most_titles]
        ]
        users, items = pa.array([name for name, _ in pairs]), pa.array([title for _, title in pairs])
        return RawData(
            pa.table({"item": items.unique(), "title": items.unique()}), pa.table({"user": users, "item": items})
        )
