import json

import pytest

from recbench.captioning.shards import cut, merge, missing, shard_file, write_missing
from recbench.captioning.table import CaptionRow, read_captions, read_rows, write_rows
from recbench.errors import UserError

ITEMS = [f"i{row}" for row in range(10)]


def write(rows):
    """Item 3 is skipped, item 7 captioned by the fallback."""
    made = []
    for row in rows:
        caption, origin, reason = f"caption {row}", "model", None
        if row == 3:
            caption, origin, reason = None, "skipped", "no image"
        if row == 7:
            origin, reason = "fallback", "no image"
        made.append(CaptionRow(ITEMS[row], caption, "test", "abc", row, 0.5, origin, reason))
    return made


def test_cut():
    assert cut(10, 4) == [range(0, 4), range(4, 8), range(8, 10)]
    assert cut(8, 4) == [range(0, 4), range(4, 8)]
    assert cut(0, 4) == []


def test_all_shards_become_one_table(tmp_path):
    shards = cut(10, 4)
    assert write_missing(tmp_path, shards, write) == 10
    merge(tmp_path, shards, ITEMS)
    rows = read_rows(tmp_path / "captions.parquet")
    assert [row.item for row in rows] == ITEMS
    assert rows[3].caption is None and rows[7].origin == "fallback"
    assert [row.tokens for row in rows] == list(range(10))
    assert all(row.reason is None for row in rows)  # they are in skipped.json
    assert read_captions(tmp_path)[2:4] == ["caption 2", None]
    assert json.loads((tmp_path / "skipped.json").read_text()) == [
        {"item": "i3", "reason": "no image", "captioned_by": None},
        {"item": "i7", "reason": "no image", "captioned_by": "test"},
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["captions.parquet", "skipped.json"]
    before = (tmp_path / "captions.parquet").read_bytes()
    assert missing(tmp_path, shards) == []
    merge(tmp_path, shards, ITEMS)
    assert (tmp_path / "captions.parquet").read_bytes() == before


def test_only_what_is_missing_is_written(tmp_path):
    shards = cut(10, 4)
    write_missing(tmp_path, shards[:1], write)
    asked = []
    assert missing(tmp_path, shards) == [1, 2]
    assert write_missing(tmp_path, shards, lambda rows: asked.extend(rows) or write(rows)) == 6
    assert asked == [4, 5, 6, 7, 8, 9]


def test_a_shard_that_fails_leaves_nothing(tmp_path):
    def breaking(rows):
        if 5 in rows:
            raise RuntimeError("out of memory")
        return write(rows)

    with pytest.raises(RuntimeError):
        write_missing(tmp_path, cut(10, 4), breaking)
    assert [path.name for path in (tmp_path / "shards").iterdir()] == ["captions-00000.parquet"]


@pytest.mark.parametrize("world_size", [2, 3, 5])
def test_processes_share_the_shards_whenever_they_look(world_size, tmp_path):
    shards = cut(10, 2)
    asked = []
    write_missing(tmp_path, shards[:1], write)  # what an interrupted run with another number of processes has left
    for rank in reversed(range(world_size)):
        write_missing(
            tmp_path, shards, lambda rows: asked.extend(rows) or write(rows), rank=rank, world_size=world_size
        )
    assert sorted(asked) == list(range(2, 10))
    merge(tmp_path, shards, ITEMS)
    assert [row.item for row in read_rows(tmp_path / "captions.parquet")] == ITEMS


def test_shards_of_other_items_are_not_merged(tmp_path):
    shards = cut(10, 4)
    write_missing(tmp_path, shards, write)
    write_rows(shard_file(tmp_path, 1), write([4, 5, 6, 6]), reasons=True)
    with pytest.raises(RuntimeError, match="not of the items"):
        merge(tmp_path, shards, ITEMS)
    assert not (tmp_path / "captions.parquet").exists()


def test_a_folder_without_captions(tmp_path):
    with pytest.raises(UserError, match=r"holds no captions\.parquet"):
        read_captions(tmp_path)
