"""The tables of a comparison, from its numbers."""

from recbench.reporting.comparison import comparison_grids


def comparison(seeds, deviation, difference):
    values = {"hr@10": {"mean": 0.25, "deviation": deviation, "per_seed": {str(seed): 0.25 for seed in seeds}}}
    return {
        "split": "test",
        "seen_items": "kept",
        "cases": 1200,
        "users": 1000,
        "baseline": "sft",
        "metrics": ["hr@10"],
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
    assert means.title == "test, 1,200 cases, seen items kept: mean ± standard deviation over seeds"
    assert means.columns == ["arm", "seeds", "hr@10"]
    assert means.rows[1:] == [["grpo beam", "0,1", "0.2500 ± 0.0125"], ["best possible", "", "0.5000"]]
    assert seeds.rows[-1] == ["grpo beam", "1", "0.2500"]
    assert differences.title == "difference from sft, paired over 1,000 users"
    assert differences.rows == [
        ["hr@10", "grpo beam", "+0.0200", "[+0.0100, +0.0300]", "+8.0%", "0.0150", "–", "–", "–"]
    ]


def test_one_seed_has_no_deviation_and_no_table_of_its_own() -> None:
    means, differences = comparison_grids(comparison([0], None, UNCLEAR), per_seed=True)
    assert means.rows[0] == ["sft", "0", "0.2500"]
    assert differences.rows[0][2:5] == ["-0.0200", "[-0.0500, +0.0100]", "-8.0%"]


def test_seeds_in_a_row_are_shortened() -> None:
    assert comparison_grids(comparison([0, 1, 2, 3], 0.1, CLEAR))[0].rows[0][1] == "0-3"


def test_what_is_undefined_is_a_dash() -> None:
    unknown = dict.fromkeys(CLEAR)
    rows = comparison_grids(comparison([0], None, unknown))[1].rows
    assert rows[0][2:] == ["–", "[–, –]", *["–"] * 5]
