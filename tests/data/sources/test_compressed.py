"""Packed files through the real command line: what is gzip is read whatever its name, all else is told in a line."""

import bz2
import gzip
import lzma

import pytest

ROWS = b"user,item\n" + b"".join(b"u%d,i%d\n" % (user, (user + step) % 5) for user in range(4) for step in range(3))


def data(workspace, path, *arguments):
    return workspace.stage("data", "data=table", "data.name=shop", f"data.path={path}", *arguments)


def members(*contents: bytes) -> bytes:
    """A gzip file of several members, as `cat a.gz b.gz` makes it."""
    return b"".join(gzip.compress(content, mtime=0) for content in contents)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("clicks.csv.gz", members(ROWS)),
        ("clicks.csv.gz", members(ROWS[:30], ROWS[30:])),
        ("clicks.csv.gz", ROWS),  # a browser has unpacked it and kept the name
        ("clicks.csv", members(ROWS)),
        ("clicks.csv", b"\xef\xbb\xbf" + ROWS.replace(b"\n", b"\r\n")),
    ],
    ids=["gzip", "members", "unpacked", "named csv", "mark and CRLF"],
)
def test_what_is_gzip_is_read_by_its_content(name, content, tmp_path, fresh_workspace) -> None:
    (tmp_path / name).write_bytes(content)
    result = data(fresh_workspace, tmp_path / name, "--json")
    assert result.code == 0, result.err
    assert '"interactions": 12' in result.out and '"users": 4' in result.out


WHOLE = gzip.compress(ROWS * 50, mtime=0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (WHOLE[:-20], "is damaged: it breaks off after"),
        (WHOLE[:-8] + b"\0\0\0\0" + WHOLE[-4:], "CRC check failed"),
        (WHOLE[:40] + b"\xff" * 20 + WHOLE[60:], "is damaged"),
        (WHOLE[:8], "is damaged: it breaks off after 0"),
        (b"\x00\x01" + WHOLE[2:], "is neither gzip, as its name says, nor text"),
        (bz2.compress(ROWS), "is packed with bzip2, expected plain text or gzip; unpack it first (bunzip2)"),
        (lzma.compress(ROWS), "is packed with xz"),
        (b"\x28\xb5\x2f\xfd" + ROWS, "is packed with zstd"),
        (b"PK\x03\x04" + ROWS, "is packed with zip"),
        (ROWS.decode().encode("utf-16"), "is UTF-16 text, expected UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", "is a pointer of Git LFS"),
    ],
    ids=["cut", "checksum", "garbled", "header only", "no gzip", "bzip2", "xz", "zstd", "zip", "UTF-16", "pointer"],
)
def test_damage_and_other_packings_are_told(content, words, tmp_path, fresh_workspace, refuse) -> None:
    (tmp_path / "clicks.csv.gz").write_bytes(content)
    refuse(data(fresh_workspace, tmp_path / "clicks.csv.gz"), words)
    assert not fresh_workspace.root.exists()


def test_a_bomb_is_told_before_it_fills_the_memory(tmp_path, fresh_workspace, refuse) -> None:
    zeros = gzip.compress(b"0" * (1 << 20), mtime=0)  # a megabyte in a kilobyte, again and again on one line
    (tmp_path / "clicks.csv.gz").write_bytes(members(ROWS) + zeros * 2048)
    refuse(data(fresh_workspace, tmp_path / "clicks.csv.gz"), "unpacks to more than 200 times its size, as bombs do")


def test_the_limit_is_an_option(tmp_path, fresh_workspace, refuse) -> None:
    blank = gzip.compress(b"\n" * (1 << 20), mtime=0) * 65  # 65 MiB of blank lines, a thousandth of that on disk
    (tmp_path / "clicks.csv.gz").write_bytes(members(ROWS) + blank)
    refuse(data(fresh_workspace, tmp_path / "clicks.csv.gz"), "raise data.options.most_expansion")
    result = data(fresh_workspace, tmp_path / "clicks.csv.gz", "data.options.most_expansion=2000", "--json")
    assert '"interactions": 12' in result.out, result.err
    refuse(data(fresh_workspace, tmp_path / "clicks.csv.gz", "data.options.most_expansion=nan"), "most_expansion")
