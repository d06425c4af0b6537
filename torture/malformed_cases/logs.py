"""Tables of interactions, items, users, captions and scores: csv, tsv, Parquet."""

import gzip
import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from torture.malformed_cases.case import FOLDER, Case, Content, faults_of_text, garbled, generator, harmless_changes

LOG = "user,item,time,label\n" + "".join(
    f"u{user},i{(user * 3 + step) % 7},{1_400_000_000 + 1000 * user + 100 * step},{step % 2}\n"
    for user in range(8)
    for step in range(6)
)
ITEMS = "item,title\n" + "".join(f"i{number},Item {number} of 10\n" for number in range(7))
USERS = "user,age\n" + "".join(f"u{number},{20 + number}\n" for number in range(8))
TIMED = "data.options.columns.timestamp=time"
LABELLED = (TIMED, "data.options.columns.label=label")


def table(name: str, path: str, files: dict[str, Content], *options: str, **about: Any) -> Case:
    """A case of data=table."""
    return Case(name, ("data", "data=table", f"data.path={path}", *options), files, **about)


def parquet(columns: dict[str, Any]) -> bytes:
    """A Parquet file of these columns."""
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def columns_of(text: str) -> dict[str, list[Any]]:
    """The columns of a csv text; whole numbers as such."""
    header, *rows = (line.split(",") for line in text.splitlines())
    numbers = {name: all(row[place].isdecimal() for row in rows) for place, name in enumerate(header)}
    return {
        name: [int(row[place]) if numbers[name] else row[place] for row in rows] for place, name in enumerate(header)
    }


def cases() -> Iterator[Case]:
    """Every case of a table."""
    yield from log_files()
    yield from log_values()
    yield from parquet_files()
    yield from beside_the_log()
    yield from scores()


def log_files() -> Iterator[Case]:
    """The log's file as a whole."""
    log = LOG.encode()
    yield table("log: as it should be", "log.csv", {"log.csv": log}, TIMED, expect="take")
    same = {"expect": "take", "twin": "log: as it should be"}
    for fault, expect, content in faults_of_text(log):
        yield table(f"log: {fault}", "log.csv", {"log.csv": content}, TIMED, expect=expect)
    for change, content in harmless_changes(log):
        yield table(f"log: {change}", "log.csv", {"log.csv": content}, TIMED, **same)
    packed = gzip.compress(log, mtime=0)
    yield table("log: gzip", "log.csv.gz", {"log.csv.gz": packed}, TIMED, **same)
    members = gzip.compress(log[:99], mtime=0) + gzip.compress(log[99:], mtime=0)
    yield table("log: gzip of members", "log.csv.gz", {"log.csv.gz": members}, TIMED, **same)
    yield table("log: plain text named gz", "log.csv.gz", {"log.csv.gz": log}, TIMED, **same)
    yield table("log: gzip named csv", "log.csv", {"log.csv": packed}, TIMED, **same)
    yield table("log: gzip with a tail", "log.csv.gz", {"log.csv.gz": packed + b"tail"}, TIMED)
    zeros = gzip.compress(b"0" * (1 << 20), mtime=0)
    yield table("log: a bomb", "log.csv.gz", {"log.csv.gz": packed + zeros * 8192}, TIMED, words="most_expansion")
    for name, content in garbled(packed, 4):
        yield table(f"log: gzip {name}", "log.csv.gz", {"log.csv.gz": content}, TIMED)
    tabs = log.replace(b",", b"\t")
    yield table("log: tsv", "log.tsv", {"log.tsv": tabs}, TIMED, **same)
    yield table("log: tabs named csv", "log.csv", {"log.csv": tabs}, TIMED, **same)
    for sign, mark in ((";", "semicolons"), ("|", "bars"), ("::", "double colons"), ("\t", "tabs")):
        content = log.replace(b",", sign.encode())
        yield table(f"log: {mark}", "log.dat", {"log.dat": content}, TIMED, f"data.options.delimiter='{sign}'", **same)
    yield table(
        "log: a tab as the shell gives it", "log.csv", {"log.csv": tabs}, TIMED, r"data.options.delimiter=\t", **same
    )
    for word in ("ab", "", "é", "\n", '"', "\0"):
        option = f"data.options.delimiter='{word}'"
        yield table(f"log: delimiter {word!r}", "log.csv", {"log.csv": log}, TIMED, option)
    for suffix in ("xlsx", "json", "txt", "orc"):
        yield table(f"log: named {suffix}", f"log.{suffix}", {f"log.{suffix}": b"PK\x03\x04" + log}, TIMED)


def log_values() -> Iterator[Case]:
    """Single values, headers and lines."""

    def changed(name: str, old: str, new: str, *options: str, expect: str = "refuse", words: str = "") -> Case:
        assert old in LOG
        content = LOG.replace(old, new, 1).encode()
        return table(
            f"log: {name}", "log.csv", {"log.csv": content}, *(options or (TIMED,)), expect=expect, words=words
        )

    time = "1400000100"
    for word in ("9" * 30, "1e400", "-1e400", "nan", "inf", "-inf", "yesterday", "1e999999999", "0x10", "२०२०", "--1"):
        expect = "either" if word.startswith("२") else "refuse"  # digits of another script are digits
        yield changed(f"time {word}", time, word, words="line 3", expect=expect)
    for word in ("9223372036854775808", "99999999999999999999999999", "-99999999999999999999"):
        yield changed(f"time {word}", time, word)
    for word in ("", "2", "-1", "maybe", "0.5", "nan", "1e99", "9" * 400):
        yield changed(f"label {word[:9]!r}", f"{time},1", f"{time},{word}", *LABELLED, words="line 3")
    yield changed("header alone", LOG, LOG.splitlines()[0] + "\n")
    yield changed("no header", "user,item,time,label\n", "")
    yield changed("two columns of one name", "label\n", "item\n", words="item")
    yield changed("two columns of one name, mapped", "label\n", "time\n", words="time")
    yield changed("a quote that never ends", "u0,i1", 'u0,"i1')
    yield changed("too many fields", "u0,i1", "u0,i1,i4,i5")
    yield changed("too few fields", f"u0,i1,{time},1", "u0,i1")
    yield changed("no item", "u0,i1", "u0,")
    yield changed("no user", "u0,i1", ",i1")
    yield changed("a name of 200,000 characters", "u0,i1", "u0," + "i" * 200_000, expect="either")
    yield changed("half a surrogate", "u0,i1", "u0,\\ud800", expect="either")
    yield changed("a name that is a formula", "u0,i1", "u0,=cmd|' /C calc'!A0", expect="either")
    yield changed("a name that is a path", "u0,i1", "u0,../../etc/passwd", expect="either")
    yield changed("a column mapped twice", "u0", "u0", TIMED, "data.options.columns.query=item", expect="either")
    wide = ",".join(f"c{number}" for number in range(5000))
    yield changed("5,000 columns", "label\n", f"label,{wide}\n")
    options = {
        "an unknown field": "+data.options.columns.price=item",
        "a field that is a list": "data.options.columns.user=[user]",
        "columns as a list": "data.options.columns=[user,item]",
        "columns as a text": "data.options.columns=user",
        "an unknown option": "+data.options.delimeter=;",
        "an unknown option below": "+data.options.columns.usr=user",
        "an unknown option of the split": "+data.options.impressions_split.tset=0.1",
        "rows of 0": "data.options.rows=0",
        "rows below 0": "data.options.rows=-1",
        "rows beyond int64": "data.options.rows=99999999999999999999",
        "rows as a text": "data.options.rows=many",
        "a time format that is none": "data.options.timestamp_format=%Q",
        "a time format of nothing": "data.options.timestamp_format=''",
        "names that are numbers": "data.options.names=[1,2,3,4]",
        "names twice": "data.options.names=[user,item,user,item]",
        "names of another count": "data.options.names=[user,item]",
        "skip_bad_lines as a text": "data.options.skip_bad_lines=maybe",
        "a context that is a text": "data.options.context=hour",
        "a context of an unknown time": "data.options.context.time=[minute]",
        "a context of an unknown column": "data.options.context.numeric=[price]",
        "a share that is NaN": "data.options.impressions_split.test=nan",
        "a share below 0": "data.options.impressions_split.test=-0.1",
        "a share beyond 1": "data.options.impressions_split.validation=1.5",
        "a share that is a text": "data.options.impressions_split.test=half",
        "a share of infinity": "data.options.impressions_split.test=inf",
        "a split by nothing known": "data.options.impressions_split.by=chance",
        "a split's seed below 0": "data.options.impressions_split={by:random,seed:-1}",
        "a split's seed that is a text": "data.options.impressions_split={by:random,seed:abc}",
        "a split's seed of a fraction": "data.options.impressions_split={by:random,seed:1.5}",
        "a split that is a list": "data.options.impressions_split=[0.1,0.1]",
        "an items file that is missing": "data.options.items_file=nothing.csv",
        "an items file of no name": "data.options.items_file=''",
        "a users file of no name": "data.options.users_file=''",
        "fields that are none": "data.fields=[colour]",
        "a family that is none": "data.family=colour",
        "positive_rating without ratings": "data.options.positive_rating=4",
        "positive_rating that is NaN": "data.options.positive_rating=nan",
        "a core that leaves nothing": "data.min_user_interactions=1000000",
        "a core beyond int64": "data.min_user_interactions=99999999999999999999",
        "an expansion below 1": "+data.options.most_expansion=-1",
        "an expansion that is NaN": "+data.options.most_expansion=nan",
    }
    # More rows than there are are all; impressions need no sequences, so that a core may leave none.
    lenient = ("rows beyond int64", "a core that leaves nothing", "a core beyond int64")
    for name, option in options.items():
        yield changed(name, "u0", "u0", *LABELLED, option, expect="either" if name in lenient else "refuse")
    yield changed("a path of nothing", "u0", "u0", TIMED, "data.path=''")
    yield changed("a path that is a folder", "u0", "u0", TIMED, "data.path=.")
    yield changed("a path with a NUL", "u0", "u0", TIMED, "data.path='a\0b.csv'")
    yield changed("a path of 5,000 characters", "u0", "u0", TIMED, "data.path=" + "a" * 5000 + ".csv")
    yield changed("a path that is a device", "u0", "u0", TIMED, "data.path=/dev/null")
    yield changed("a path below a file", "u0", "u0", TIMED, "data.path=log.csv/log.csv")


def parquet_files() -> Iterator[Case]:
    """Parquet: damaged, of other types, of nothing."""
    whole = columns_of(LOG)
    content = parquet(whole)
    yield table("parquet: as it should be", "log.parquet", {"log.parquet": content}, TIMED, expect="take")
    for name, damaged in garbled(content, 10):
        expect = "refuse" if name.startswith("cut") else "either"
        yield table(f"parquet: {name}", "log.parquet", {"log.parquet": damaged}, TIMED, expect=expect)
    shapes: dict[str, tuple[str, dict[str, Any]]] = {
        "no rows": ("refuse", {name: values[:0] for name, values in whole.items()}),
        "no columns": ("refuse", {}),
        "a column lacking": ("refuse", {"user": whole["user"], "time": whole["time"]}),
        "times as texts": ("take", whole | {"time": [str(value) for value in whole["time"]]}),
        "times beyond int64": ("refuse", whole | {"time": pa.array([2**64 - 1] * 48, pa.uint64())}),
        "times that are NaN": ("refuse", whole | {"time": [float("nan")] * 48}),
        "times that are infinite": ("refuse", whole | {"time": [float("inf")] * 48}),
        "times that are lists": ("refuse", whole | {"time": [[value] for value in whole["time"]]}),
        "times that are null": ("refuse", whole | {"time": pa.nulls(48)}),
        "times that are true": ("refuse", whole | {"time": [True] * 48}),
        "times of a year beyond": ("either", whole | {"time": pa.array([2**62] * 48, pa.timestamp("us"))}),
        "items that are lists": ("refuse", whole | {"item": [[value] for value in whole["item"]]}),
        "items that are structures": ("refuse", whole | {"item": [{"id": value} for value in whole["item"]]}),
        "items that are bytes": ("either", whole | {"item": [value.encode() + b"\xff" for value in whole["item"]]}),
        "items that are null": ("refuse", whole | {"item": pa.nulls(48)}),
        "items that are times": ("either", whole | {"item": pa.array(whole["time"], pa.timestamp("s"))}),
        "items of a dictionary": ("take", whole | {"item": pa.array(whole["item"]).dictionary_encode()}),
        "labels that are texts": ("either", whole | {"label": ["yes"] * 48}),
        "labels that are 2": ("refuse", whole | {"label": [2] * 48}),
    }
    for name, (expect, columns) in shapes.items():
        files: dict[str, Content] = {"log.parquet": parquet(columns)}
        options = LABELLED if name.startswith("labels") else (TIMED,)
        yield table(f"parquet: {name}", "log.parquet", files, *options, expect=expect)
    yield table("parquet: csv within", "log.parquet", {"log.parquet": LOG.encode()}, TIMED)
    yield table("parquet: empty", "log.parquet", {"log.parquet": b""}, TIMED)
    yield table("parquet: a folder", "log.parquet", {"log.parquet": FOLDER}, TIMED)
    yield table("parquet: only its marks", "log.parquet", {"log.parquet": b"PAR1PAR1"}, TIMED)
    lying = content[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1"
    yield table("parquet: a footer that lies", "log.parquet", {"log.parquet": lying}, TIMED)
    double = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["user", "item", "item"])
    stream = io.BytesIO()
    pq.write_table(double, stream)
    yield table("parquet: two columns of one name", "log.parquet", {"log.parquet": stream.getvalue()}, words="item")


def beside_the_log() -> Iterator[Case]:
    """Items, users and captions."""
    log: dict[str, Content] = {"log.csv": LOG.encode()}
    for kind, content, option in (
        ("items", ITEMS, "data.options.items_file=items.csv"),
        ("users", USERS, "data.options.users_file=users.csv"),
    ):
        options = (*LABELLED, option, "+data.options.user_columns.age=age") if kind == "users" else (*LABELLED, option)
        whole = f"{kind}: as it should be"
        yield table(whole, "log.csv", log | {f"{kind}.csv": content.encode()}, *options, expect="take")
        for fault, expect, broken in faults_of_text(content.encode(), brief=kind == "users"):
            yield table(f"{kind}: {fault}", "log.csv", log | {f"{kind}.csv": broken}, *options, expect=expect)
        for change, harmless in harmless_changes(content.encode()):
            files = log | {f"{kind}.csv": harmless}
            yield table(f"{kind}: {change}", "log.csv", files, *options, expect="take", twin=whole)
        twice = (content + content.splitlines()[1] + "\n").encode()
        yield table(f"{kind}: a line twice", "log.csv", log | {f"{kind}.csv": twice}, *options)
        others = content.replace("i", "x").replace("xtem", "item").replace("txtle", "title").replace("u", "y")
        renamed = others.replace("yser", "user").encode()
        yield table(
            f"{kind}: keys that never meet", "log.csv", log | {f"{kind}.csv": renamed}, *options, expect="either"
        )
    captions = "item,caption\n" + "".join(f"i{number},a caption of 1\n" for number in range(7))
    command = ("caption", "data=table", "data.path=log.csv", TIMED, "captioner=file", "captioner.path=captions.csv")
    yield Case("captions: as it should be", command, log | {"captions.csv": captions.encode()}, "take")
    for fault, expect, broken in faults_of_text(captions.encode(), brief=True):
        yield Case(f"captions: {fault}", command, log | {"captions.csv": broken}, expect)
    twice = captions + "i3,another caption\n"
    yield Case("captions: two of one item", command, log | {"captions.csv": twice.encode()})
    strange = captions.replace("i", "x").replace("xtem", "item").replace("captxon", "caption")
    yield Case("captions: of other items", command, log | {"captions.csv": strange.encode()}, "either")


def scores() -> Iterator[Case]:
    """Files of recbench score."""
    draw = generator("logs")
    rows = [f"u{row // 4},{int(row % 4 == 0)},{draw.random():.6f}" for row in range(40)]
    text = "user,label,score\n" + "\n".join(rows) + "\n"
    command = ("score", "scores.csv", "--k", "1")
    yield Case("scores: as it should be", command, {"scores.csv": text.encode()}, "take")
    for fault, expect, content in faults_of_text(text.encode()):
        yield Case(f"scores: {fault}", command, {"scores.csv": content}, expect)
    for change, content in harmless_changes(text.encode()):
        yield Case(f"scores: {change}", command, {"scores.csv": content}, "take")
    for word in ("", "nan", "inf", "-inf", "high", "1e400", "--1", "9" * 400):
        broken = text.replace(rows[1], f"u0,0,{word}", 1)
        expect = "either" if word in ("inf", "-inf", "1e400") or word.startswith("9") else "refuse"
        yield Case(f"scores: score {word[:9]!r}", command, {"scores.csv": broken.encode()}, expect)
    for word in ("", "2", "-1", "nan", "yes", "0.5", "1e999"):
        broken = text.replace(rows[1], f"u0,{word},0.5", 1)
        yield Case(f"scores: label {word!r}", command, {"scores.csv": broken.encode()})
    counts = "user,above,ties,n\nu0,0,0,10\nu1,3,1,10\n"
    yield Case("scores: counts", command, {"scores.csv": counts.encode()}, "take")
    for name, row in {
        "more above than there are": "u1,11,0,10",
        "below 0": "u1,-1,0,10",
        "a fraction": "u1,0.5,0,10",
        "beyond int64": f"u1,{10**30},0,{10**31}",
        "infinity": "u1,inf,0,inf",
        "NaN": "u1,nan,0,10",
        "of none": "u1,0,0,0",
    }.items():
        broken = counts.replace("u1,3,1,10", row)
        expect = "either" if name == "of none" else "refuse"
        yield Case(f"scores: counts {name}", command, {"scores.csv": broken.encode()}, expect)
    content = parquet(columns_of(text) | {"score": [draw.random() for _ in range(40)]})
    packed = ("score", "scores.parquet", "--k", "1")
    yield Case("scores: parquet", packed, {"scores.parquet": content}, "take")
    for name, damaged in garbled(content, 6):
        expect = "refuse" if name.startswith("cut") else "either"
        yield Case(f"scores: parquet {name}", packed, {"scores.parquet": damaged}, expect)
    nested = parquet({"label": [[0], [1]], "score": [0.1, 0.2]})
    yield Case("scores: parquet of lists", packed, {"scores.parquet": nested})
    for name, flags in {
        "K of 0": ("--k", "0"),
        "K of nothing": ("--k", ""),
        "K beyond int64": ("--k", "9" * 30),
        "K of 5,000 digits": ("--k", "9" * 5000),
        "K of a superscript": ("--k", "²"),
        "a window backwards": ("--window", "0.5,0.1"),
        "a window of NaN": ("--window", "nan,1"),
        "a window of nothing": ("--window", ""),
        "a window of three": ("--window", "0,0.1,0.2"),
        "samples below 0": ("--samples", "-1"),
        "samples without end": ("--samples", "9" * 18),
        "samples beyond int64": ("--samples", "9" * 30),
        "samples that are a text": ("--samples", "many"),
        "a seed below 0": ("--seed", "-1"),
        "a seed that is a text": ("--seed", "abc"),
        "a seed beyond int64": ("--seed", "9" * 30),
    }.items():
        expect = "either" if "seed beyond" in name else "refuse"
        yield Case(f"scores: {name}", ("score", "scores.csv", *flags), {"scores.csv": text.encode()}, expect)
