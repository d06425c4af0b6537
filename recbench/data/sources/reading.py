"""How files were read, in facts that a report shows: what was ambiguous is told here, if it was not refused."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from recbench.data.sources.delimited import DelimitedFile
from recbench.data.sources.names import Names, in_order
from recbench.data.sources.tabular import Columns, Described, Parser, TableFile
from recbench.data.sources.times import Settled, when
from recbench.data.sources.values import shown

SHOWN_ROWS = 3
HARDLY = 0.5  # of the names of a log; fewer that have a description are no accident
EXAMPLES = 3
SCIENTIFIC = r"^\d(\.\d+)?[eE]\+\d+$"  # as spreadsheets write long numbers


def facts(
    file: TableFile,
    holds: str,
    found: Columns,
    columns: Mapping[str, str],
    parsers: Mapping[str, Parser],
    table: pa.Table,
) -> dict[str, Any]:
    """One file's facts.

    Args:
        holds: what it is a file of: interactions, impressions, items, users.
        table: the columns as understood, under our names.
    """
    delimited = isinstance(file, DelimitedFile)
    return {
        "file": file.path.name,
        "holds": holds,
        "rows": table.num_rows,
        "format": str(file.dialect) if isinstance(file, DelimitedFile) else "Parquet",
        "header": not delimited or file.has_header,  # type: ignore[union-attr]
        "columns": [[str(name), str(column)] for name, column in columns.items()],
        "left_out": dict(sorted(found.left_out.items())),
        "notes": [*_notes(parsers), *(_of_quotes(file, found) if isinstance(file, DelimitedFile) else [])],
        "first_rows": first_rows(table),
    }


def first_rows(table: pa.Table, time_unit: str = "s") -> dict[str, Any]:
    """The first rows as they were understood: the columns' names, and a list of texts a row."""

    def text(name: str, value: Any) -> str | None:
        if value is None:
            return None
        return when(value, time_unit) if name == "timestamp" else str(value)

    rows = table.slice(0, SHOWN_ROWS).to_pylist()
    return {
        "names": table.column_names,
        "rows": [[text(name, row[name]) for name in table.column_names] for row in rows],
    }


def time_facts(column: str, settled: Settled) -> dict[str, Any]:
    """How a column of times was read."""
    ticks = settled.ticks
    ends = {"first": when(ticks.min(), settled.unit), "last": when(ticks.max(), settled.unit)} if len(ticks) else {}
    return {"column": column, "written": settled.written, "kept_in": settled.unit} | ends


def keys_met(kind: str, log: pa.DictionaryArray, names: pa.Array, file: str) -> tuple[dict[str, Any], str | None]:
    """How many of a log's users or items another file describes; and a warning where they hardly meet.

    Args:
        names: the keys of the other file.
    """
    used, _ = in_order(log)
    described = pc.is_in(used, value_set=names)
    met = pc.sum(described).as_py() or 0
    numbers = {"of": kind, "in_log": len(used), "file": file, "in_file": len(names), "met": met}
    if not len(used) or met >= HARDLY * len(used):
        return numbers, None
    of_log = ", ".join(shown(name) for name in used.filter(pc.invert(described))[:EXAMPLES].to_pylist())
    of_file = ", ".join(shown(name) for name in names[:EXAMPLES].to_pylist()) or "none"
    warning = (
        f"THE {kind.upper()}S OF THE LOG HARDLY OCCUR IN {file}: {met:,} of {len(used):,} do; the log has such as "
        f"{of_log}, the file {of_file}{_remedy(used, names, met)}"
    )
    return numbers, warning


def _remedy(used: pa.Array, names: pa.Array, met: int) -> str:
    """What would let more keys meet, in words; nothing where nothing does."""
    for change, words in (
        (lambda texts: pc.utf8_ltrim(texts, "0"), "; without leading zeros"),
        (pc.utf8_lower, "; in small letters"),
    ):
        would = pc.sum(pc.is_in(change(used), value_set=change(names))).as_py() or 0
        if would > met:
            return f"{words}, {would:,} would"
    return ""


def rounded_names(kind: str, columns: Sequence[pa.DictionaryArray]) -> list[str]:
    """A warning where names are numbers that a spreadsheet rounded."""
    for column in columns:
        found = column.dictionary.filter(pc.match_substring_regex(column.dictionary, SCIENTIFIC))
        if len(found):
            example = shown(found[0].as_py())
            return [
                f"{len(found):,} {kind.upper()}S OF A FILE LOOK LIKE NUMBERS THAT WERE ROUNDED, such as {example}: "
                "several may have become one; export them as text"
            ]
    return []


def whole_number_note(kind: str, example: str | None) -> list[str]:
    """A note where 101.0 was read as 101."""
    return [f"{kind}s such as {example} are whole numbers, read as {example.partition('.')[0]}"] if example else []


def lines_of(reading: Sequence[Mapping[str, Any]], rows: bool = True) -> list[str]:
    """The facts of all files shortened to lines for a terminal, with the first row of each or without."""
    lines = []
    for one in reading:
        parts = [f"read {one['file']}: {one['rows']:,} rows of {one['holds']}", one["format"]]
        if not one["header"]:
            parts.append("no header")
        lines.append(", ".join(parts))
        if time := one.get("time"):
            span = f", {time['first']} to {time['last']} UTC" if "first" in time else ""
            lines.append(f"  time in column {time['column']}: {time['written']}{span}")
        lines += [
            f"  {keys['met']:,} of {keys['in_log']:,} {keys['of']}s of the log are in {keys['file']}"
            for keys in one.get("keys", [])
        ]
        lines += [f"  left out {count:,}: {reason}" for reason, count in one["left_out"].items()]
        lines += [f"  {note}" for note in one["notes"]]
        for row in one["first_rows"]["rows"][:1] if rows else []:
            values = [
                f"{name} {shown(value)}" for name, value in zip(one["first_rows"]["names"], row) if value is not None
            ]
            lines.append(f"  first row: {', '.join(values[:8])}" + (", ..." if len(values) > 8 else ""))
    return lines


def _notes(parsers: Mapping[str, Parser]) -> list[str]:
    notes = []
    for parser in parsers.values():
        names = parser.names if isinstance(parser, Described) else parser
        if isinstance(names, Names):
            if names.blanks:
                notes.append(f"blanks around {names.blanks:,} values of {names.field} were taken off")
            for spelling, count in (names.spellings or {}).items():
                notes.append(f"{count:,} rows say {spelling} for {names.field}, which is no value")
    return notes


def _of_quotes(file: DelimitedFile, found: Columns) -> list[str]:
    notes = []
    for name, values in found.values.items():
        if not isinstance(values, pa.DictionaryArray):
            continue
        pattern = "\n|\r" if file.dialect.quotes else '^".*"$'
        count = pc.sum(pc.match_substring_regex(values.dictionary, pattern)).as_py() or 0
        if count and file.dialect.quotes:
            notes.append(f"{count:,} values of {name} have line breaks inside their quotes")
        elif count:
            notes.append(f"quotes around {count:,} values of {name} are kept; data.options.quotes=true takes them off")
    return notes
