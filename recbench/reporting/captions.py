"""Reports of `recbench caption` and `recbench tokenize`: captions, how good they are, and the columns they became."""

from collections.abc import Mapping
from typing import Any

from recbench.grids import Grid
from recbench.reporting.markup import Markup, code
from recbench.reporting.tables import markdown, number, ordered, titled
from recbench.runs import Run

SHEET = "contact_sheet.png"
CAPTIONS = "captions.parquet"
EXAMPLES = 6
ORIGINS = {"model": "captioned by the model", "fallback": "captioned by the fallback", "skipped": "skipped"}
PARTS = {"all": "all items", "seen": "seen", "unseen": "unseen"}
TEXT_METRICS = {
    "items": "items",
    "references": "with a reference",
    "bleu4": "BLEU-4",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr",
    "mean_length": "mean length, words",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
}
PERIODS = ("all", "training", "others")


def caption_grids(metrics: Mapping[str, Any]) -> list[Grid]:
    """Items by origin, then how often captions name the right values, and how good they are as texts."""
    items = metrics.get("items") or 0
    rows = [
        [ORIGINS.get(origin, origin), number(count), f"{count / items:.1%}" if items else "–"]
        for origin, count in ordered(ORIGINS, metrics.get("origins", {})).items()
    ]
    grids = [Grid("where captions come from", ["", "items", "share"], rows)]
    parts = ordered(PARTS, metrics.get("quality", {}))
    attributes = list(dict.fromkeys(name for part in parts.values() for name in part.get("attributes", {})))
    if attributes:
        rows = [
            [name, *(cell for part in parts.values() for cell in _named(part.get("attributes", {}).get(name)))]
            for name in attributes
        ]
        columns = [f"{title}{rest}" for title in _part_titles(parts) for rest in ("", ", majority")]
        grids.append(Grid("captions of the model that name the right value", ["attribute", *columns], rows))
    if any(part.get("items") for part in parts.values()):
        rows = [
            [title, *(number(part[name]) if name in part else "" for part in parts.values())]
            for name, title in TEXT_METRICS.items()
            if any(name in part for part in parts.values())
        ]
        grids.append(Grid("texts of the model", ["", *_part_titles(parts)], rows))
    return grids


def caption_sections(run: Run) -> list[str]:
    """The results of a caption run in Markdown; the contact sheet is the stage's own."""
    metrics, manifest = run.metrics, run.manifest
    lines = ["## Results", "", _about_captions(metrics, manifest), ""]
    for grid in caption_grids(metrics):
        lines += titled(grid)
    if len(metrics.get("quality", {})) > 1:
        lines += ["*Seen* are the items whose reference captions the captioner was trained on.", ""]
    if any("attributes" in part for part in metrics.get("quality", {}).values()):
        lines += [
            "A caption names a value if that is the first of the attribute's values to occur in it, as whole words. "
            "*Majority* is what naming the most frequent value every time would reach.",
            "",
        ]
    reasons = [[reason, number(count)] for reason, count in metrics.get("reasons", {}).items()]
    if reasons:
        there = "Items that the captioner could not caption; `skipped.json` lists them."
        lines += [there, "", markdown(Grid("", ["reason", "items"], reasons))]
    if (run.path / SHEET).is_file():
        lines += ["## Pictures and captions", "", f"![Pictures with their captions]({SHEET})", ""]
        lines += ["A random sample of those not seen in training; in grey the reference captions, where there are.", ""]
    return [*lines, *_example_lines(run)]


def column_grids(metrics: Mapping[str, Any]) -> list[Grid]:
    """The columns that captions became, then the values that most items have."""
    columns = metrics.get("columns", {})
    if not columns:
        return []
    rows = [
        [
            name,
            number(column.get("vocabulary")),
            *(_share(column.get("coverage", {}).get(period)) for period in PERIODS),
            *(_share(column.get("oov_rate", {}).get(period)) for period in PERIODS[1:]),
            _decimal(column.get("mean_length", {}).get("all")),
            _share(column.get("cut", {}).get("all")),
            number(column.get("distinct_lists")),
        ]
        for name, column in columns.items()
    ]
    titles = ["column", "vocabulary", "coverage", "of training items", "of others"]
    titles += ["OOV, training", "OOV, others", "values an item", "cut", "different lists"]
    frequent = {name: column["most_frequent"] for name, column in columns.items() if column.get("most_frequent")}
    grids = [Grid("columns", titles, rows)]
    if frequent:
        longest = max(map(len, frequent.values()))
        rows = [[str(place + 1), *(_value(values, place) for values in frequent.values())] for place in range(longest)]
        grids.append(Grid("most frequent values, with the share of items", ["", *frequent], rows, prose=True))
    return grids


def column_sections(run: Run) -> list[str]:
    """The results of a tokenize run in Markdown."""
    metrics = run.metrics
    covered = metrics.get("coverage", {})
    lines = [
        "## Results",
        "",
        f"{number(metrics.get('items'))} items, {number(metrics.get('training_items'))} of the training period; "
        f"{_share(covered.get('all'))} have a caption, {number(metrics.get('distinct_captions'))} of them different "
        f"(captioner {code(str(metrics.get('captioner', '?')))}). Vocabularies are fitted on items of the training "
        "period only.",
        "",
    ]
    for grid in column_grids(metrics):
        lines += titled(grid)
        if grid.title == "columns":
            lines += [
                "*Coverage* is the share of items with a value that the vocabulary has; *OOV* the share of items' "
                "values that it lacks; *cut* the share of items that lost values to the longest list allowed. As many "
                "different lists as items would make the column another name of the item.",
                "",
            ]
    shared = metrics.get("semantic_ids")
    if shared:
        lines += [
            f"Semantic IDs of {number(shared.get('levels'))} levels: {number(shared.get('distinct'))} different, "
            f"{number(shared.get('items_that_share_all_codes'))} items share theirs with another.",
            "",
        ]
    return lines


def _about_captions(metrics: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    text = f"Captioner {code(str(metrics.get('captioner') or 'none'))}, {number(metrics.get('items'))} items, "
    text += f"{number(metrics.get('tokens'))} tokens."
    if manifest.get("items_a_second"):
        text += f" {number(manifest['items_a_second'])} items a second"
        text += f", {number(manifest['processes'])} processes." if manifest.get("processes", 1) > 1 else "."
    return text


def _part_titles(parts: Mapping[str, Any]) -> list[str]:
    return [PARTS.get(part, part) for part in parts]


def _named(accuracy: Mapping[str, Any] | None) -> list[str]:
    return ["", ""] if accuracy is None else [_share(accuracy.get(key)) for key in ("accuracy", "majority")]


def _example_lines(run: Run) -> list[str]:
    if not (run.path / CAPTIONS).is_file():
        return []
    import pyarrow.parquet as parquet

    written = [row for row in parquet.read_table(run.path / CAPTIONS).to_pylist() if row.get("caption")]
    some = written[:: max(1, len(written) // EXAMPLES)][:EXAMPLES]
    rows = [[code(str(row["item"])), code(row["caption"]), str(row.get("origin", ""))] for row in some]
    return ["## Examples", "", markdown(Grid("", ["item", "caption", "by"], rows, prose=True))] if rows else []


def _value(values: list[Mapping[str, Any]], place: int) -> str:
    if place >= len(values):
        return ""
    return Markup(f"{code(str(values[place]['value']))} {_share(values[place].get('share'))}")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
