"""Pictures and texts that a catalogue of others may have, each with what recbench should make of it."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SCALED = "scaled"  # expected: captioned, and the endpoint gets more than 50 levels of grey
READ = "read"  # expected: captioned
RAMP = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(64, 0)
PASSPORT = "passport.png"  # lies beside the data folder


def texts() -> list[str]:
    """Item ids, titles and captions that steer terminals, load pictures or run scripts."""
    return [
        "![x](http://127.0.0.1:9/a.png)",
        "![x][y] [y]: http://127.0.0.1:9/a.png",
        "[x]: http://127.0.0.1:9/a.png",
        "[click](http://127.0.0.1:9/)",
        "[click](javascript:alert(1))",
        "<http://127.0.0.1:9/>",
        "<img src=http://127.0.0.1:9/a.png onerror=alert(1)>",
        "<script>fetch('http://127.0.0.1:9')</script>",
        "<style>@import 'http://127.0.0.1:9/a.css';</style>",
        "<svg/onload=alert(1)>",
        "</td></table><iframe src=//127.0.0.1:9>",
        "<!-- <b> -->",
        "| a | b |\\",
        "`` ` ![x](http://127.0.0.1:9/a.png) ```",
        "\\`![x](http://127.0.0.1:9/a.png)\\",
        "**a** __b__ ~~c~~ $x$ :apple:",
        "[red]r[/red] [/] [link=http://127.0.0.1:9]l[/link]",
        "\\input{/etc/passwd} ^^41 \\write18{id}",
        "a\x1b[31mred\x1b[2J",
        "a\x1b]0;title\x07",
        "a\x9b31m\x85b",
        "a\u202etxt.exe\u2066b",
        "a\u200b\ufeff\u2028b",
        "x" * 100_000,
        '=HYPERLINK("http://127.0.0.1:9")',
        "../../../../etc/passwd",
    ]


def pictures(folder: Path) -> dict[str, tuple[str, str]]:
    """Write pictures into `folder`; name -> (what the image column says, and READ, SCALED or a reason as expected)."""
    cases: dict[str, tuple[str, str]] = {}
    for name, (write, expected) in FILES.items():
        file = name.replace(" ", "_").replace(",", "") + ".png"
        write(folder / file)
        cases[name] = (file, expected)
    Image.new("RGB", (40, 40), "red").save(folder.parent / PASSPORT)
    (folder / "out.png").symlink_to(folder.parent / PASSPORT)
    (folder / "up").symlink_to(folder.parent)
    (folder / "round.png").symlink_to("round.png")
    return cases | {name: (path.replace("{folder}", str(folder)), expected) for name, (path, expected) in PATHS.items()}


OUTSIDE, ADDRESS = "lies outside the image folder", "is an address, not a file"
UNUSABLE, MISSING = "none that a file can have", "is missing"
PATHS = {
    "two folders up": (f"../{PASSPORT}", OUTSIDE),
    "down and up": (f"x/../../{PASSPORT}", OUTSIDE),
    "an absolute path": ("/etc/passwd", OUTSIDE),
    "a link that leaves": ("out.png", OUTSIDE),
    "a folder's link that leaves": (f"up/{PASSPORT}", OUTSIDE),
    "a link to itself": ("round.png", UNUSABLE),
    "/dev/zero": ("/dev/zero", OUTSIDE),
    "an http address": ("http://127.0.0.1:9/a.png", ADDRESS),
    "a file address": ("file:///etc/passwd", ADDRESS),
    "a data address": ("data:image/png;base64," + "A" * 20_000, ADDRESS),
    "a very long name": ("n" * 5000 + ".png", UNUSABLE),
    "a very deep path": ("n/" * 5000 + "a.png", UNUSABLE),
    "the folder itself": (".", MISSING),
    "an absolute path inside": ("{folder}/plain.png", READ),
}


def _array(levels: np.ndarray, kind: str = "TIFF") -> Callable[[Path], None]:
    return lambda path: Image.fromarray(levels).save(path, kind)


def _saved(image: Image.Image, kind: str = "PNG", **keywords: object) -> Callable[[Path], None]:
    return lambda path: image.save(path, kind, **keywords)


def _bytes(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def _png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG of grey pixels whose header says what it likes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def _half(path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:400])


def _palette() -> Image.Image:
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    return image


NAN = np.where(RAMP > 0.5, np.nan, RAMP).astype(np.float32)
TURNED = Image.Exif()
TURNED[0x0112] = 6
FRAMES = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "plain": (_saved(Image.new("RGB", (40, 40), "red")), READ),
    "float, fractions": (_array(RAMP), SCALED),
    "float, heights": (_array(RAMP * 4000 - 500), SCALED),
    "float, not numbers": (_array(NAN), "pixels that are no numbers"),
    "32 bits": (_array((RAMP * 65535).astype(np.int32)), SCALED),
    "12 bits of 16": (_array((RAMP * 4095).astype(np.uint16)), SCALED),
    "16 bits": (_array((RAMP * 65535).astype(np.uint16), "PNG"), SCALED),
    "CMYK": (_saved(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG"), READ),
    "palette with transparency": (_saved(_palette(), transparency=1), READ),
    "animated": (_saved(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), READ),
    "turned by EXIF": (_saved(Image.new("RGB", (40, 20)), "JPEG", exif=TURNED), READ),
    "broken EXIF": (_saved(Image.new("RGB", (40, 20)), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), READ),
    "XMP that is no UTF-8": (_saved(Image.new("RGB", (40, 20)), "WEBP", xmp=b"tiff:Orientation=\xa8"), READ),
    "bomb of 400 megapixels": (_saved(Image.new("1", (20_000, 20_000))), "more than 50000000 pixels"),
    "header of 4 gigapixels": (_bytes(_png(65_535, 65_535)), "more than 50000000 pixels"),
    "no side": (_bytes(_png(0, 10)), "is no picture"),
    "pixels that are not there": (_bytes(_png(100, 100, b"\0" * 50)), "truncated"),
    "truncated": (_half, "truncated"),
    "a web page": (_bytes(b"<html>404</html>"), "is no picture"),
    "an SVG that loads": (_bytes(b'<svg><image href="file:///etc/passwd"/></svg>'), "is no picture"),
    "PostScript": (_bytes(b"%!PS-Adobe-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"), "is no picture"),
    "empty": (_bytes(b""), "is empty"),
    "a pipe": (lambda path: os.mkfifo(path), "is no regular file"),
    "a folder": (lambda path: path.mkdir(), MISSING),
    "a strip": (_saved(Image.new("RGB", (3000, 2))), "times as long as wide"),
}
