import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from recbench.market.backdrops import FRAMES, SCENES
from recbench.market.pictures import (
    COLOURS,
    FINE,
    INKS,
    PATTERNS,
    SIDE,
    Look,
    caption,
    draw_silhouette,
    draw_stroke,
    render,
)
from recbench.market.sequences import ATTRIBUTES, CATEGORIES
from recbench.market.silhouettes import SILHOUETTES

LOOK = Look("kettle", "blue", "striped", "forest", "vintage")


def pixels(look: Look, seed: int = 0) -> np.ndarray:
    return np.asarray(render(look, np.random.default_rng(seed)), dtype=float)


def test_everything_the_market_names_can_be_drawn():
    objects = [word for words in CATEGORIES.values() for word in words]
    assert set(SILHOUETTES) == set(objects) and len(objects) == 100
    assert set(COLOURS) == set(INKS) == set(ATTRIBUTES["colour"])
    assert set(PATTERNS) == set(ATTRIBUTES["pattern"])
    assert set(SCENES) == set(ATTRIBUTES["scene"]) and set(FRAMES) == set(ATTRIBUTES["style"])


def test_a_picture_follows_from_look_and_generator_alone():
    picture = render(LOOK, np.random.default_rng(3))
    assert picture.mode == "RGB" and picture.size == (SIDE, SIDE)
    np.testing.assert_array_equal(pixels(LOOK, 3), pixels(LOOK, 3))
    assert np.abs(pixels(LOOK, 3) - pixels(LOOK, 4)).mean() > 3  # nuisance is there


@pytest.mark.parametrize("name", SILHOUETTES)
def test_bodies_are_stout_and_show_around_their_details(name):
    body, details = draw_silhouette(SILHOUETTES[name])
    inside = np.asarray(body) > 0
    covered = np.asarray(details.getchannel("A")) > 0
    assert inside.mean() > 0.14  # a pattern has somewhere to be
    assert (inside & ~covered).sum() > 0.5 * inside.sum()


def test_no_two_objects_share_an_outline():
    masks = {name: np.asarray(draw_silhouette(strokes)[0]) > 0 for name, strokes in SILHOUETTES.items()}
    for one, other in itertools.combinations(masks, 2):
        union = (masks[one] | masks[other]).sum()
        assert (masks[one] ^ masks[other]).sum() > 0.02 * union, (one, other)


def test_strokes_draw_what_their_numbers_say():
    """In units of a hundredth of the side; areas by hand."""
    unit = FINE / 100

    def area(stroke: str) -> float:
        image = Image.new("L", (FINE, FINE), 0)
        draw_stroke(ImageDraw.Draw(image), stroke, 1)
        return float(np.asarray(image).sum() / unit**2)

    assert area("box 20 30 60 80 0") == pytest.approx(40 * 50, rel=0.05)
    assert area("disc 20 30 60 80") == pytest.approx(np.pi * 20 * 25, rel=0.05)
    assert area("poly 10 10 90 10 10 90") == pytest.approx(80 * 80 / 2, rel=0.05)
    assert area("line 10 20 50 80 50") == pytest.approx(60 * 10 + np.pi * 5**2, rel=0.08)  # two round ends
    # A half ring between radii 40 and 30.
    assert area("arc 10 10 10 90 90 180 360") == pytest.approx(np.pi * (40**2 - 30**2) / 2, rel=0.08)
    body = np.asarray(draw_silhouette("box 0 0 100 100 0; !box 0 0 50 100 0")[0])
    assert (body > 0).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.slow
def test_a_simple_rule_on_pixels_tells_scenes_and_styles_apart():
    """Nearest mean of coarse borders (style) and of the picture around the object (scene), learned from other draws."""
    rng = np.random.default_rng(0)
    objects = list(SILHOUETTES)

    def sample(name: str, value: str) -> Look:
        values = {key: names[rng.integers(len(names))] for key, names in ATTRIBUTES.items() if key in vars(LOOK)}
        return Look(objects[rng.integers(100)], **(values | {name: value}))

    def features(picture: np.ndarray, name: str) -> np.ndarray:
        part = picture.copy() / 255
        if name == "scene":
            part[16:48, 16:48] = 0
            part[:8] = part[-8:] = part[:, :8] = part[:, -8:] = 0
        else:
            part[8:-8, 8:-8] = 0
        return part.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3)).ravel()

    for name, names in (("scene", SCENES), ("style", FRAMES)):
        means = [
            np.mean([features(pixels(sample(name, value), seed), name) for seed in range(12)], axis=0)
            for value in names
        ]
        hits = [
            np.argmin([np.sum((features(pixels(sample(name, value), 100 + seed), name) - m) ** 2) for m in means])
            == place
            for place, value in enumerate(names)
            for seed in range(8)
        ]
        assert np.mean(hits) > 0.7, name  # by chance 1/6


@pytest.mark.parametrize("name", COLOURS)
def test_a_plain_object_has_its_colour(name):
    picture = pixels(Look("speaker", name, "plain", "studio", "minimal"))
    speaker = picture[36:58, 26:38].reshape(-1, 3)  # beside its cones
    distance = {other: np.linalg.norm(speaker - COLOURS[other], axis=1).min() for other in COLOURS}
    assert distance[name] < 45, distance


def test_patterns_leave_most_of_the_colour():
    for pattern, paint in PATTERNS.items():
        for name in COLOURS:
            cloth = Image.new("RGB", (FINE, FINE), COLOURS[name])
            paint(ImageDraw.Draw(cloth), COLOURS[name], INKS[name], np.random.default_rng(1))
            changed = np.any(np.asarray(cloth) != COLOURS[name], axis=2).mean()
            assert changed == 0 if pattern == "plain" else 0.15 < changed < 0.75, (pattern, name, changed)


def test_captions_name_every_value():
    seen = set()
    for seed in range(20):
        text = caption(LOOK, np.random.default_rng(seed))
        assert all(value in text for value in vars(LOOK).values())
        seen.add(text)
    assert seen == {
        "a striped blue kettle in vintage style, forest scene",
        "vintage blue kettle with striped pattern, forest scene",
        "forest scene with a striped kettle in blue, vintage style",
    }
