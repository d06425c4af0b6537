"""Files of scores: the three layouts, any column type, and one clear line for everything that is wrong with them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recbench
from recbench import score_file
from recbench.errors import UserError
from recbench.metrics.summary import summarise_ranks, summarise_scores

LABELS = [1, 0, 0, 1, 0, 0]
SCORES = [0.9, 0.5, 0.1, 0.3, 0.3, 0.2]
WINDOWS, KS = [(0, 0.5)], [1, 2]


def csv(folder: Path, text: str) -> Path:
    file = folder / "scores.csv"
    file.write_text(text)
    return file


@pytest.mark.parametrize("suffix", ["csv", "parquet", "csv.gz"])
def test_the_three_layouts(tmp_path: Path, suffix: str) -> None:
    users = ["b", "b", "b", "a", "a", "a"]
    counts = {"user": ["x", "x", "y"], "above": [0, 3, 1], "ties": [0, 1, 0], "n": [5, 6, 7]}
    layouts = [
        (
            {"user": users, "label": LABELS, "score": SCORES},
            # By hand: user b is perfect; user a ties with one of two negatives: 0.75.
            0.875,
            summarise_scores(LABELS, SCORES, WINDOWS, KS, groups=[0, 0, 0, 1, 1, 1], samples=20, seed=3),
        ),
        (
            {"extra": users, "score": SCORES, "label": LABELS},
            # 0.9 beats four; 0.3 ties with one and beats two of four: (4 + 2.5) / 8.
            0.8125,
            summarise_scores(LABELS, SCORES, WINDOWS, KS, samples=20, seed=3),
        ),
        (
            counts,
            (1 + 2.5 / 6 + 6 / 7) / 3,
            summarise_ranks(
                counts["above"], counts["ties"], counts["n"], WINDOWS, KS, groups=[0, 0, 1], samples=20, seed=3
            ),
        ),
    ]
    for columns, auc, expected in layouts:
        file = tmp_path / f"scores.{suffix}"
        frame = pd.DataFrame(columns)
        frame.to_parquet(file) if suffix == "parquet" else frame.to_csv(file, index=False)
        metrics = score_file(file, WINDOWS, KS, samples=20, seed=3)
        assert metrics["auc"]["value"] == pytest.approx(auc, abs=1e-9)
        assert list(metrics) == list(expected)
        for name, entry in expected.items():
            assert metrics[name] == pytest.approx(entry, nan_ok=True)


@pytest.mark.parametrize(
    "users",
    [
        [1, 1, 1, 2, 2, 2],
        [1.5, 1.5, 1.5, 2.5, 2.5, 2.5],
        ["NA", "NA", "NA", "null", "null", "null"],
        [b"a", b"a", b"a", b"b", b"b", b"b"],
        [True, True, True, False, False, False],
        pd.Categorical(["u", "u", "u", "v", "v", "v"], categories=["v", "w", "u"]),
        pd.to_datetime(["2020-01-01"] * 3 + ["2020-01-02"] * 3),
        pd.array([7, 7, 7, 8, 8, 8], dtype="Int64"),
    ],
    ids=["int", "float", "text", "bytes", "bool", "category", "time", "nullable"],
)
def test_users_of_any_type(tmp_path: Path, users: object) -> None:
    file = tmp_path / "scores.parquet"
    pd.DataFrame({"user": users, "label": np.array(LABELS, dtype=bool), "score": np.float32(SCORES)}).to_parquet(file)
    assert score_file(file, [], [], samples=0)["auc"]["value"] == 0.875


def test_users_in_csv_are_text(tmp_path: Path) -> None:
    rows = zip(["7"] * 3 + ["007"] * 3, LABELS, SCORES, strict=True)
    file = csv(tmp_path, "user,label,score\n" + "".join(f"{user},{label},{score}\n" for user, label, score in rows))
    assert score_file(file, [], [], samples=0)["auc"]["value"] == 0.875


def test_close_scores_stay_apart_and_equal_ones_together(tmp_path: Path) -> None:
    close = np.nextafter(0.1, 1)
    apart = csv(tmp_path, f"label,score\n1,{close!r}\n0,0.1\n".replace("np.float64(", "").replace(")", ""))
    assert score_file(apart, [], [], samples=0)["auc"]["value"] == 1
    together = csv(tmp_path, "label,score\n1,0.10\n0,1e-1\n")
    assert score_file(together, [], [], samples=0)["auc"]["value"] == 0.5


def test_labels_may_be_true_and_false(tmp_path: Path) -> None:
    assert (
        score_file(csv(tmp_path, "label,score\nTrue,0.5\nfalse,0.1\n1.0,3\n"), [], [], samples=0)["auc"]["value"] == 1
    )


def test_infinite_scores_and_blank_lines_are_fine(tmp_path: Path) -> None:
    file = csv(tmp_path, "label,score\n1,0.5\n\n0,-inf\n0,-inf\n\n")
    assert score_file(file, [], [], samples=0)["auc"]["value"] == 1


def test_a_file_with_a_byte_order_mark_and_other_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_bytes(b"\xef\xbb\xbflabel,score\r\n1,0.5\r\n0,0.1")
    assert score_file(file, [], [], samples=0)["auc"]["value"] == 1


def test_the_same_file_and_seed_give_the_same_numbers(tmp_path: Path) -> None:
    file = csv(tmp_path, "label,score\n" + "".join(f"{i % 2},{i * 7 % 10}\n" for i in range(40)))
    first = score_file(file, WINDOWS, [], samples=50, seed=0)
    assert first == score_file(file, WINDOWS, [], samples=50, seed=0)
    assert first != score_file(file, WINDOWS, [], samples=50, seed=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("user,label,score\n", "no rows"),
        ("u,label,p\n1,1,1\n", "columns 'u', 'label', 'p'; expected (user, label, score), (label, score)"),
        ("label score\n1 2\n", "columns 'label score'; expected"),
        ("above,ties,n\n1,0,5\n", "columns 'above', 'ties', 'n'; expected"),
        ("label,score,score\n1,2,3\n", "2 columns called 'score'"),
        ("user,label,score,above,ties,n\n1,1,1,1,1,1\n", "both"),
        ("label,score\n1,0.5\n\n0,nan\n", "line 4: score must be a number, found"),
        ("label,score\n1,0.5\n0,\n", "line 3: score must be a number, found no value (NaN)"),
        ("label,score\n1,0.5\n0,high\n", "line 3: score must be a number, found 'high'"),
        ("label,score\n1,0.5\n2,0.1\n", "line 3: label must be 0 or 1, found 2"),
        ("label,score\n1,0.5\nnan,0.1\n", "line 3: label must be 0 or 1, found no value"),
        ("label,score\nyes,0.5\n", "line 2: label must be 0 or 1, found 'yes'"),
        ("label,score\n1,0.5\n,0.1\n", "line 3: label must be 0 or 1, found no value"),
        ("user,label,score\na,1,0.5\n,0,0.5\n", "line 3: user is missing"),
        ("user,label,score\na,1,0.5\nb,0\n", "line 3: another number of fields than the header"),
        ("label,score\n1,0.5\n0,0.1,7\n", "line 3: another number of fields than the header"),
        ("label,score\n1,0.5,7\n0,0.1,7\n", "line 2: another number of fields than the header"),
        ("user,above,ties,n\na,1,0,5\na,1.5,0,5\n", "line 3: above must be a whole number from 0 to 2^53, found 1.5"),
        ("user,above,ties,n\na,1,-1,5\n", "line 2: ties must be a whole number from 0 to 2^53, found -1"),
        ("user,above,ties,n\na,1,0,inf\n", "line 2: n must be a whole number from 0 to 2^53, found inf"),
        ("user,above,ties,n\na,4,2,5\n", "line 2: n must be at least above + ties, found 5"),
        ("user,above,ties,n\na,,2,5\n", "line 2: above must be a number, found no value"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_by_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    file = csv(tmp_path, text)
    with pytest.raises(UserError) as error:
        score_file(file, WINDOWS, KS)
    assert message in str(error.value)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_folders_and_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none.csv does not exist"):
        score_file(tmp_path / "none.csv", [], [])
    with pytest.raises(UserError, match="is not a file"):
        score_file(tmp_path, [], [])
    other = tmp_path / "scores.json"
    other.write_text("{}")
    with pytest.raises(UserError, match="neither .csv nor .parquet"):
        score_file(other, [], [])
    for name in ("scores.csv", "scores.parquet"):
        (tmp_path / name).write_bytes(bytes(range(128, 256)))
        with pytest.raises(UserError, match=name):
            score_file(tmp_path / name, [], [])


def test_parquet_rows_are_named_from_one(tmp_path: Path) -> None:
    file = tmp_path / "scores.parquet"
    pd.DataFrame({"label": [1, 0], "score": [0.5, np.nan]}).to_parquet(file)
    with pytest.raises(UserError, match=r"row 2: score must be a number, found no value \(NaN\)"):
        score_file(file, [], [])
    pd.DataFrame({"user": [[1], [2]], "label": [1, 0], "score": [0.5, 0.1]}).to_parquet(file)
    with pytest.raises(UserError, match="column 'user'"):
        score_file(file, [], [])


@pytest.mark.parametrize(("windows", "ks"), [([(0.5, 0.1)], []), ([(0, 2)], []), ([(0.1,)], []), ([], [0])])
def test_malformed_windows_and_cutoffs_are_refused(tmp_path: Path, windows: list, ks: list[int]) -> None:
    file = csv(tmp_path, "label,score\n1,0.5\n0,0.1\n")
    with pytest.raises(UserError):
        score_file(file, windows, ks)


def test_one_class_users_and_narrow_windows_warn(tmp_path: Path) -> None:
    file = csv(tmp_path, "user,label,score\na,1,0.5\na,0,0.1\na,0,0.7\nb,1,0.2\n")
    with pytest.warns(UserWarning) as caught:
        score_file(file, [(0, 0.1)], [], samples=0)
    texts = " ".join(str(warning.message) for warning in caught)
    assert "1 of 2 users have only positives or only negatives" in texts
    assert "window 0,0.1 is narrower than one negative in 1 of 1 rankings (at least 0.2 of one" in texts


@pytest.mark.process
def test_importing_the_package_is_cheap() -> None:
    code = "import sys, recbench.metrics.summary, recbench; recbench.score_file; "
    code += "print([name for name in ('pandas', 'torch', 'pyarrow', 'matplotlib') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        recbench.nothing  # noqa: B018
