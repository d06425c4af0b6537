import numpy as np
import pytest
from PIL import Image

from recbench.data.build import build, prepare
from recbench.data.dataset import load_data
from recbench.data.interactions import TEST, TRAIN, VALIDATION, Cases, histories
from recbench.data.sources.bazaar import generate, read
from recbench.errors import UserError
from recbench.market.clicks import SEGMENTS
from recbench.market.sequences import (
    LONGEST,
    SHORTEST,
    SIZES,
    VERSION,
    draw_sequences,
    make_market,
    next_item_probabilities,
)
from recbench.schema import DataConfig


def config(**options) -> DataConfig:
    return DataConfig(name="bazaar", source="bazaar", options=options)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    build(config(size="tiny", seed=4), folder)
    return load_data(folder)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_market_and_seed_0_is_a_seed(tmp_path):
    prints = []
    for place, options in enumerate([{"size": "tiny"}, {"size": "tiny", "seed": 0}, {"size": "tiny", "seed": 1}]):
        build(config(**options), tmp_path / str(place))
        prints.append(load_data(tmp_path / str(place)).fingerprint)
    assert prints[0] == prints[1] != prints[2]
    one, same, other = ((tmp_path / str(place) / "images" / "i3.png").read_bytes() for place in range(3))
    assert one == same != other


def test_tiny_has_what_it_promises(tiny):
    assert len(tiny.interactions.users) == 60 and len(tiny.catalogue) == 64  # 50 and 14 late arrivals
    assert {"category", "object", "colour", "pattern", "scene", "style", "brand"} <= set(tiny.catalogue.column_names)
    row = tiny.catalogue[7]
    assert row["title"] == f"{row['brand']} {row['colour']} {row['pattern']} {row['object']}, {row['style']}"
    same_user = np.diff(np.repeat(np.arange(60), np.diff(tiny.interactions.offsets))) == 0
    assert np.all(np.diff(tiny.interactions.timestamps)[same_user] > 0)


def test_best_ranks_cover_every_case_and_follow_from_the_exact_probabilities(tiny):
    market = make_market(SIZES["tiny"], np.random.default_rng([VERSION, 4, 0]))
    best, interactions = tiny.best, tiny.interactions
    assert (best["split"] == VALIDATION).sum() == (best["split"] == TEST).sum() == 60
    for case in range(0, 120, 7):
        user, position = best["user"][case], best["position"][case]
        before = interactions.items[interactions.offsets[user] : position]
        target = interactions.items[position]
        probability = next_item_probabilities(market, before[None], np.array([len(before)]))[0]
        assert best["above"][case] == np.sum(probability > probability[target])
        assert best["ties"][case] == 0 and best["n"][case] == 49 + 14
        seen = set(before.tolist()) - {target}
        unseen = [item for item in range(50) if item not in seen]
        assert best["above_unseen"][case] == np.sum(probability[unseen] > probability[target])
        assert best["n_unseen"][case] == 49 + 14 - len(seen)


def test_best_beats_popularity_and_needs_more_than_the_last_item(tmp_path, monkeypatch):
    monkeypatch.setattr("recbench.data.sources.bazaar.write_pictures", lambda *arguments: None)  # they take seconds
    build(config(size="small"), tmp_path)
    data = load_data(tmp_path)
    interactions = data.interactions
    test = data.best["split"] == TEST
    position = data.best["position"][test]
    best = np.mean(data.best["above"][test] < 10)
    count = np.bincount(interactions.items[interactions.split == TRAIN], minlength=1_500)
    popular = np.mean((count > count[interactions.items[position]][:, None]).sum(axis=1) < 10)
    market = make_market(SIZES["small"], np.random.default_rng([VERSION, 0, 1]))
    cases = Cases(data.best["user"][test], position)
    last = next_item_probabilities(market, histories(interactions, cases, 1), np.ones(len(position), int))
    own = last[np.arange(len(position)), interactions.items[position]]
    last_only = np.mean((last > own[:, None]).sum(axis=1) < 10)
    # 3,000 cases: a standard error of .009
    assert best > 0.40 and best > last_only + 0.08 and best > popular + 0.20


def test_no_sequence_holds_a_late_arrival_and_only_test_impressions_do(tiny):
    assert tiny.interactions.items.max() < 50
    shown = tiny.impressions
    late = shown.item >= 50
    assert late.any() and np.all(shown.split[late] == TEST)
    assert len(shown.label) == 2_400 and set(shown.user_fields) == {"segment", "age", "region"}


def test_sequences_are_what_they_were_before_clicks_were_drawn():
    """Streams of their own: the market's generator gives the same truth and the same purchases without clicks."""
    raw = read(config(size="tiny", seed=4))
    rng = np.random.default_rng([VERSION, 4, 0])
    market = make_market(SIZES["tiny"], rng)
    lengths = np.clip(SHORTEST + rng.poisson(SIZES["tiny"].mean_length - SHORTEST, 60), SHORTEST, LONGEST)
    expected = [f"i{item}" for item in draw_sequences(market, lengths, rng)]
    assert raw.interactions["item"].to_pylist() == expected


def test_the_probability_kept_is_that_of_the_regenerated_truth(tiny):
    clicks = generate("tiny", 4).clicks
    shown = tiny.impressions
    users = np.array([int(name.removeprefix("u")) for name in shown.users])
    np.testing.assert_array_equal(shown.probability, clicks.probability(users[shown.user], shown.item))
    assert all(SEGMENTS[clicks.taste[user]] == shown.user_fields["segment"][row] for row, user in enumerate(users))


def test_a_third_of_the_catalogue_has_a_caption_that_names_its_look_and_no_late_arrival_has(tiny):
    rows = tiny.catalogue.to_list()
    captioned = [row for row in rows if row["caption"] is not None]
    assert len(captioned) == 21 and all(int(row["item"][1:]) < 50 for row in captioned)
    for row in captioned:
        assert all(row[name] in row["caption"] for name in ("object", "colour", "pattern", "scene", "style"))


def test_every_item_has_a_picture_of_its_own(tiny):
    pictures = set()
    for row in range(64):
        with Image.open(tiny.image(row).path) as picture:
            assert picture.size == (64, 64) and picture.mode == "RGB" and picture.format == "PNG"
            pictures.add(picture.tobytes())
    assert len(pictures) == 64


def test_large_markets_rank_a_fixed_sample():
    raw = read(config(size="tiny"))
    interactions = prepare(raw, config(size="tiny")).interactions
    best_ranks, market = raw.best.func, raw.best.args[0]
    sample, again, whole = (best_ranks(market, interactions, most=most, arrivals=14) for most in (10, 10, 0))
    assert sample.num_rows == 20 and sample.equals(again)
    rows = {(row["split"], row["position"]): row for row in whole.to_pylist()}
    assert all(rows[row["split"], row["position"]] == row for row in sample.to_pylist())


def test_best_also_covers_a_split_by_time(tmp_path):
    by_time = config(size="tiny")
    by_time.split = "global_time"
    numbers = build(by_time, tmp_path)
    best = load_data(tmp_path).best
    assert np.sum(best["split"] == TEST) == numbers["cases"]["test"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"size": "huge"}}, "size is 'huge', expected one of tiny, small, medium, large"),
        ({"options": {"size": 3}}, "size is 3, expected a value of type str"),
        ({"options": {"seed": None}}, "seed is None, expected a value of type int"),
        ({"options": {"seed": -1}}, "seed is -1, expected at least 0"),
        ({"options": {"sise": "tiny"}}, "data.options.sise is no option of source bazaar; it knows: seed, size"),
        ({"min_item_interactions": 2}, "known optimum"),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(UserError, match=message):
        read(DataConfig(**({"name": "bazaar", "source": "bazaar"} | changes)))
