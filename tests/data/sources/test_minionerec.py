import csv
import json

import pytest
from hypothesis import assume, settings
from hypothesis import given as given_by
from hypothesis import strategies as st

from recbench.data.build import build
from recbench.data.dataset import load_data
from recbench.data.interactions import TEST, TRAIN, VALIDATION, held_out_cases, histories, user_of_interaction
from recbench.data.sources.minionerec import plain_text, read
from recbench.errors import UserError
from recbench.schema import DataConfig


def config(folder, **options) -> DataConfig:
    return DataConfig(name="toy", source="minionerec", path=str(folder), options=options)


def write(folder, items: int = 20, **files) -> DataConfig:
    (folder / "index.json").write_text(json.dumps({str(i): [f"<a_{i}>", "<b_0>"] for i in range(items)}))
    described = {"0": {"title": "Glue", "description": "['Strong.', 'Fast.']", "brand": "Acme", "categories": ""}}
    (folder / "item.json").write_text(json.dumps(described))
    for name, rows in files.items():
        with (folder / f"{name}.csv").open("w", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(["user_id", "history_item_title", "item_title", "history_item_id", "item_id"])
            writer.writerows([[user, "['x, y']", "t", str(history), item] for user, history, item in rows])
    return config(folder)


def test_sequences_are_rebuilt_from_overlapping_histories(tmp_path):
    source = write(tmp_path, valid=[("A", [3, 4], 4), ("A", [3, 4, 4], 5), ("B", [1], 2)], test=[("B", [1, 2], 3)])
    build(source, tmp_path / "run")
    data = load_data(tmp_path / "run")
    assert data.interactions.users == ["A", "B"]
    assert data.interactions.items.tolist() == [3, 4, 4, 5, 1, 2, 3]
    assert len(data.catalogue) == 20  # the index file's, used or not
    assert data.catalogue[0]["title"] == "Glue" and data.catalogue[0]["text"] == "Strong. Fast."
    assert data.catalogue[0]["brand"] == "Acme" and data.catalogue[1]["brand"] is None


def test_full_histories_slide_and_their_lost_beginning_is_reported(tmp_path):
    ten = list(range(10))
    raw = read(write(tmp_path, valid=[("A", ten, 10)], test=[("A", [*ten[1:], 10], 11)]))
    assert [int(item) for item in raw.interactions["item"].to_pylist()] == list(range(12))
    assert raw.problems == ["1 of 1 users lack their first items: histories hold 10"]


def test_a_training_file_is_used_where_it_is(tmp_path):
    raw = read(write(tmp_path, train=[("A", [1], 2)], valid=[("A", [1, 2], 3)], test=[("A", [1, 2, 3], 4)]))
    assert raw.interactions["item"].to_pylist() == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("valid", "message"),
    [
        ([("A", [1], 2), ("A", [1, 3], 4)], "valid.csv line 3: the history does not continue the user's rows before"),
        ([("A", "[1, 2", 2)], "valid.csv line 2: history_item_id is no list"),
        ([("A", "__import__('os')", 2)], "valid.csv line 2: history_item_id is no list"),
        ([("A", [1], 99)], "valid.csv line 2: an item that the index file lacks .99."),
    ],
)
def test_mistakes_name_the_line(tmp_path, valid, message):
    source = write(tmp_path, valid=valid, test=[("B", [1], 2)])
    with pytest.raises(UserError, match=message):
        read(source)
    source.options["skip_bad_lines"] = True
    assert read(source).skipped


def test_missing_and_broken_files(tmp_path):
    source = write(tmp_path, valid=[("A", [1], 2)])
    with pytest.raises(UserError, match="test.csv is no file"):
        read(source)
    (tmp_path / "item.json").write_text("{")
    with pytest.raises(UserError, match="item.json is not JSON"):
        read(source)
    (tmp_path / "item.json").write_text("[]")
    with pytest.raises(UserError, match="item.json holds a list, expected an object"):
        read(source)


def test_descriptions_as_they_occur():
    assert plain_text("['a', 'b']") == plain_text(["a", "b"]) == "a b"
    assert plain_text("[draft") == "[draft" and plain_text(None) == "" and plain_text("plain") == "plain"


def given(folder, **files) -> DataConfig:
    source = write(folder, **files)
    source.split = "given"
    return source


def cases_of(data) -> list[tuple[str, str, list[int], int]]:
    """Split, user, history of up to ten and target of every case."""
    found = []
    for name, code in (("validation", VALIDATION), ("test", TEST)):
        cases = held_out_cases(data.interactions, code)
        past = histories(data.interactions, cases, 10)
        for user, position, row in zip(cases.user, cases.position, past, strict=True):
            target = int(data.interactions.items[position])
            found.append((name, data.interactions.users[user], [int(item) for item in row if item >= 0], target))
    return found


def trained_on(data) -> dict[str, list[int]]:
    """The items that may be trained on, by user."""
    mine = data.interactions
    user = user_of_interaction(mine)
    return {name: mine.items[(user == row) & (mine.split == TRAIN)].tolist() for row, name in enumerate(mine.users)}


def test_given_files_are_the_split_and_each_row_is_a_case(tmp_path):
    valid = [("A", [3, 4], 4), ("A", [3, 4, 4], 5), ("B", [1], 2), ("C", [1], 7)]  # B and C: equal histories
    test = [("B", [1, 2], 3), ("D", [1, 2], 9), ("E", [1], 9)]
    build(given(tmp_path, valid=valid, test=test), tmp_path / "run")
    data = load_data(tmp_path / "run")
    rows = [("validation", *row) for row in valid] + [("test", *row) for row in test]
    assert sorted(cases_of(data)) == sorted(row for row in rows if row[1] not in "CE")  # too short for the core
    # A's and D's histories lie before validation: each item but the first is the target of a row of training. B's one
    # item may be as late as the row.
    assert trained_on(data) == {"A": [3, 4], "B": [], "D": [1, 2]}
    described = json.loads((tmp_path / "run" / "description.json").read_text())
    assert described["numbers"]["splits"] == {"train": 4, "validation": 4, "test": 2}  # B's first is no case
    assert described["numbers"]["cases"] == {"validation": 3, "test": 2}
    assert any(
        problem.startswith("without train.csv the histories show 4 interactions of 2 users")
        and "3 users of validation and test show none" in problem
        for problem in described["problems"]
    )


def test_given_trains_on_the_training_file_where_it_is(tmp_path):
    source = given(
        tmp_path,
        train=[("A", [1], 2), ("T", [5], 6), ("A", [1, 2], 3)],
        valid=[("A", [1, 2, 3], 4)],
        test=[("A", [1, 2, 3, 4], 5)],
    )
    source.min_user_interactions = 1
    build(source, tmp_path / "run")
    data = load_data(tmp_path / "run")
    assert trained_on(data) == {"A": [1, 2, 3], "T": [5, 6]}
    assert cases_of(data) == [("validation", "A", [1, 2, 3], 4), ("test", "A", [1, 2, 3, 4], 5)]
    assert not read(source).problems


@st.composite
def logs(draw):
    """What users did, each entry a user and an item, in order of time; and where validation and test begin."""
    log = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 19)), min_size=4, max_size=80))
    cuts = draw(st.tuples(st.floats(0, 1), st.floats(0, 1)))
    return log, sorted(cuts)


@settings(max_examples=60, deadline=None)
@given_by(logs(), st.booleans())
def test_nothing_held_out_is_trained_on(tmp_path_factory, log_and_cuts, with_train):
    log, cuts = log_and_cuts
    rows, past = [], {}
    for user, item in log:  # the sliding windows as MiniOneRec makes them: no row for a user's first
        before = past.setdefault(user, [])
        if before:
            rows.append((f"u{user}", before[-10:], item))
        past[user] = [*before, item]
    first, second = (round(cut * len(rows)) for cut in cuts)
    assume(first < second < len(rows))
    folder = tmp_path_factory.mktemp("given")
    files = {"valid": rows[first:second], "test": rows[second:]} | ({"train": rows[:first]} if with_train else {})
    source = given(folder, **files)
    source.min_user_interactions = 1
    build(source, folder / "run")
    data = load_data(folder / "run")
    split = ["validation"] * (second - first) + ["test"] * (len(rows) - second)
    assert sorted(cases_of(data)) == sorted((name, *row) for name, row in zip(split, rows[first:], strict=True))
    targets = {user: items[1:] for user, items in past.items()}
    for user, items in targets.items():
        trained = trained_on(data).get(f"u{user}", [])
        early = sum(name == f"u{user}" for name, _, _ in rows[:first])  # targets of training rows
        whole = [past[user][0], *items[:early]] if early else []
        # Without the training file, what came before a full history is not known.
        assert trained == whole if with_train else whole[len(whole) - len(trained) :] == trained
        if not with_train and len(past[user]) <= 10 and any(name == f"u{user}" for name, _, _ in rows[first:]):
            assert trained == whole


@pytest.mark.parametrize(
    ("valid", "changes", "message"),
    [
        ([("A", [], 2)], {}, "valid.csv line 2: the history is empty; expected at least one item"),
        ([("A", [1], 99)], {}, "valid.csv line 2: an item that the index file lacks .99."),
        ([("A", [1], 2)], {"skip_bad_lines": True}, "skip_bad_lines=true with data.split=given: the item of a row"),
    ],
)
def test_given_files_must_be_whole(tmp_path, valid, changes, message):
    source = given(tmp_path, valid=valid, test=[("B", [1], 2)])
    source.options |= changes
    with pytest.raises(UserError, match=message) as error:
        read(source)
    assert "\n" not in str(error.value)


def test_given_through_the_command_line(tmp_path, fresh_workspace):
    write(tmp_path, valid=[("A", [3, 4], 4), ("A", [3, 4, 4], 5)], test=[("D", [1, 2], 9)])
    words = ["data=amazon_industrial", "data.split=given", f"data.path={tmp_path}"]
    run = fresh_workspace.made("data", *words)
    assert "without train.csv the histories show 4 interactions of 2 users" in (run.path / "report.md").read_text()
    assert load_data(run.path).interactions.split.tolist() == [0, 0, 1, 1, 0, 0, 2]
    (tmp_path / "valid.csv").unlink()
    result = fresh_workspace.stage("data", *words)
    assert result.code == 2 and "valid.csv is no file" in result.err
    result = fresh_workspace.stage("data", "data=bazaar", "data.options.size=tiny", "data.split=given")
    assert result.code == 2
    assert "data.split=given: source bazaar of data set bazaar does not say which interactions" in result.err
