import numpy as np
import pytest

from recbench.data.build import build
from recbench.data.dataset import load_data
from recbench.data.sources.open_bandit import read
from recbench.errors import UserError
from recbench.schema import DataConfig

ITEMS = (
    ",item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3\n"
    "0,0,-0.5,aed7,6750,5c1e\n1,1,-0.25,31af,6750,5c1e\n2,2,1.5,31af,0000,5c1e\n"
)
HEADER = (
    ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,user_feature_3,"
    "user-item_affinity_0,user-item_affinity_1,user-item_affinity_2\n"
)
ROWS = (
    "0,2019-11-24 00:00:34.762830+00:00,1,3,0,0.25,b,x,y,z,0.0,0.0,0.0\n"
    "1,2019-11-24 00:00:36.000000+00:00,0,1,1,0.5,a,x,y,z,0.0,2.0,1.0\n"
    "2,2019-11-24 00:00:35.000000+00:00,2,2,0,1e-06,b,x,y,z,0.0,0.0,3.0\n"
    "3,2019-11-24 00:01:00+00:00,2,2,1,0.3,a,x,y,z,0.0,0.0,0.0\n"
)


def config(folder, **options) -> DataConfig:
    features = [f"user_feature_{number}" for number in range(4)]
    options = {"policy": "bts", "campaign": "men", "train": 0.5, "validation": 0.25} | options
    return DataConfig(name="toy", source="open_bandit", path=str(folder), options=options, user_fields=features)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "bts" / "men"
    place.mkdir(parents=True)
    (place / "item_context.csv").write_text(ITEMS)
    (place / "men.csv").write_text(HEADER + ROWS)
    return tmp_path


def test_impressions_with_propensities_in_order_of_time(folder):
    numbers = build(config(folder), folder / "run")
    data = load_data(folder / "run")
    shown = data.impressions
    start = 1_574_553_600  # 2019-11-24T00:00:00Z
    assert (shown.timestamp - start).tolist() == [34, 35, 36, 60]
    assert shown.item.tolist() == [1, 2, 0, 2] and shown.label.tolist() == [0, 0, 1, 1]
    assert shown.split.tolist() == [0, 0, 1, 2]
    assert shown.propensity.tolist() == [0.25, 1e-6, 0.5, 0.3] and shown.position.tolist() == [3, 2, 1, 2]
    assert shown.context["affinity"].tolist() == [0, 3, 3, 0]  # over all items, shown or not
    # two kinds of visitors: a x y z is the first in order of names
    assert [shown.users[user] for user in shown.user] == ["segment 1", "segment 1", "segment 0", "segment 0"]
    of_user = dict(zip(shown.users, shown.user_fields["user_feature_0"]))
    assert of_user == {"segment 0": "a", "segment 1": "b"}
    assert data.catalogue[2]["item_feature_1"] == "31af" and data.catalogue[2]["item"] == "2"
    assert not data.interactions.users and numbers["impressions"]["click_rate"] == 0.5
    assert np.array_equal(shown.user, [0, 0, 1, 1])


def test_mistakes_are_one_line(folder):
    for options, message in (
        ({"policy": "greedy"}, "policy is 'greedy', expected one of random, bts"),
        ({"campaign": "kids"}, "campaign is 'kids', expected one of all, men, women"),
        ({"policy": "random"}, "item_context.csv"),
        ({"train": 0.8, "validation": 0.2}, "shares that leave some for test"),
    ):
        with pytest.raises(UserError, match=message) as error:
            read(config(folder, **options))
        assert "\n" not in str(error.value)
    log = folder / "bts" / "men" / "men.csv"
    log.write_text(HEADER + ROWS + ROWS.replace(",0.25,", ",0,").splitlines()[0] + "\n")
    with pytest.raises(UserError, match="men.csv line 6: the propensity is not above 0 and at most 1"):
        read(config(folder))
    log.write_text(HEADER.replace("user-item_affinity_2", "other") + ROWS)
    with pytest.raises(UserError, match="no column 'user-item_affinity_2'"):
        read(config(folder))
    log.write_text(HEADER)
    with pytest.raises(UserError, match="holds no impressions"):
        read(config(folder))
