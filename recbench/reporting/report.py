"""report.md, report.html and the pictures of a run, from its folder's files only; equal however often written."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from recbench.console.visible import LONGEST_LINE, command_line, for_people
from recbench.grids import Grid
from recbench.reporting.html import render_html
from recbench.reporting.markup import code, escaped
from recbench.reporting.results import headline, result_sections
from recbench.reporting.tables import markdown
from recbench.runs import Run, atomic_path

PICTURE = "roc_head.png"
HELD_OUT = {"validation": 1, "test": 2}  # as best.parquet numbers the splits


def write_report(folder: Path) -> Path:
    """Write `report.md`, its pictures, and `report.html` with all of them inside; returns the path of the first."""
    run = Run(folder)
    picture = (folder / "ranks.parquet").is_file()
    if picture:
        _draw(run)
    report = folder / "report.md"
    text = "\n".join(_sections(run, picture))
    for path, content in ((report, text), (folder / "report.html", render_html(text, folder))):
        with atomic_path(path) as partial:
            partial.write_text(content, encoding="utf-8")
    return report


def _sections(run: Run, picture: bool) -> list[str]:
    config, manifest = run.config, run.manifest
    seeds = ", ".join(map(str, config.get("seeds", [manifest["seed"]])))  # a bench has several
    lines = [f"# {escaped(run.stage)} on {escaped(run.data_name)}", ""]
    lines += [f"Run {code(run.id)}, {escaped(run.status)}, seed {escaped(seeds)}.", ""]
    for line in headline(run):
        lines += [f"**{escaped(line, LONGEST_LINE)}.**", ""]
    if "error" in manifest:
        lines += [f"It ended with an error: {escaped(manifest['error'], LONGEST_LINE)}", ""]
    if manifest["notes"]:
        lines += ["## Notes", "", *(f"- {escaped(note, LONGEST_LINE)}" for note in manifest["notes"]), ""]
    lines += result_sections(run)
    if picture:
        lines += [
            "## The head of the ROC curve",
            "",
            f"![ROC curve at the head of the FPR axis, windows shaded]({PICTURE})",
            "",
            "Mean over cases, seen items kept; the band is two standard errors wide on either side. Where ranks come "
            "from a beam, positives that it did not find count as ranked last.",
            "",
        ]
    lines += ["## Made from", ""]
    inputs = [
        [entry["stage"], entry["data"], code(entry["id"]), code(entry["content_hash"][:12])]
        for entry in manifest["inputs"]
    ]
    lines += [
        markdown(Grid("", ["stage", "data", "run", "content hash"], inputs, prose=True))
        if inputs
        else "No other run.\n"
    ]
    if run.data_fingerprint:
        lines += [f"Data fingerprint {code(run.data_fingerprint)}.", ""]
    overrides = run.overrides
    lines += ["## Asked for", "", f"    recbench {for_people(run.stage)} {command_line(overrides)}".rstrip(), ""]
    lines += [markdown(Grid("", ["option", "value"], _config_rows(config), prose=True))]
    facts = {
        "seconds": manifest.get("seconds"),
        "peak memory (MB)": manifest.get("peak_memory_mb"),
        **manifest["hardware"],
    }
    lines += [
        "## Cost and machine",
        "",
        markdown(Grid("", ["", "value"], [[key, str(value)] for key, value in facts.items()], prose=True)),
    ]
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    return [*lines, f"Versions: {escaped(versions)}.", ""]


def _config_rows(config: DictConfig, prefix: str = "") -> list[list[str]]:
    container: Any = OmegaConf.to_container(config)
    rows: list[list[str]] = []
    for key, value in container.items():
        if isinstance(value, dict) and value:
            rows += _config_rows(OmegaConf.create(value), f"{prefix}{key}.")
        elif value is not None:
            rows.append([code(f"{prefix}{key}"), str(value)])
    return rows


def _draw(run: Run) -> None:
    import numpy as np
    import pyarrow.parquet as parquet

    from recbench.reporting.roc_plot import plot_roc_head

    ranks = parquet.read_table(run.path / "ranks.parquet")
    above, ties, negatives = (_counts(ranks, name) for name in ("above", "ties", "n"))
    if "censored" in ranks.column_names:  # the beam did not find these: below everything that is known
        above = np.where(ranks["censored"].to_numpy(zero_copy_only=False), negatives, above)
    curves = [("this run", above, ties, negatives)]
    data = _data_run(run)
    if data is not None and (data.path / "best.parquet").is_file():
        best = parquet.read_table(data.path / "best.parquet", filters=[("split", "==", HELD_OUT[run.config.split])])
        curves.append(
            ("best possible (the market's own probabilities)", *(_counts(best, n) for n in ("above", "ties", "n")))
        )
    windows = [[float(low), float(high)] for low, high in run.config.get("windows", [])]
    title = f"ROC at the head of the FPR axis: {run.data_name}, {run.config.get('split', '')}".rstrip(", ")
    with atomic_path(run.path / PICTURE) as partial:
        plot_roc_head(partial, curves, windows, title)


def _counts(table: Any, name: str) -> Any:
    return table[name].to_numpy().astype("int64")


def _data_run(run: Run) -> Run | None:
    """The data run that `run` was made from, directly or through the runs that it used."""
    found = run.input_run("data")
    used = [run.input_run(entry["stage"]) for entry in run.manifest["inputs"]]
    return found or next((data for other in used if other is not None and (data := _data_run(other))), None)
