"""Embeddings of fields against lookups by hand."""

import numpy as np
import pytest
import torch

from recbench.ctr.embedding import FieldEmbedding
from recbench.ctr.encoding import BaseColumns, ListColumn, fit_encoder, with_captions
from recbench.features.columns import OOV, PAD


def embed(encoder, **changes):
    return FieldEmbedding(encoder, 3, **{"pooling": "mean", "sparse": False, "seed": 1, **changes})


def by_hand(embedding, encoder, rows, place):
    """The vectors of one field, row by row, without the shortcuts."""
    field = embedding.fields[place]
    of = {"user": rows.users, "item": rows.items, "query": rows.queries}
    vectors = []
    for row in range(len(rows.items)):
        if field.kind == "numeric":
            vectors.append(rows.context_numbers[row, field.column] * embedding.numbers[field.column])
            continue
        weights = [1.0]
        if field.role == "context":
            ids = [int(rows.context_ids[row, field.column])]
        elif field.kind == "categorical":
            table = encoder.users if field.role == "user" else encoder.items
            ids = [int(table[of[field.role][row], field.column])]
        else:
            column = encoder.lists[field.column]
            at = of[field.role][row]
            ids = [int(one) for one in column.ids[at] if one != PAD]
            factors = np.ones(len(ids)) if column.weights is None else column.weights[at][: len(ids)]
            weights = [float(factor) / (len(ids) if embedding.pooling == "mean" else 1) for factor in factors]
        vector = torch.zeros(3)
        for one, weight in zip(ids, weights, strict=False):
            if one != PAD:
                vector = vector + weight * embedding.table.weight[embedding.starts[field.table] + one]
        vectors.append(vector)
    return torch.stack(vectors)


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_every_field_is_what_a_lookup_by_hand_gives(encoder, rows, pooling):
    embedding = embed(encoder, pooling=pooling)
    vectors = embedding(rows)
    assert vectors.shape == (8, len(encoder.fields), 3)
    for place in range(embedding.count):
        torch.testing.assert_close(vectors[:, place], by_hand(embedding, encoder, rows, place))


def test_attention_starts_as_the_mean_and_then_follows_its_query(encoder, rows):
    mean, attention = embed(encoder), embed(encoder, pooling="attention")
    torch.testing.assert_close(attention(rows), mean(rows))
    with torch.no_grad():
        attention.queries.fill_(1e6)
        # Attention so sharp picks the id with the largest sum of components.
        vectors = attention(rows)
    place = [field.name for field in attention.fields].index("item.caption.words")
    ids = encoder.lists[attention.fields[place].column].ids[rows.items]
    candidates = attention.table.weight[torch.as_tensor(ids).long() + attention.starts["item.caption.words"]]
    best = candidates.sum(dim=2).argmax(dim=1)
    torch.testing.assert_close(vectors[:, place], candidates[torch.arange(8), best], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("pooling", ["mean", "sum", "attention"])
def test_the_order_of_ids_in_a_list_and_padding_do_not_matter(world, rows, pooling):
    base = fit_encoder(world.data, BaseColumns(), 1, False)
    plain = with_captions(base, [world.weighted], False)
    column = plain.lists[0]
    turned = np.concatenate([column.ids[:, ::-1], np.full((61, 2), PAD, np.int32)], axis=1)
    weights = np.concatenate([column.weights[:, ::-1], np.zeros((61, 2), np.float32)], axis=1)
    other = type(plain)(plain.fields, plain.users, plain.items, (ListColumn(turned, weights),))
    first, second = embed(plain, pooling=pooling), embed(other, pooling=pooling)
    for embedding in (first, second):
        if embedding.queries is not None:
            torch.nn.init.constant_(embedding.queries, 5.0)
    torch.testing.assert_close(first(rows), second(rows))


def test_pad_and_no_item_are_zero_and_stay_so(encoder, rows):
    embedding = embed(encoder)
    nothing = embedding.of_items(torch.tensor([-1, -1]))
    assert nothing.abs().max() == 0
    embedding(rows).square().sum().backward()
    assert embedding.table.weight.grad[PAD].abs().max() == 0


def test_unknown_users_read_the_vector_out_of_vocabulary(encoder):
    embedding = embed(encoder)
    with torch.no_grad():
        embedding.table.weight[embedding.starts["user"] + OOV] = torch.tensor([1.0, 2.0, 3.0])
    assert embedding.of_users(torch.tensor([-1]))[0, 0].tolist() == [1, 2, 3]


def test_a_dropped_id_reads_as_out_of_vocabulary_and_nothing_else_changes(encoder, rows):
    embedding = embed(encoder)
    with torch.no_grad():
        embedding.table.weight[embedding.starts["item"] + OOV] = 7.0
    dropped = torch.zeros((8, 3), dtype=torch.bool)
    dropped[2, 1] = True
    before, after = embedding(rows), embedding(rows._replace(dropped=dropped))
    item = [field.name for field in embedding.fields].index("item")
    assert (after[2, item] == 7.0).all()
    different = (before != after).any(dim=2)
    assert different.nonzero().tolist() == [[2, item]]


def test_out_of_vocabulary_starts_at_zero_and_fields_do_not_share_rows(encoder):
    embedding = embed(encoder)
    starts = sorted(embedding.starts.values())
    sizes = {field.table: field.size for field in encoder.fields if field.kind != "numeric"}
    ends = {embedding.starts[table] + size - 1 for table, size in sizes.items()}  # the row of the last id
    assert starts[0] == 0 and len(embedding.table.weight) - 1 in ends
    assert all(start in ends for start in starts[1:])  # each table begins where another ends
    for start in starts:
        assert embedding.table.weight[start + OOV].abs().max() == 0


def test_arms_start_what_they_share_alike(world):
    base = fit_encoder(world.data, BaseColumns(["brand"]), 1, False)
    without, with_ = embed(base), embed(with_captions(base, [world.caption], False))
    for table in without.starts:
        size = next(field.size for field in base.fields if field.table == table)
        a, b = (one.table.weight[one.starts[table] + 1 : one.starts[table] + size] for one in (without, with_))
        assert torch.equal(a, b) and (size == 2 or a.abs().max() > 0)


def test_roles_share_their_embeddings_only_when_asked_to(world):
    shown_at_itself = torch.arange(50)
    for shared in (False, True):
        base = fit_encoder(world.data, BaseColumns(), 1, shared)
        embedding = embed(with_captions(base, [world.caption], shared))
        candidate = embedding.of_items(shown_at_itself)
        query = embedding.of_items(shown_at_itself, role="query")
        assert torch.equal(candidate, query) == shared
