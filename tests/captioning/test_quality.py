from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset

from recbench.captioning.quality import caption_quality
from recbench.metrics.captions import bleu4


def data(**columns):
    return SimpleNamespace(catalogue=Dataset.from_dict(columns))


REFERENCES = ["a red hat with a brim", None, "a blue cap with a brim", "a red cap"]
SHOP = data(item=list("abcd"), caption=REFERENCES, colour=["red", "red", "blue", None])


@pytest.mark.filterwarnings("ignore:CIDEr needs")
def test_parts_are_judged_on_their_own():
    captions = ["a red hat with a brim", "a blue hat", "the blue cap with a brim", None]
    seen = np.array([True, True, False, False])
    quality = caption_quality(captions, SHOP, ["colour"], {"seen": seen, "unseen": ~seen})
    assert list(quality) == ["all", "seen", "unseen"]
    assert [quality[name]["items"] for name in quality] == [3, 2, 1]
    assert [quality[name]["references"] for name in quality] == [2, 1, 1]
    assert quality["seen"]["bleu4"] == quality["seen"]["rouge_l"] == pytest.approx(1)
    assert quality["all"]["bleu4"] == bleu4([captions[0], captions[2]], [REFERENCES[0], REFERENCES[2]])
    assert quality["seen"]["attributes"]["colour"] == {"accuracy": 0.5, "majority": 1.0, "items": 2}
    assert quality["unseen"]["attributes"]["colour"] == {"accuracy": 1.0, "majority": 1.0, "items": 1}
    assert quality["all"]["attributes"]["colour"] == {"accuracy": 2 / 3, "majority": 2 / 3, "items": 3}
    assert quality["all"]["mean_length"] == 5  # 6, 3 and 6 words
    # a red hat with a brim, a blue hat, the blue cap with a brim: a 4, red, hat 2, with 2, brim 2, blue 2, the, cap
    assert quality["all"]["distinct_1"] == 8 / 15


@pytest.mark.filterwarnings("ignore:CIDEr needs")
def test_values_that_only_other_items_have_count_as_wrong():
    # "blue" is a colour of the shop, so that "a blue and red hat" names blue first
    quality = caption_quality(["a blue and red hat", None, None, None], SHOP, ["colour"], {})
    assert quality["all"]["attributes"]["colour"]["accuracy"] == 0


@pytest.mark.filterwarnings("error")
def test_without_references_or_captions_nothing_is_made_up():
    plain = data(item=["a", "b"], colour=[None, None])
    assert "bleu4" not in caption_quality(["x y", "z z"], plain, ["colour"], {})["all"]
    assert "attributes" not in caption_quality(["x y", "z z"], plain, ["colour"], {})["all"]
    assert caption_quality([None, None], plain, ["colour"], {}) == {"all": {"items": 0}}
