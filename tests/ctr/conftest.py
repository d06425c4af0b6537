"""A small world of impressions in which what a caption says decides clicks and no other column tells it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
import pytest
import torch

from recbench.ctr.encoding import BaseColumns, Encoder, fit_encoder, with_captions
from recbench.ctr.rows import Rows, rows_of_impressions
from recbench.data.dataset import RecommendationData
from recbench.data.impressions import Impressions
from recbench.data.interactions import NO_INTERACTIONS, TEST, TRAIN, VALIDATION
from recbench.features.columns import FeatureColumn, offsets_of
from recbench.schema import CtrModelConfig

COLUMNS = BaseColumns(["brand", "genres"], ["age"], ["hour", "price"])


class World(NamedTuple):
    """Data, the column that captions become, and which items a training impression shows."""

    data: RecommendationData
    caption: FeatureColumn
    weighted: FeatureColumn
    training: np.ndarray


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """40 users, 60 items, 4,000 impressions; the last ten items are shown in the test period only.

    An item has one of four looks, a user likes one of them; clicks have probability 0.8 where they agree and 0.2
    elsewhere. A caption names the look (ids 2 to 5) and two words that mean nothing. Everything else is noise.
    """
    random = np.random.default_rng(5)
    users, items, rows = 40, 60, 4000
    look, taste = random.integers(4, size=items), random.integers(4, size=users)
    split = np.repeat([TRAIN, VALIDATION, TEST], [2600, 600, 800]).astype(np.int8)
    user = random.integers(users, size=rows).astype(np.int32)
    item = random.integers(50, size=rows).astype(np.int32)
    item[split == TEST] = random.integers(items, size=800)
    probability = np.where(look[item] == taste[user], 0.8, 0.2)
    label = (random.random(rows) < probability).astype(np.int8)
    price = random.lognormal(size=rows)
    price[::7] = np.nan
    brands = [f"b{number}" if number else None for number in random.integers(5, size=items)]
    genres = [[f"g{number}" for number in random.permutation(4)[: random.integers(4)]] for _ in range(items)]
    shown = Impressions(
        users=[f"u{number}" for number in range(users)],
        user=user,
        item=item,
        label=label,
        split=split,
        probability=probability,
        query=random.integers(50, size=rows).astype(np.int32),
        context={"hour": np.array([f"h{number}" for number in random.integers(3, size=rows)], object), "price": price},
        user_fields={"age": np.array([f"a{number}" for number in random.integers(3, size=users)], object)},
    )
    catalogue = datasets.Dataset.from_dict(
        {"item": [f"i{number}" for number in range(items)], "brand": brands, "genres": genres}
    )
    data = RecommendationData("world", catalogue, NO_INTERACTIONS, "f" * 64, None, Path(tmp_path_factory.mktemp("w")))
    vars(data)["impressions"] = shown  # where the property keeps what it has read
    words = np.stack([look + 2, random.integers(6, 9, size=items), random.integers(9, 12, size=items)], axis=1)
    caption = FeatureColumn("words", "words", 12, offsets_of(np.full(items, 3)), words.ravel().astype(np.int32))
    signs = random.normal(size=3 * items).astype(np.float32)
    return World(
        data, caption, FeatureColumn("hashed", "hashed", 12, *caption_parts(caption), signs), np.arange(items) < 50
    )


def caption_parts(column: FeatureColumn) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and ids."""
    return column.offsets, column.ids


@pytest.fixture(scope="session")
def encoder(world: World) -> Encoder:
    """Every kind of column: ids, categories, lists, a number, captions with weights and without."""
    base = fit_encoder(world.data, COLUMNS, least_count=1, shared_query=False)
    return with_captions(base, [world.caption, world.weighted], shared_query=False)


@pytest.fixture
def rows(world: World, encoder: Encoder) -> Rows:
    """Eight test impressions with histories, some of them short."""
    found = rows_of_impressions(encoder, world.data.impressions, np.arange(3400, 3408), history=4)
    assert found.histories is not None
    found.histories[0] = -1
    found.histories[1, 2:] = -1
    return found


@pytest.fixture
def settings() -> Callable[..., CtrModelConfig]:
    """Settings of a tiny model."""

    def make(kind: str = "deepfm", **changes: Any) -> CtrModelConfig:
        small = {"embedding_size": 4, "hidden": [8, 4], "layers": 2, "heads": 2, "dropout": 0.0, "history": 4}
        return CtrModelConfig(kind=kind, **{**small, **changes})

    return make


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Sums are taken in one order."""
    torch.set_num_threads(1)
