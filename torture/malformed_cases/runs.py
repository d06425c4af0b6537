"""Run folders with one file damaged, used by every command that reads it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from torture.malformed_cases.bases import MARKET, SHOP
from torture.malformed_cases.case import HTML, Case

TEXT_FAULTS: dict[str, bytes | None] = {
    "gone": None,
    "empty": b"",
    "a page": HTML,
    "zeros": b"\0" * 512,
    "an array": b"[]",
    "null": b"null",
    "a number": b"5",
    "a text": b'"done"',
    "an empty object": b"{}",
    "nested deeply": b"[" * 100_000,
    "1e999": b'{"status": 1e999, "name": 1e999}',
    "not UTF-8": b"\xff\xfe{}",
    "cut": b'{"status": "do',
    "an anchor bomb": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(8)),
    "a tag that runs": b"!!python/object/apply:os.system ['touch owned']\n",
}
ALONE = ("--no-upstream",)  # else a run that is not there is made, for minutes
OF_YAML = ("an anchor bomb", "a tag that runs", "a page", "zeros", "a number", "a text", "1e999")
# What each file is for: the stage whose newest run it is damaged in, and the commands that read it then.
READERS: dict[str, tuple[str, str, tuple[tuple[str, ...], ...]]] = {
    "manifest.json": (
        "trained",
        "train",
        (("eval", *MARKET, *ALONE), ("runs",), ("report",), ("compare", "latest")),
    ),
    "config.yaml": ("trained", "train", (("eval", *MARKET, *ALONE, "input=latest"), ("runs",))),
    "metrics.json": ("trained", "eval", (("compare", "latest"), ("runs",))),
    "overrides.yaml": ("trained", "train", (("runs",),)),
    "policy/policy.json": ("trained", "train", (("eval", *MARKET, *ALONE, "input=latest"),)),
    "policy/item_tokens.safetensors": ("trained", "train", (("eval", *MARKET, *ALONE, "input=latest"),)),
    "policy/model.safetensors": ("trained", "train", (("eval", *MARKET, *ALONE, "input=latest"),)),
    "description.json": ("trained", "data", (("eval", *MARKET, *ALONE, "input=latest"),)),
    "catalogue.parquet": ("trained", "data", (("eval", *MARKET, *ALONE, "input=latest"),)),
    "interactions.parquet": ("trained", "data", (("eval", *MARKET, *ALONE, "input=latest"),)),
    "columns.json": ("captioned", "tokenize", (("ctr", *SHOP, "ctr.epochs=1", *ALONE, "input=latest"),)),
    "features.parquet": ("captioned", "tokenize", (("ctr", *SHOP, "ctr.epochs=1", *ALONE, "input=latest"),)),
    "captions.parquet": ("captioned", "caption", (("tokenize", *SHOP, *ALONE, "input=latest"),)),
    "semantic_ids.json": (
        "captioned",
        "tokenize",
        (
            (
                "train",
                "--algo=sft",
                *SHOP[:5],
                "item_tokens=semantic_ids",
                "item_tokens.source=latest",
                "algo.epochs=0.1",
            ),
        ),
    ),
}


def cases() -> Iterator[Case]:
    """Every case of a damaged run; a run that cannot be read may be left out where others do, so most may go on."""
    for name, (base, stage, commands) in READERS.items():
        faults = dict(TEXT_FAULTS)
        if name.endswith(".json"):
            faults = {fault: faults[fault] for fault in faults if fault not in OF_YAML}
        if name.endswith((".parquet", ".safetensors")):
            faults = {fault: faults[fault] for fault in ("gone", "empty", "a page", "zeros")}
            faults |= dict(_binary(name))
        for fault, content in faults.items():
            for command in commands:
                yield Case(
                    f"run of {stage}, {name} {fault}: {command[0]}",
                    command,
                    base=base,
                    expect="either",
                    prepare=_damage(stage, name, content),
                    check=_nothing_owned,
                )
    for status in ("running", "unknown", "", 5, None, ["done"]):
        yield Case(
            f"run of train, status {status!r}: eval",
            ("eval", *MARKET, *ALONE, "input=latest"),
            base="trained",
            prepare=_status(status),
        )


def _binary(name: str) -> Iterator[tuple[str, bytes | None]]:
    if name.endswith(".parquet"):
        yield "only its marks", b"PAR1PAR1"
    else:
        yield "a header that lies", (1 << 40).to_bytes(8, "little") + b"{}"
        header = b'{"codes":{"dtype":"I64","shape":[1000000000,1000],"data_offsets":[0,8]}}'
        yield "a shape that lies", len(header).to_bytes(8, "little") + header + b"\0" * 8
        header = b'{"codes":{"dtype":"I64","shape":[2,2],"data_offsets":[0,32]}}'
        yield "another shape", len(header).to_bytes(8, "little") + header + b"\xff" * 32
    yield "cut", b""  # replaced by half of what is there, see _damage


def _damage(stage: str, name: str, content: bytes | None) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (path,) = sorted(folder.glob(f"runs/{stage}/*/*/{name}"))[-1:]
        whole = path.read_bytes()
        for copy in path.parent.glob(".arrow"):
            __import__("shutil").rmtree(copy)
        path.unlink()
        if content is not None:
            path.write_bytes(
                whole[: len(whole) // 2] if content == b"" and name.endswith((".parquet", ".safetensors")) else content
            )

    return damage


def _status(status: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (path,) = sorted(folder.glob("runs/train/*/*/manifest.json"))[-1:]
        manifest = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(manifest | {"status": status}), encoding="utf-8")

    return change


def _nothing_owned(folder: Path) -> str | None:
    return "a command in a file was run" if list(folder.rglob("owned")) else None
