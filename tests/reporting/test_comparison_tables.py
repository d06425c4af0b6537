"""The tables of a comparison, from its numbers: on a terminal, in Markdown, in LaTeX and in csv."""

import csv
import io
import json
import re

import pytest

from recbench.console.terminal import show
from recbench.errors import UserError
from recbench.grids import folded
from recbench.reporting.comparison import comparison_grids, terminal_grids
from recbench.reporting.comparison_tables import _no_formula, as_csv, as_latex, as_markdown, write_tables
from recbench.reporting.latex import CHARACTERS, escaped


def comparison(seeds, deviation, difference):
    values = {"hr@10": {"mean": 0.25, "deviation": deviation, "per_seed": {str(seed): 0.25 for seed in seeds}}}
    return {
        "data": "amazon_beauty",
        "data_fingerprint": "0123abcd",
        "split": "test",
        "seen_items": "kept",
        "cases": 1200,
        "users": 1000,
        "baseline": "sft",
        "metrics": ["hr@10"],
        "comparisons": 1,
        "best": {"hr@10": 0.5},
        "arms": [
            {"arm": "sft", "seeds": seeds, "values": values},
            {"arm": "grpo beam", "seeds": seeds, "values": values, "difference": {"values": {"hr@10": difference}}},
        ],
    }


CLEAR = {"difference": 0.02, "low": 0.01, "high": 0.03, "relative_percent": 8.0, "detectable": 0.015}
UNCLEAR = CLEAR | {"difference": -0.02, "low": -0.05, "high": 0.01, "relative_percent": -8.0}


def test_several_seeds() -> None:
    means, seeds, differences = comparison_grids(comparison([0, 1], 0.0125, CLEAR), per_seed=True)
    assert (
        means.title
        == "test of amazon_beauty, 1,200 cases, seen items kept: mean ± standard deviation (n - 1) over seeds"
    )
    assert means.columns == ["arm", "seeds", "hr@10"]
    assert means.rows[1:] == [["grpo beam", "0,1", "0.2500 ± 0.0125"], ["best possible", "", "0.5000"]]
    assert seeds.rows[-1] == ["grpo beam", "1", "0.2500"]
    assert differences.title == "difference from sft, paired over 1,000 users"
    assert differences.rows == [
        ["hr@10", "grpo beam", "+0.0200", "[+0.0100, +0.0300]", "[–, –]", "+8.0%", "0.0150", *["–"] * 4]
    ]


def test_one_seed_has_no_deviation_and_no_table_of_its_own() -> None:
    means, differences = comparison_grids(comparison([0], None, UNCLEAR), per_seed=True)
    assert means.rows[0] == ["sft", "0", "0.2500"]
    assert differences.rows[0][2:6] == ["-0.0200", "[-0.0500, +0.0100]", "[–, –]", "-8.0%"]


def test_users_and_seeds_stand_beside_users_and_a_single_seed_says_why_not() -> None:
    both = {"users_and_seeds_low": -0.005, "users_and_seeds_high": 0.045, "p_users_and_seeds_holm": 0.06}
    (_, differences) = comparison_grids(comparison([0, 1], 0.0125, TESTED | both))
    columns = dict(zip(differences.columns, differences.rows[0], strict=True))
    assert columns["95%, users"] == "[+0.0100, +0.0300]" and columns["95%, users and seeds"] == "[-0.0050, +0.0450]"
    assert (columns["p Holm"], columns["p Holm, users and seeds"]) == ("0.0099", "0.0600")
    assert "users and seeds: what other seeds" in differences.note and "single seed" not in differences.note
    for unknown in (None, float("nan")):
        (_, differences) = comparison_grids(comparison([0], None, TESTED | dict.fromkeys(both, unknown)))
        assert differences.rows[0][4] == "[–, –]" and "share a single seed" in differences.note


def test_seeds_in_a_row_are_shortened() -> None:
    assert comparison_grids(comparison([0, 1, 2, 3], 0.1, CLEAR))[0].rows[0][1] == "0-3"


def test_what_is_undefined_is_a_dash() -> None:
    unknown = dict.fromkeys(CLEAR)
    rows = comparison_grids(comparison([0], None, unknown))[1].rows
    assert rows[0][2:] == ["–", "[–, –]", "[–, –]", *["–"] * 6]


TESTED = CLEAR | {"standard_error": 0.005, "p_t": 0.0004, "p_wilcoxon": 0.00001, "p_bootstrap": 0.002, "p_holm": 0.0099}


def improved(difference=TESTED, mean=0.27, seeds=(0, 1)):
    """A comparison whose second arm is better than sft."""
    found = comparison(list(seeds), 0.0125, difference)
    better = {"mean": mean, "deviation": 0.0125, "per_seed": {str(seed): mean for seed in seeds}}
    found["arms"][1]["values"] = {"hr@10": better}
    return found


@pytest.mark.parametrize(("p", "sign"), [(0.0099, "**"), (0.01, "*"), (0.0499, "*"), (0.05, ""), (None, "")])
def test_marks_are_of_the_corrected_p_value(p, sign) -> None:
    means, differences = comparison_grids(improved(TESTED | {"p_holm": p}))
    assert means.marks == ({(1, 2): sign} if sign else {})
    assert differences.marks == ({(0, 2): sign} if sign else {})
    legend = "* p < 0.05, ** p < 0.01 against sft: paired t-test over users, Holm-corrected for 1 comparison"
    assert means.note.startswith(legend) and len(means.note) <= 120 and "\n" not in means.note


def test_the_best_mean_and_the_second() -> None:
    assert comparison_grids(improved())[0].emphasis == {(1, 2): "best", (0, 2): "second"}
    assert comparison_grids(improved(mean=0.25001))[0].emphasis == {}  # they read the same


def test_gains_stand_behind_the_means_when_asked_for() -> None:
    rows = comparison_grids(improved(), relative=True)[0].rows
    assert [row[2] for row in rows] == ["0.2500 ± 0.0125", "0.2700 ± 0.0125 (+8.0%)", "0.5000"]


def test_a_terminal_gets_tables_of_at_most_120_letters(capsys) -> None:
    names = ["auc", "wpauc(0.01,0.05)", "hr@1", "hr@10", "ndcg@10", "hr@50", "wpauc(0,0.01)"]
    wide = improved()
    wide["metrics"] = names
    wide["arms"] = [wide["arms"][0], *(wide["arms"][1] | {"arm": f"tawin 0.01,0.0{arm}"} for arm in range(2, 6))]
    for arm in wide["arms"]:
        arm["values"] = dict.fromkeys(names, arm["values"]["hr@10"])
        if "difference" in arm:
            arm["difference"] = {"values": dict.fromkeys(names, TESTED)}
    five = wide | {"metrics": names[:5]}
    # The differences are in two parts, and so are the means of seven metrics.
    assert len(terminal_grids(five)) == 3 and len(terminal_grids(wide)) == 4
    for one in (five, wide):
        show(terminal_grids(one))
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= 120
        assert shown.count("0.2700 ± 0.0125**") == 4 * len(one["metrics"])


def test_folding_keeps_every_cell_mark_and_emphasis() -> None:
    (grid, _) = comparison_grids(improved())
    assert folded(grid) == [grid]
    two = improved()
    two["metrics"] = ["hr@10", "auc"]
    for arm in two["arms"]:
        arm["values"] = dict.fromkeys(two["metrics"], arm["values"]["hr@10"])
    two["arms"][1]["difference"] = {"values": {"hr@10": TESTED, "auc": CLEAR}}
    first, second = folded(comparison_grids(two)[0], width=1)  # nothing fits: a column a part
    assert (first.columns, second.columns) == (["arm", "seeds", "hr@10"], ["arm", "seeds", "auc"])
    assert [row[2] for row in second.rows] == ["0.2500 ± 0.0125", "0.2700 ± 0.0125", ""]
    assert (first.marks, second.marks) == ({(1, 2): "**"}, {})
    assert first.emphasis == second.emphasis == {(1, 2): "best", (0, 2): "second"}
    assert first.title and not first.note and second.note and not second.title


def test_markdown_of_one_data_set_and_of_two() -> None:
    text = as_markdown([improved()])
    assert "| arm | seeds | hr@10 |\n| --- | --- | ---: |\n| sft | 0,1 | *0.2500 ± 0.0125* |\n" in text
    assert "| grpo beam | 0,1 | **0.2700 ± 0.0125** ** |\n" in text
    assert "Best in bold, second in italics. \\* p < 0.05, \\*\\* p < 0.01 against sft" in text
    assert "## " not in text and "| grpo beam | 1 | 0.2700 |" in text
    both = as_markdown([improved(), improved() | {"data": "bazaar"}])
    assert re.findall("^## .*", both, re.MULTILINE) == ["## amazon_beauty", "## bazaar"]


def test_latex_letter_by_letter() -> None:
    star, less = r"\textasteriskcentered{}", "p $<$"
    caption = (
        r"Test of amazon\_beauty, 1,200 cases, seen items kept: mean $\pm$ standard deviation (n - 1) over seeds. "
        rf"Best in bold, second underlined. {star} {less} 0.05, {star}{star} {less} 0.01 against sft: "
        "paired t-test over users, Holm-corrected for 1 comparison (arm x metric)."
    )
    table = as_latex([improved()]).split("\n\n")[1]
    assert (
        table.replace(caption, "CAPTION")
        == r"""\begin{table}
  \centering
  \small
  \caption{CAPTION}
  \begin{tabular}{llr}
    \toprule
    arm & seeds & hr@10 \\
    \midrule
    sft & 0,1 & \underline{0.2500 $\pm$ 0.0125} \\
    grpo beam & 0,1 & \textbf{0.2700 $\pm$ 0.0125}\rlap{$^{{*}{*}}$} \\
    best possible &  & 0.5000 \\
    \bottomrule
  \end{tabular}
\end{table}"""
    )


def test_latex_is_balanced_whatever_an_arm_is_called() -> None:
    awkward = improved(TESTED | {"difference": -0.02})
    awkward["arms"][1]["arm"] = r"50%_of {tawin} & \more ~^#$ <|>"
    text = as_latex([awkward, awkward], relative=True)
    bare = re.sub(r"\\[\\{}%&#$_]", "", text)  # without what is escaped
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    assert bare.count(r"\begin{table}") == bare.count(r"\end{table}") == 4
    assert escaped(awkward["arms"][1]["arm"]) in text
    for table in text.split(r"\begin{tabular}")[1:]:  # as many cells as columns
        lines = [line for line in table.splitlines() if line.endswith(r" \\")]
        cells = {len(re.split(r"(?<!\\)&", line)) for line in lines}
        assert cells == {len(table.partition("}")[0]) - 1}, lines
    assert "$-$0.0200" in text
    assert all(escaped(letter) == shown for letter, shown in CHARACTERS.items())


def test_csv_has_every_number_unrounded() -> None:
    third = improved(TESTED | {"difference": 1 / 3, "p_holm": float("nan")}, mean=2 / 3, seeds=(0, 2))
    rows = list(csv.DictReader(io.StringIO(as_csv([improved(), third | {"data": "a,b"}]))))
    assert [(row["data"], row["arm"], row["mark"]) for row in rows] == [
        ("amazon_beauty", "sft", ""),
        ("amazon_beauty", "grpo beam", "**"),
        ("a,b", "sft", ""),
        ("a,b", "grpo beam", ""),
    ]
    assert float(rows[3]["difference"]) == 1 / 3 and float(rows[3]["mean"]) == 2 / 3
    assert (rows[3]["p_holm"], rows[3]["seed_1"], rows[3]["seed_2"]) == ("", "", str(2 / 3))
    assert (rows[1]["seed_1"], rows[1]["seed_2"], rows[0]["difference"]) == ("0.27", "", "")
    assert {key: float(rows[1][key]) for key in TESTED} == TESTED


def test_files_are_written_all_or_none(tmp_path) -> None:
    folder = tmp_path / "made" / "anew"
    paths = write_tables(folder, [improved()])
    assert sorted(path.name for path in folder.iterdir()) == ["comparison.json", "table.csv", "table.md", "table.tex"]
    assert sorted(paths) == sorted(folder.iterdir())
    assert json.loads((folder / "comparison.json").read_text()) == improved()
    before = {path: path.read_bytes() for path in paths}
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(KeyError):  # the last of two cannot be rendered
        write_tables(folder, [improved(), {}])
    assert before == {path: path.read_bytes() for path in paths} and len(list(folder.iterdir())) == 5
    write_tables(folder, [improved(), improved()])
    assert json.loads((folder / "comparison.json").read_text()) == [improved(), improved()]
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("taken", ["file", "table.csv"])
def test_a_place_that_cannot_be_written_to(tmp_path, taken) -> None:
    folder = tmp_path / "tables"
    folder.write_text("a file") if taken == "file" else (folder / taken).mkdir(parents=True)
    with pytest.raises(UserError, match=f"--save {folder}"):
        write_tables(folder, [improved()])
    assert not list(tmp_path.rglob("*partial*")) and not (folder / "table.md").exists()


@pytest.mark.parametrize(
    "text, cell", [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("-x", "'-x"), ("sft", "sft"), (-0.5, -0.5)]
)
def test_no_cell_of_a_csv_is_a_formula(text, cell):
    assert _no_formula(text) == cell
