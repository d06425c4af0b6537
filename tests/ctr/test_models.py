"""Every click model: shapes, gradients, and what must not matter; formulas against loops."""

import itertools

import numpy as np
import pytest
import torch

from recbench.ctr.encoding import BaseColumns, ListColumn, fit_encoder
from recbench.ctr.layers import pair_products
from recbench.ctr.models import MODELS, make_model
from recbench.ctr.models.autoint import FieldAttention
from recbench.ctr.models.finalmlp import BilinearFusion
from recbench.ctr.rows import rows_of_impressions
from recbench.errors import UserError

KINDS = sorted(MODELS)


def scattered(model, seed=0):
    """The model with all weights large and random, so that everything it reads shows; PAD stays zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
        model.embedding.table.weight[0] = 0
    for module in model.modules():
        if isinstance(module, torch.nn.ReLU):  # a unit that is off would hide what it reads
            module.forward = torch.nn.functional.softplus
    return model.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_one_finite_logit_an_impression(encoder, rows, settings, kind):
    model = make_model(encoder, settings(kind), seed=3)
    logits = model(rows)
    assert logits.shape == (8,) and torch.isfinite(logits).all()


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone(encoder, settings, kind):
    torch.manual_seed(11)
    first = make_model(encoder, settings(kind), seed=3)
    drawn = torch.rand(1)
    torch.manual_seed(11)
    assert torch.equal(drawn, torch.rand(1))
    again, other = (make_model(encoder, settings(kind), seed=seed) for seed in (3, 4))
    weights = first.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in again.state_dict().items())
    assert any(not torch.equal(value, weights[name]) for name, value in other.state_dict().items())


@pytest.mark.parametrize("pooling", ["mean", "attention"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_reaches_every_embedding_that_is_read_and_no_other(encoder, rows, settings, kind, pooling):
    model = scattered(make_model(encoder, settings(kind, pooling=pooling), seed=3))
    model(rows).sum().backward()
    gradient = model.embedding.table.weight.grad
    read = torch.zeros(len(gradient), dtype=torch.bool)
    items = [rows.items, rows.histories[rows.histories >= 0]] if kind == "din" else [rows.items]
    for field in model.embedding.fields:
        if field.kind == "numeric":
            continue
        if field.role == "context":
            ids = rows.context_ids[:, field.column]
        else:
            at = {"user": rows.users, "item": torch.cat(items), "query": rows.queries}[field.role]
            if field.kind == "list":
                ids = torch.as_tensor(encoder.lists[field.column].ids)[at].flatten().long()
            else:
                table = encoder.users if field.role == "user" else encoder.items
                ids = torch.as_tensor(table)[at, field.column].long()
        read[ids[ids > 0] + model.embedding.starts[field.table]] = True
    assert torch.isfinite(gradient).all()
    assert torch.equal(gradient.abs().sum(dim=1) > 0, read)
    missing = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert missing == []


@pytest.mark.parametrize("pooling", ["mean", "sum", "attention"])
@pytest.mark.parametrize("kind", KINDS)
def test_order_and_padding_of_lists_have_no_influence(encoder, rows, settings, kind, pooling):
    turned = []
    for column in encoder.lists:
        order = np.roll(np.arange(column.ids.shape[1]), 1)
        more = ((0, 0), (0, 3))
        weights = None if column.weights is None else np.pad(column.weights[:, order], more)
        turned.append(ListColumn(np.pad(column.ids[:, order], more), weights))
    other = type(encoder)(
        encoder.fields, encoder.users, encoder.items, tuple(turned), encoder.categories, encoder.numbers
    )
    models = [scattered(make_model(one, settings(kind, pooling=pooling), seed=3)) for one in (encoder, other)]
    torch.testing.assert_close(models[0](rows), models[1](rows))


@pytest.mark.parametrize("kind", KINDS)
def test_impressions_do_not_see_each_other(encoder, rows, settings, kind):
    model = scattered(make_model(encoder, settings(kind), seed=3))
    one_by_one = torch.cat([model(rows.take(torch.tensor([row]))) for row in range(8)])
    torch.testing.assert_close(model(rows), one_by_one, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_and_dropped_ids_are_read(encoder, rows, settings, kind):
    model = scattered(make_model(encoder, settings(kind), seed=3))
    logits = model(rows)
    assert (model(rows._replace(context_numbers=rows.context_numbers + 1)) != logits).all()
    for place in range(3):
        dropped = torch.zeros((8, 3), dtype=torch.bool)
        dropped[:, place] = True
        changed = model(rows._replace(dropped=dropped)) != logits
        # An item that is out of vocabulary anyway stays what it is.
        known = torch.tensor([True] * 8) if place != 1 else rows.items < 50
        assert torch.equal(changed, known)


@pytest.mark.parametrize("kind", KINDS)
def test_ids_alone_are_enough(world, settings, kind):
    encoder = fit_encoder(world.data, BaseColumns(), 1, False)
    rows = rows_of_impressions(encoder, world.data.impressions, np.arange(5), history=4)
    assert make_model(encoder, settings(kind), seed=0)(rows).shape == (5,)


def test_pair_products_are_the_double_loop():
    vectors = torch.randn((5, 6, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = sum((vectors[:, i] * vectors[:, j]).sum(dim=1) for i, j in itertools.combinations(range(6), 2))
    torch.testing.assert_close(pair_products(vectors), expected)


def test_lr_sums_weights_and_fm_adds_all_pairs(encoder, rows, settings):
    linear = scattered(make_model(encoder, settings("lr"), seed=3))
    torch.testing.assert_close(linear(rows), linear.bias + linear.embedding(rows).sum(dim=(1, 2)))
    machine = scattered(make_model(encoder, settings("fm"), seed=3))
    vectors = machine.embedding(rows)
    pairs = sum(
        (vectors[:, i, 1:] * vectors[:, j, 1:]).sum(dim=1)
        for i, j in itertools.combinations(range(vectors.shape[1]), 2)
    )
    torch.testing.assert_close(machine(rows), machine.bias + vectors[:, :, 0].sum(dim=1) + pairs)


def test_deepfm_is_fm_plus_its_perceptron_on_the_same_embeddings(encoder, rows, settings):
    deep = scattered(make_model(encoder, settings("deepfm"), seed=3))
    machine = scattered(make_model(encoder, settings("fm"), seed=3))
    machine.load_state_dict({name: deep.state_dict()[name] for name in machine.state_dict()})
    inputs = deep.embedding(rows)[:, :, 1:].flatten(1)
    torch.testing.assert_close(deep(rows), machine(rows) + deep.deep(inputs)[:, 0])


def test_cross_layers_follow_their_recursion(encoder, rows, settings):
    model = scattered(make_model(encoder, settings("dcnv2", hidden=[]), seed=3))
    start = model.embedding(rows).flatten(1)
    state = start
    for layer in model.cross:
        # x_{l+1} = x_0 * (W x_l + b) + x_l, row by row.
        state = torch.stack([a * (layer.weight @ x + layer.bias) + x for a, x in zip(start, state, strict=True)])
    weights = model.output.weight[0]
    expected = model.bias + state @ weights[: start.shape[1]] + start @ weights[start.shape[1] :]
    torch.testing.assert_close(model(rows), expected)


def test_dlrm_reads_the_products_of_all_pairs_beside_the_numbers(encoder, rows, settings):
    model = scattered(make_model(encoder, settings("dlrm"), seed=3))
    fields, embedded = model.embedding.fields, model.embedding(rows)
    numbers = torch.cat([embedded[:, place] for place, field in enumerate(fields) if field.kind == "numeric"], dim=1)
    dense = model.bottom(numbers)
    vectors = [dense, *(embedded[:, place] for place, field in enumerate(fields) if field.kind != "numeric")]
    products = [(one * other).sum(dim=1, keepdim=True) for one, other in itertools.combinations(vectors, 2)]
    torch.testing.assert_close(model(rows), model.bias + model.top(torch.cat([dense, *products], dim=1))[:, 0])


def test_field_attention_is_softmax_of_inner_products_a_head():
    torch.manual_seed(2)
    layer, vectors = FieldAttention(3, 2, heads=2), torch.randn(1, 4, 3)
    projected = layer.projection(vectors)[0]  # [F, 12]: queries, keys, values of 2 heads x 2
    query, key, value = projected[:, :4], projected[:, 4:8], projected[:, 8:]
    rows = []
    for field in range(4):
        heads = []
        for head in (slice(0, 2), slice(2, 4)):
            shares = torch.softmax(torch.stack([query[field, head] @ key[other, head] for other in range(4)]), dim=0)
            heads.append(sum(share * value[other, head] for other, share in enumerate(shares)))
        rows.append(torch.relu(torch.cat(heads) + layer.residual.weight @ vectors[0, field]))
    torch.testing.assert_close(layer(vectors)[0], torch.stack(rows))


def test_bilinear_fusion_is_a_form_of_each_pair_of_slices():
    torch.manual_seed(2)
    fusion, a, b = BilinearFusion(6, heads=3), torch.randn(2, 6), torch.randn(2, 6)
    expected = (fusion.first(a) + fusion.second(b))[:, 0].clone()
    for row in range(2):
        for head in range(3):
            part = slice(2 * head, 2 * head + 2)
            expected[row] += a[row, part] @ fusion.matrices[head] @ b[row, part]
    torch.testing.assert_close(fusion(a, b), expected)


def test_din_reads_past_items_in_any_order_and_no_padding(encoder, rows, settings):
    model = scattered(make_model(encoder, settings("din"), seed=3))
    logits = model(rows)
    padding = torch.full((8, 3), -1)
    longer = torch.cat([rows.histories.flip(1), padding], dim=1)
    torch.testing.assert_close(model(rows._replace(histories=longer)), logits)
    nothing = model(rows._replace(histories=None))
    torch.testing.assert_close(model(rows._replace(histories=padding)), nothing)
    assert (rows.histories[0] == -1).all() and torch.isclose(nothing[0], logits[0])
    has_history = (rows.histories >= 0).any(dim=1)
    assert torch.equal(~torch.isclose(nothing, logits), has_history)


def test_dins_interest_is_the_weighted_sum_over_past_items(encoder, rows, settings):
    model = scattered(make_model(encoder, settings("din"), seed=3))
    candidates = model.embedding.of_items(rows.items).flatten(1)
    expected = torch.zeros_like(candidates)
    for row, place in itertools.product(range(8), range(4)):
        item = rows.histories[row, place]
        if item >= 0:
            past, candidate = model.embedding.of_items(item[None]).flatten(), candidates[row]
            inputs = torch.cat([past, candidate, past - candidate, past * candidate])
            expected[row] += model.attention(inputs)[0] * past
    torch.testing.assert_close(model.interest(rows.histories, candidates), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("din", {"history": 0}, "ctr.history=0"),
        ("finalmlp", {"hidden": [8, 5]}, "does not fit ctr.heads=2"),
        ("finalmlp", {"hidden": []}, "does not fit ctr.heads=2"),
    ],
)
def test_settings_that_a_model_cannot_be_built_with(encoder, settings, kind, changes, words):
    with pytest.raises(UserError, match=words):
        make_model(encoder, settings(kind, **changes), seed=0)
