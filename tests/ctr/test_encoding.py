"""What the encoder makes of data: ids, tables, lists, and what it refuses."""

import dataclasses

import numpy as np
import pytest
import torch

from recbench.ctr.encoding import BaseColumns, fit_encoder, padded, query_is_user, with_captions
from recbench.ctr.models import make_model
from recbench.ctr.rows import rows_of_impressions
from recbench.data.interactions import TRAIN
from recbench.errors import UserError
from recbench.features.columns import OOV, PAD
from recbench.schema import CtrModelConfig


def names(encoder):
    return [field.name for field in encoder.fields]


def test_ids_only(world):
    encoder = fit_encoder(world.data, BaseColumns(), 1, False)
    assert names(encoder) == ["user", "item", "query"]
    # Item n was shown in training if n < 50: ids 2 .. 51; the others are OOV, the last row is no item.
    assert encoder.items[:50, 0].tolist() == list(range(2, 52))
    assert encoder.items[50:60, 0].tolist() == [OOV] * 10
    assert encoder.items[60].tolist() == [PAD, PAD]
    assert encoder.users[40].tolist() == [OOV]


def test_every_kind_of_column_has_a_field_for_each_role_it_plays(encoder):
    item_side = ["brand", "genres", "caption.words", "caption.hashed"]
    expected = {"user", "user.age", "item", "query", "context.hour", "context.price"}
    assert set(names(encoder)) == expected | {f"{role}.{name}" for role in ("item", "query") for name in item_side}
    captions = {field.name for field in encoder.fields if field.is_caption}
    assert captions == {"item.caption.words", "item.caption.hashed", "query.caption.words", "query.caption.hashed"}


def test_vocabularies_know_training_impressions_only(world):
    shown = world.data.impressions
    encoder = fit_encoder(world.data, BaseColumns(["brand"]), 1, False)
    training = shown.split == TRAIN
    trained = {world.data.catalogue["brand"][item] for item in {*shown.item[training], *shown.query[training]}}
    field = next(field for field in encoder.fields if field.name == "item.brand")
    assert field.size == 2 + len(trained - {None})


def test_an_item_may_be_known_in_one_role_and_not_in_the_other(world):
    shown = world.data.impressions
    training = shown.split == TRAIN
    counts = np.bincount(shown.query[training], minlength=60)
    least = int(np.median(counts[:50])) + 1
    apart = fit_encoder(world.data, BaseColumns(), least, False)
    assert ((apart.items[:60, 1] == OOV) == (counts < least)).all()
    shared = fit_encoder(world.data, BaseColumns(), least, True)
    both = counts + np.bincount(shown.item[training], minlength=60)
    assert ((shared.items[:60, 1] == OOV) == (both < least)).all()
    assert (shared.items[:, 0] == shared.items[:, 1]).all()
    assert [field.table for field in shared.fields] == ["user", "item", "item"]


def test_lists_are_padded_at_the_end_and_no_item_has_none():
    column = padded(np.array([0, 2, 2, 3]), np.array([5, 4, 3]), np.array([1.0, -1.0, 0.5]))
    assert column.ids.tolist() == [[5, 4], [0, 0], [3, 0], [0, 0]]
    assert column.weights.tolist() == [[1, -1], [0, 0], [0.5, 0], [0, 0]]


def test_a_column_of_empty_lists_has_one_column_of_pad():
    assert padded(np.array([0, 0]), np.array([], dtype=int)).ids.tolist() == [[0], [0]]


def test_captions_change_nothing_else(world):
    base = fit_encoder(world.data, BaseColumns(["brand"]), 1, False)
    captioned = with_captions(base, [world.caption], False)
    assert captioned.fields[: len(base.fields)] == base.fields
    assert captioned.items is base.items and captioned.users is base.users
    assert (captioned.lists[-1].ids[:60] == world.caption.ids.reshape(60, 3)).all()


def test_context_is_encoded_as_it_was_in_training(world, encoder):
    shown = world.data.impressions
    found = rows_of_impressions(encoder, shown, np.arange(14), 0)
    unknown = np.isnan(shown.context["price"][:14])
    assert unknown.tolist() == [row % 7 == 0 for row in range(14)]
    assert (found.context_numbers[:, 0].numpy() == 0).tolist() == unknown.tolist()
    ids, _ = encoder.encode_context({"hour": np.array(["h1", "never", None], object), "price": np.zeros(3)}, 3)
    assert ids[0, 0] >= 2 and ids[1:, 0].tolist() == [OOV, PAD]


def test_a_missing_context_column_is_named(encoder):
    with pytest.raises(UserError, match="no column 'price'"):
        encoder.encode_context({"hour": np.array(["h1"], object)}, 1)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (BaseColumns(["colour"]), "no catalogue column 'colour'.*there are: item, brand, genres"),
        (BaseColumns([], ["sex"]), "no user field 'sex'.*there are: age"),
        (BaseColumns([], [], ["weather"]), "no context column 'weather'"),
    ],
)
def test_columns_that_the_data_lack_are_named(world, columns, words):
    with pytest.raises(UserError, match=words):
        fit_encoder(world.data, columns, 1, False)


def test_users_that_are_query_items_have_no_second_id(world):
    shown = world.data.impressions
    assert not query_is_user(shown)  # query items were drawn independently of users
    co_purchases = dataclasses.replace(shown, query=shown.user + 3)  # user 0 is item 3, and so on
    assert query_is_user(co_purchases)
    data = dataclasses.replace(world.data)
    vars(data)["impressions"] = co_purchases
    encoder = fit_encoder(data, BaseColumns(), 1, False)
    assert [field.name for field in encoder.fields] == ["item", "query"]
    model = make_model(encoder, CtrModelConfig(kind="deepfm"), 0)
    rows = rows_of_impressions(encoder, co_purchases, np.arange(4), 0)
    assert model(rows._replace(dropped=torch.ones(4, 3, dtype=torch.bool))).shape == (4,)
