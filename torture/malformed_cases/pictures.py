"""Pictures: each broken one is an item of a catalogue; the run goes on, and the item is listed as skipped."""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from torture.malformed_cases.case import FOLDER, HTML, LOOP, MISSING, Case, Content, generator

LOG = "user,item\n" + "".join(f"u{user},i{(user + step) % 4}\n" for user in range(6) for step in range(4))


def picture(form: str, size: tuple[int, int] = (32, 24), mode: str = "RGB") -> bytes:
    """A plain picture."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new(mode, size).save(stream, form)
    return stream.getvalue()


def png(width: int, height: int, content: bytes) -> bytes:
    """A PNG whose header says what it likes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def broken() -> Iterator[tuple[str, str, Content]]:
    """Name, file name and bytes of every picture that cannot be used."""
    for form in ("png", "jpeg", "gif", "webp", "bmp", "tiff"):
        whole = picture(form)
        yield f"{form} cut", f"x.{form}", whole[: len(whole) // 2]
        yield f"{form} of its first bytes", f"x.{form}", whole[:16]
        changed = bytearray(whole)
        draw = generator("pictures")
        for _ in range(8):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        yield f"{form} garbled", f"x.{form}", bytes(changed)
    yield "png of a thousand megapixels", "x.png", png(40_000, 40_000, zlib.compress(b"\0" * 1000))
    yield "png of no pixels", "x.png", png(0, 0, b"")
    yield "png beyond 31 bits", "x.png", png(2**31 - 1, 2**31 - 1, b"")
    yield "png of a bomb", "x.png", png(16, 16, zlib.compress(b"\0" * (64 << 20)))
    yield "png of garbage", "x.png", png(16, 16, b"garbage")
    yield "a page", "x.png", HTML
    yield "empty", "x.png", b""
    yield "missing", "x.png", MISSING
    yield "a folder", "x.png", FOLDER
    yield "a link to itself", "x.png", LOOP
    yield "an svg", "x.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    yield "an eps", "x.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    yield "a name of 5,000 characters", "x" * 5000 + ".png", MISSING
    yield "a name outside", "../outside.png", MISSING
    yield "an absolute name", "/etc/hostname", MISSING
    yield "an address", "https://m.example/x.png", MISSING
    yield "a data address", "data:image/png;base64," + "A" * 3000, MISSING
    yield "a device", "/dev/zero", MISSING


def cases() -> Iterator[Case]:
    """A data run for each."""
    for name, file, content in broken():
        good = "good.png,a red square"
        items = f"item,title,image,caption\ni0,A,{good}\ni1,B,{json.dumps(file)},\ni2,C,,\ni3,D,{good}\n"
        files: dict[str, Content] = {"log.csv": LOG.encode(), "items.csv": items.encode(), "good.png": picture("png")}
        if content != MISSING:
            files[file] = content
        yield Case(
            f"picture: {name}",
            (
                "caption",
                "data=table",
                "data.path=log.csv",
                "data.options.items_file=items.csv",
                "+data.options.item_columns.image=image",
                "+data.options.item_columns.caption=caption",
                "captioner=llava_small",
                "captioner.language_layers=1",
                "captioner.vision_layers=1",
                "captioner.width=16",
                "captioner.heads=2",
                "captioner.least_steps=1",
                "captioner.epochs=0",
                "threads=1",
            ),
            files,
            "either",
            check=_skipped,
        )


def _skipped(folder: Path) -> str | None:
    found = list(folder.glob("runs/caption/*/*/skipped.json"))
    return None if found else "no list of skipped items"
