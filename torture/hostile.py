"""Servers, pictures, texts and arguments that mean harm: nothing leaks or is obeyed, every mistake is one line."""

import base64
import io
import json
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from torture.commands import Outcome, command, preload
from torture.hostile_inputs import PASSPORT, READ, SCALED, pictures, texts
from torture.hostile_servers import BEHAVIOURS, CAPTIONS, FAILURES, KEY, LEAKS, coded, quoted, start
from torture.results import Row

FOREVER = 60.0  # seconds after which a command counts as one that never ends
LONGEST_SCREEN = 20_000  # letters; more buries what matters
SECRETS = (KEY, KEY.replace("/", "\\/"), quoted(KEY), coded(KEY).rstrip("="), "hunter2", "SECRET")
FOR_PEOPLE = ("report.md", "report.html", "log.txt", "table.md")
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
QUICK = ["captioner.retries=1", "captioner.back_off=0.001", "captioner.timeout=1.5", "captioner.max_tokens=16"]
QUICK += ["captioner.concurrency=2", "captioner.most_failures=3", "sheet_items=0"]
Verdict = tuple[str, str]


class Shop(NamedTuple):
    """Where the things are that every case needs."""

    scratch: Path
    address: str  # of the servers
    data: Path  # a finished data run

    def asked(self, name: str) -> list[dict[str, Any]]:
        """The requests that a behaviour, or the thief, was sent."""
        log = self.scratch / "asked" / f"{list(BEHAVIOURS).index(name) if name in BEHAVIOURS else name}.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []

    def endpoint(self, name: str) -> list[str]:
        """The arguments that caption with a behaviour."""
        url = f"captioner.url={self.address}/{list(BEHAVIOURS).index(name)}/v1"
        return ["captioner=endpoint", url, "captioner.model=m", "captioner.key_variable=TORTURE_KEY", *QUICK]


def run(scratch: Path, seed: int) -> list[Row]:
    """All cases, as many at a time as there are processors; a row a kind. Nothing is drawn: `seed` changes nothing."""
    preload()
    os.environ["TORTURE_KEY"] = KEY
    server, address = start(scratch / "asked")
    try:
        shop = Shop(scratch, address, _catalogue(scratch))
        jobs = list(_jobs(shop))
        rows = {kind: Row(f"hostile: {kind}") for kind, *_ in jobs}
        with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
            for kind, verdicts in pool.imap_unordered(_job, jobs):
                for verdict in verdicts:
                    rows[kind].add(*verdict)
        thefts = shop.asked("thief")
        rows["a server that leads away"].add(
            "leaked" if thefts else "handled", f"the thief was asked {len(thefts)} times"
        )
        return list(rows.values())
    finally:
        server.kill()


Job = tuple[str, Callable[..., list[Verdict]], tuple[Any, ...]]


def _jobs(shop: Shop) -> Iterator[Job]:
    yield "pictures", _pictures, (shop,)
    for name in FAILURES:
        yield "a server that fails", _failing, (shop, name)
    for name in LEAKS:
        yield "a server that leads away", _leading_away, (shop, name)
    for name in CAPTIONS:
        yield "a server that answers oddly", _answering, (shop, name)
    for number, text in enumerate(texts()):
        yield "texts", _text, (shop, number, text)
    for number, arguments in enumerate(ARGUMENTS):
        yield "arguments", _arguments, (shop, number, arguments)


def _job(job: Job) -> tuple[str, list[Verdict]]:
    kind, function, arguments = job
    return kind, function(*arguments)


def _catalogue(scratch: Path) -> Path:
    """A small shop with six pictures, as a finished data run."""
    folder = scratch / "shop"
    folder.mkdir()
    names = [f"i{number}" for number in range(6)]
    for name in names:
        Image.new("RGB", (32, 32), "red").save(folder / f"{name}.png")
    given = _table(folder, [f"{name},thing {name},{name}.png" for name in names], "item,title,image", names)
    outcome = command(["data", *given], folder)
    (made,) = (folder / "runs" / "data").glob("*/2*") if outcome.code == 0 else (None,)
    if made is None:
        raise RuntimeError(f"recbench data fails without any harm done: {outcome.err}")
    return made


def _table(folder: Path, lines: list[str], header: str, items: list[str]) -> list[str]:
    """Write a catalogue and clicks on its items; the arguments that read them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "items.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    clicks = [f"u{user},{items[(user + step) % len(items)]}" for user in range(len(items)) for step in range(4)]
    (folder / "clicks.csv").write_text("\n".join(["user,item", *clicks]) + "\n", encoding="utf-8")
    given = ["data=table", "data.name=shop", f"data.path={folder / 'clicks.csv'}", "data.options.items_file=items.csv"]
    columns = [name for name in header.split(",") if name not in ("item", "title")]
    return [*given, "threads=1", *(f"+data.options.item_columns.{name}={name}" for name in columns)]


# ---- what is wrong with what a command left


def _judged(outcome: Outcome, folder: Path, code: int, words: str = "", traceback: bool = False) -> Verdict:
    """The verdict on a command that should end with a status and one line that has some words.

    `traceback` says that it was asked for one.
    """
    screen = outcome.out + outcome.err
    if outcome.code == -9:
        return "silent", "it never ends"
    if outcome.has_traceback != traceback or (code == 2 and outcome.code == 1):
        return "tracebacks", screen[-300:]
    if leaks := _leaks(screen, folder):
        return "leaked", leaks
    if len(screen) > LONGEST_SCREEN:
        return "silent", f"{len(screen)} letters on the screen"
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    if outcome.code != code or words not in screen or (code == 2 and len(errors) != 1):
        return "silent", f"status {outcome.code}, expected {code} and {words!r}: {screen[-300:]}"
    return "handled", ""


def _leaks(screen: str, folder: Path) -> str:
    """A secret in what was written, a control on the screen or in a text for people, a page that asks or runs."""
    for secret in SECRETS:
        if secret in screen:
            return f"{secret} on the screen"
    if found := UNSEEN.search(screen):
        return f"{found[0]!r} on the screen"
    for file in (folder / "runs").rglob("*"):
        if not file.is_file():
            continue
        content = file.read_bytes()
        if held := [secret for secret in SECRETS if secret.encode() in content]:
            return f"{held[0]} in {file.name}"
        if file.name in ("report.md", "report.html", "log.txt", "table.md") and (
            found := UNSEEN.search(content.decode())
        ):
            return f"{found[0]!r} in {file.name}"
        if file.name in ("report.md", "report.html") and (asks := _asks(content.decode(), file.suffix)):
            return f"{file.name} has {asks}"
    return ""


def _asks(text: str, suffix: str) -> str:
    """What a browser would fetch or run of a report."""
    from markdown_it import MarkdownIt

    page = _Page()
    page.feed(text if suffix == ".html" else MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    return ", ".join(page.found)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep what asks or runs."""
        for name, value in attributes:
            away = name in ("src", "href", "srcset", "action", "data") and re.match(r"\s*([\w-]+:|//)", value or "")
            if name.startswith("on") or (away and not (value or "").startswith("data:image/png;base64,")):
                self.found.append(f"<{tag} {name}={value}>")
        if tag in ("script", "iframe", "object", "embed", "link", "base", "form", "svg"):
            self.found.append(f"<{tag}>")


# ---- the cases


def _caption(shop: Shop, name: str, *more: str) -> tuple[Outcome, Path]:
    folder = shop.scratch / "cases" / re.sub(r"\W", "_", name)
    given = [f"input={shop.data}", *shop.endpoint(name), *more]
    return command(["caption", *given], folder, kill_after=FOREVER), folder


def _failing(shop: Shop, name: str) -> list[Verdict]:
    """Every item fails: the run is failed, and goes on where another server answers."""
    outcome, folder = _caption(shop, name)
    verdict = _judged(outcome, folder, 2, "--resume latest")
    if verdict[0] != "handled":
        return [(verdict[0], f"{name}: {verdict[1]}")]
    good = shop.endpoint("good")[1]
    again = command(["caption", "--resume", "latest", good, "--json"], folder, kill_after=FOREVER)
    verdict = _judged(again, folder, 0, '"model": 6')
    return [(verdict[0], f"{name}, resumed: {verdict[1]}")]


def _leading_away(shop: Shop, name: str) -> list[Verdict]:
    outcome, folder = _caption(shop, name)
    verdict = _judged(outcome, folder, 2, "captioner.url=" if "redirect" in name else "")
    return [(verdict[0], f"{name}: {verdict[1]}")]


def _answering(shop: Shop, name: str) -> list[Verdict]:
    """A caption, with nothing in it that does not belong there."""
    from recbench.captioning.table import read_captions

    outcome, folder = _caption(shop, name)
    verdict = _judged(outcome, folder, 0)
    if verdict[0] == "handled":
        (made,) = (folder / "runs" / "caption").glob("*/2*")
        wrong = [text for text in read_captions(made) if text is None or "bag" not in text or UNSEEN.search(text[:60])]
        wrong = [text for text in wrong if name != "ESC and NUL" or not text or re.search("[\x00-\x1f]", text)]
        verdict = ("silent", f"captions {wrong[:2]}") if wrong else verdict
    return [(verdict[0], f"{name}: {verdict[1]}")]


def _pictures(shop: Shop) -> list[Verdict]:
    """One catalogue of them all; what the endpoint was sent is read back."""
    folder = shop.scratch / "cases" / "pictures"
    (folder / "data").mkdir(parents=True)
    cases = pictures(folder / "data")
    items = [f"p{number}" for number in range(len(cases))]
    lines = [
        f'{item},{name.replace(",", ";")},"{path}"'
        for item, (name, (path, _)) in zip(items, cases.items(), strict=True)
    ]
    given = _table(folder / "data", lines, "item,title,image", items)
    outcome = command(
        ["caption", *given, *shop.endpoint("good"), "captioner.prompt='{title}'"], folder, kill_after=FOREVER
    )
    verdict = _judged(outcome, folder, 0)
    if verdict[0] != "handled":
        return [verdict]
    (made,) = (folder / "runs" / "caption").glob("*/2*")
    reasons = {entry["item"]: entry["reason"] for entry in json.loads((made / "skipped.json").read_text())}
    sent = {}
    for request in shop.asked("good"):
        content = json.loads(request["body"])["messages"][0]["content"]
        sent[content[-1]["text"]] = content[0].get("image_url", {}).get("url", "")
    return [
        _picture(name, expected, reasons.get(item, ""), sent.get(name.replace(",", ";"), ""))
        for item, (name, (_, expected)) in zip(items, cases.items(), strict=True)
    ]


def _picture(name: str, expected: str, reason: str, sent: str) -> Verdict:
    if expected not in (READ, SCALED):
        if sent:
            return "leaked" if PASSPORT in name or "outside" in expected else "silent", f"{name}: it was sent"
        return ("handled", "") if expected in reason else ("silent", f"{name}: {reason!r}, expected {expected!r}")
    if reason or not sent:
        return "silent", f"{name}: {reason!r}, and it can be read"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sent.partition(",")[2]))))
    if expected == SCALED and len(np.unique(pixels[:, :, 0])) < 50:
        return "silent", f"{name}: {len(np.unique(pixels[:, :, 0]))} levels are left"
    return "handled", ""


def _text(shop: Shop, number: int, text: str) -> list[Verdict]:
    """The text as id, title, field, caption and setting; all that is written for people."""
    folder = shop.scratch / "cases" / f"text-{number}"
    cell = '"' + text.replace('"', '""') + '"'
    items = [cell, "i1", "i2", "i3"]
    given = _table(folder / "data", [",".join([item] * 4) for item in items], "item,title,kind,caption", items)
    (folder / "data" / "captions.csv").write_text(
        "\n".join(["item,caption", *(f"{item},{item}" for item in items)]) + "\n"
    )
    from recbench.quoting import quote

    given += ["data.fields=[kind]", "data.attributes=[kind]", "captioner=file"]
    given += [f"captioner.path={folder / 'data' / 'captions.csv'}"]
    if len(text) < 50_000:  # in a setting, too, which stands in overrides.yaml and in the report
        given.append(f"data.options.null_values={quote([f'{text}?'])}")
    words = ["features.kinds=[words]", "features.least_items=1", "features.most_share=1"]
    commands = [["tokenize", *given, *words], ["report", "latest"], ["runs"]]
    for arguments in commands:
        verdict = _judged(command(arguments, folder, kill_after=FOREVER), folder, 0)
        if verdict[0] != "handled":
            return [(verdict[0], f"{text[:40]!r} in {arguments[0]}: {verdict[1]}")]
    return [verdict]


ENDPOINT = ["captioner=endpoint", "captioner.model=m"]
PASSWORD = "captioner.url='http://me:hunter2@127.0.0.1:9/v1'"
# arguments, the exit status, and words that the screen should show
ARGUMENTS: list[tuple[list[str], int, str]] = [
    (["caption", *ENDPOINT, PASSWORD], 2, "no user name, password or token"),
    (["caption", *ENDPOINT, PASSWORD, "--json"], 2, "[hidden]"),
    (["caption", *ENDPOINT, PASSWORD, "--debug"], 2, "[hidden]"),
    (["caption", *ENDPOINT, PASSWORD, "--cfg"], 0, "[hidden]"),
    (["caption", *ENDPOINT, PASSWORD, "--estimate"], 2, "[hidden]"),
    (["caption", *ENDPOINT, PASSWORD, "-m", "seed=1,2"], 2, "[hidden]"),
    (["ctr", *ENDPOINT, PASSWORD], 2, "[hidden]"),
    (["data", "data=table", "data.name=x", "data.path=https://me:hunter2@127.0.0.1/x.csv"], 2, "[hidden]"),
    (["caption", *ENDPOINT, "captioner.url='http://h/v1?api_key=hunter2'"], 2, "[hidden]"),
    (
        ["caption", *ENDPOINT, "captioner.url=http://h/v1", f"captioner.key_variable={KEY}"],
        2,
        "it may be the key itself",
    ),
    (["caption", *ENDPOINT, "captioner.url=ftp://127.0.0.1/v1"], 2, "expected an address"),
    (["caption", *ENDPOINT, "captioner.url='http://[::1'"], 2, "expected an address"),
    (["caption", *ENDPOINT, "captioner.url=file:///etc/passwd"], 2, "expected an address"),
    (["caption", *ENDPOINT, "captioner.url=http://127.0.0.1:99999/v1"], 2, "expected an address"),
    (["data", "data=table", "data.name=../x", "data.path=x.csv"], 2, "data.name"),
    (["data", "data=table", "data.name=x", "data.path='\x1b[2J.csv'"], 2, "\\x1b[2J"),
    (["data", "data=table", "data.name=x", f"data.path={'n' * 100_000}"], 2, ""),
    (["data", "data=table", "data.name=x", f"data.path=/dev/{'n' * 5000}/x"], 2, ""),
    (["data", "data=table", "data.name=x", "data.path=/dev/zero"], 2, ""),
    (["caption", "captioner=file", "captioner.path=/dev/zero"], 2, "captioner.path=/dev/zero"),
    (["data", f"nonsense={'n' * 100_000}"], 2, "unknown key nonsense"),
    (["data", "data.nme=\x1b]0;title\x07"], 2, ""),
    (["report", "\x1b[31m[red]x[/blue]"], 2, "[red]"),
    (["report", "n" * 100_000], 2, ""),
    (["report", "../../../../etc/passwd"], 2, ""),
    (["runs", "--stage", "\x1b[2J", "--data", "[/]"], 2, ""),
    (["compare", "\u202e[red]", "b"], 2, "\\u202e[red]"),
    (["score", "/dev/zero"], 2, ""),
    (["score", "n" * 5000], 2, ""),
    (["train", "--algo=\x1b[31m"], 2, ""),
]


def _arguments(shop: Shop, number: int, case: tuple[list[str], int, str]) -> list[Verdict]:
    arguments, code, words = case
    folder = shop.scratch / "cases" / f"arguments-{number}"
    outcome = command(arguments, folder, kill_after=FOREVER)
    verdict = _judged(outcome, folder, code, words, traceback="--debug" in arguments)
    return [(verdict[0], f"{' '.join(arguments)[:60]!r}: {verdict[1]}")]
