"""Click logs through the table source: the public formats of Criteo and Avazu, and anyone's own."""

import gzip
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from recbench.data.build import build
from recbench.data.dataset import load_data
from recbench.data.sources.table import read
from recbench.errors import UserError
from recbench.schema import DataConfig

CONFIGS = Path(__file__).parents[3] / "conf" / "data"


def shipped(name: str, path: Path) -> DataConfig:
    config = OmegaConf.merge(OmegaConf.structured(DataConfig), OmegaConf.load(CONFIGS / f"{name}.yaml"))
    config.path = str(path)
    return config


def config(path, **options) -> DataConfig:
    return DataConfig(name="toy", source="table", path=str(path), min_user_interactions=1, options=options)


def criteo_line(label: int, numbers: list[str], categories: list[str]) -> str:
    """Tab separated without a header, as the challenge's readme has it; gaps are empty."""
    return "\t".join([str(label), *numbers, *[""] * (13 - len(numbers)), *categories, *[""] * (26 - len(categories))])


def test_criteo(tmp_path):
    lines = [
        criteo_line(0, ["1", "1", "5", "0", "1382"], ["68fd1e64", "80e26c9b"]),
        criteo_line(1, ["", "-1", "44"], ["68fd1e64", "", "be589b51"]),
    ]
    (tmp_path / "train.txt").write_text("\n".join(lines * 10) + "\n")
    source = shipped("criteo", tmp_path / "train.txt")
    numbers = build(source, tmp_path / "run")
    assert numbers["impressions"]["rows"] == 20 and numbers["impressions"]["clicks"] == 10
    splits = {name: split["rows"] for name, split in numbers["impressions"]["splits"].items()}
    assert splits == {"train": 16, "validation": 2, "test": 2}
    data = load_data(tmp_path / "run")
    shown = data.impressions
    assert shown.users == ["anyone"] and data.catalogue["item"][:] == ["anything"] and not data.interactions.users
    assert list(shown.context) == [f"I{k}" for k in range(1, 14)] + [f"C{k}" for k in range(1, 27)]
    clicked = int(shown.label.argmax())
    assert shown.context["I2"][clicked] == -1 and math.isnan(shown.context["I1"][clicked])
    assert shown.context["C1"][clicked] == "68fd1e64" and shown.context["C2"][clicked] is None
    source.options.rows = 3
    source.options.impressions_split.by = "order"
    assert read(source).impressions["split"].to_pylist() == ["train", "train", "validation"]  # 2.4 is 2, 2.7 is 3
    (tmp_path / "train.txt").write_text(lines[0] + "\n" + lines[1].replace("44", "many"))
    with pytest.raises(UserError, match="train.txt line 2: the I3 is no number"):
        read(source)
    (tmp_path / "train.txt").write_text(lines[0] + "\n0\t1\n")
    with pytest.raises(UserError, match="train.txt line 2: another number of fields than data.options.names"):
        read(source)


AVAZU = (
    "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,device_ip,"
    "device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21\n"
)
AVAZU_LINE = (
    "1e{n:019},{click},{hour},1005,0,1fbe01fe,f3845767,28905ebd,ecad2386,7801e8d9,07d7df22,a99f214a,ddd2926e,"
    "44956a24,1,2,15706,320,50,1722,0,35,-1,79\n"
)


@pytest.mark.parametrize("name", ["train.csv", "train.gz"])
def test_avazu(tmp_path, name):
    hours = ["14102100", "14102123", "14102200"] * 4
    text = AVAZU + "".join(AVAZU_LINE.format(n=n, click=n % 2, hour=hour) for n, hour in enumerate(hours))
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    impressions = read(shipped("avazu", path)).impressions
    assert impressions["label"].to_pylist() == [0, 1] * 6
    assert impressions["timestamp"][0].as_py() == 1_413_849_600  # 2014-10-21T00:00:00Z, a Tuesday
    assert impressions["hour"].to_pylist()[:3] == ["0", "23", "0"]
    assert impressions["weekday"].to_pylist()[:3] == ["Tuesday", "Tuesday", "Wednesday"]
    assert impressions["C20"].to_pylist() == ["-1"] * 12
    assert "id" not in impressions.column_names
    assert build(shipped("avazu", path), tmp_path / "run")["impressions"]["rows"] == 12


def test_avazu_with_another_format_of_time(tmp_path):
    (tmp_path / "train.csv").write_text(AVAZU + AVAZU_LINE.format(n=1, click=1, hour="2014-10-21"))
    with pytest.raises(UserError, match="line 2: the timestamp is not of data.options.timestamp_format"):
        read(shipped("avazu", tmp_path / "train.csv"))


LOG = (
    "who,what,near,when,hit,place,chance,truth,device,price,pic\n"
    "ann,b,a,30,0,0,0.5,0.25,phone,2.5,b.png\n"
    "ann,a,b,10,1,1,0.25,0.75,,,\n"
    "bob,c,a,20,1,0,1,0.5,desk,1,c.png\n"
    "bob,b,c,40,1,2,0.125,0.1,desk,3,other.png\n"
)
COLUMNS = {
    "user": "who",
    "item": "what",
    "query": "near",
    "timestamp": "when",
    "label": "hit",
    "position": "place",
    "propensity": "chance",
    "probability": "truth",
    "image": "pic",
}
CONTEXT = {"categorical": ["device"], "numeric": ["price"]}


def test_your_own_log_with_every_role(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "people.csv").write_text("name,age\nbob,old\n")
    (tmp_path / "b.png").write_bytes(b"png")
    source = config(
        tmp_path / "log.csv",
        columns=COLUMNS,
        context=CONTEXT,
        impressions_split={"validation": 0.25, "test": 0.25},
        users_file="people.csv",
        user_columns={"user": "name", "age": "age"},
    )
    source.user_fields = ["age"]
    numbers = build(source, tmp_path / "run")
    data = load_data(tmp_path / "run")
    shown = data.impressions
    assert data.catalogue["item"][:] == ["b", "a", "c"]
    assert data.catalogue["image"][:] == ["b.png", None, "c.png"]  # the first row that has one
    assert numbers["images"] == {"present": 1, "missing": 1, "items_without": 1}
    assert shown.timestamp.tolist() == [10, 20, 30, 40] and shown.split.tolist() == [0, 0, 1, 2]
    assert shown.item.tolist() == [1, 2, 0, 0] and shown.query.tolist() == [0, 1, 1, 2]
    assert shown.label.tolist() == [1, 1, 0, 1] and shown.position.tolist() == [1, 0, 0, 2]
    assert shown.propensity.tolist() == [0.25, 1, 0.5, 0.125]
    assert shown.probability.tolist() == [0.75, 0.5, 0.25, 0.1]
    assert shown.users == ["ann", "bob"] and shown.user_fields["age"].tolist() == [None, "old"]
    assert shown.context["device"].tolist() == [None, "desk", "phone", "desk"]
    assert math.isnan(shown.context["price"][0]) and shown.context["price"].tolist()[1:] == [1, 2.5, 3]
    # the clicks are sequences too: ann a, bob c b
    assert data.interactions.users == ["ann", "bob"] and data.interactions.items.tolist() == [1, 2, 0]
    assert data.image(0).path == tmp_path / "b.png" and data.image(1).path is None


def test_ratings_with_a_threshold_are_impressions_and_too_short_sequences_are_none(tmp_path):
    (tmp_path / "stars.csv").write_text("user,item,stars,part\na,x,5,train\na,y,1,train\nb,x,4,valid\nb,z,2,test\n")
    columns = {"user": "user", "item": "item", "rating": "stars", "split": "part"}
    source = config(tmp_path / "stars.csv", columns=columns, positive_rating=4)
    source.min_user_interactions = 3
    numbers = build(source, tmp_path / "run")
    data = load_data(tmp_path / "run")
    assert data.impressions.label.tolist() == [1, 0, 1, 0] and data.impressions.split.tolist() == [0, 0, 1, 2]
    assert data.impressions.context == {} and not data.interactions.users
    assert numbers["dropped"]["outside the core"] == 2 and numbers["items"] == 3


def test_without_labels_there_are_no_impressions(tmp_path):
    (tmp_path / "bought.csv").write_text("user,item\na,x\na,y\n")
    assert read(config(tmp_path / "bought.csv")).impressions is None


def test_parquet_logs(tmp_path):
    table = {"who": ["a", "b"], "hit": [1, 0], "price": [1.5, None], "device": ["p", None]}
    pq.write_table(pa.table(table), tmp_path / "log.parquet")
    columns = {"user": "who", "label": "hit"}
    impressions = read(config(tmp_path / "log.parquet", columns=columns, context=CONTEXT)).impressions
    assert impressions["price"].to_pylist() == [1.5, None] and impressions["device"].to_pylist() == ["p", None]
    assert impressions["item"].to_pylist() == ["anything"] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": {"numeric": ["hit"]}}, "context has 'hit', which the label is made of"),
        (
            {"context": {"numbers": ["price"]}},
            "context.numbers is no key of .*; it knows: categorical, numeric, time; did you mean 'numeric'",
        ),
        ({"context": {"numeric": ["price"], "categorical": ["price"]}}, "a column 'price', twice"),
        ({"context": {"time": ["minute"]}}, "context.time has 'minute', expected hour or weekday"),
        ({"columns": {"user": "who", "item": "what"}, "context": CONTEXT}, "context needs impressions: map a label"),
        ({"items_file": "items.csv"}, "columns maps image, which needs an item column and no items_file"),
        ({"rows": 0}, "rows is 0, expected at least 1"),
        ({"impressions_split": {"by": "day"}}, "by is 'day', expected order, random or, with a timestamp, time"),
        ({"columns": {"label": "hit"}, "impressions_split": {"by": "time"}}, "by is 'time', expected order, random"),
        ({"impressions_split": {"test": 1.0}}, "expected shares that leave some for training"),
        ({"columns": COLUMNS | {"position": "price"}}, "line 2: the position is no whole number from 0"),
        ({"columns": COLUMNS | {"propensity": "hit"}}, "line 2: the propensity is not above 0 and at most 1"),
        ({"columns": COLUMNS | {"probability": "when"}}, "line 2: the probability is not from 0 to 1"),
        ({"columns": COLUMNS | {"split": "device"}}, "line 2: the split is none of train, valid, validation, test"),
    ],
)
def test_mistakes_are_one_line(tmp_path, options, message):
    (tmp_path / "log.csv").write_text(LOG)
    with pytest.raises(UserError, match=message) as error:
        read(config(tmp_path / "log.csv", **({"columns": COLUMNS} | options)))
    assert "\n" not in str(error.value)
