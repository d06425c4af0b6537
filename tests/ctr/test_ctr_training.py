"""Training: what is learned, that it repeats, and that sparse updates are dense ones where they touch."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from recbench.ctr.arms import encoder_of_arm
from recbench.ctr.encoding import BaseColumns, fit_encoder
from recbench.ctr.models import make_model
from recbench.ctr.rows import rows_of_impressions
from recbench.ctr.training import decay_embeddings, drop_ids, make_optimizers, predict, train_model, training_step
from recbench.data.interactions import TEST, TRAIN, VALIDATION
from recbench.errors import UserError
from recbench.metrics.clicks import auc

pytestmark = pytest.mark.slow


def trained(world, encoder, settings, seed=0):
    """Model, fit and test AUC."""
    shown = world.data.impressions
    parts = [np.flatnonzero(shown.split == split) for split in (TRAIN, VALIDATION, TEST)]
    rows = [rows_of_impressions(encoder, shown, part, 0) for part in parts]
    labels = [shown.label[part] for part in parts]
    model = make_model(encoder, settings, seed)
    fit = train_model(model, rows[0], labels[0], rows[1], labels[1], settings, seed)
    return model, fit, auc(labels[2], predict(model, rows[2])), rows


@pytest.fixture
def quick(settings):
    return settings("deepfm", epochs=12, batch_size=128, learning_rate=0.01, embedding_decay=1e-4, patience=2)


def test_captions_that_decide_clicks_are_learned_and_shuffled_ones_are_not(world, quick):
    base = fit_encoder(world.data, BaseColumns(), 1, False)
    areas = {}
    for arm in ("without", "with", "shuffled"):
        encoder = encoder_of_arm(base, arm, [world.caption], world.training, 0, False)
        areas[arm] = trained(world, encoder, quick)[2]
    # Ranking by the true probabilities gives about 0.77 here.
    assert areas["with"] > areas["without"] + 0.03
    assert areas["with"] > areas["shuffled"] + 0.03


def test_equal_seeds_train_to_equal_bytes_and_others_do_not(world, quick):
    encoder = fit_encoder(world.data, BaseColumns(), 1, False)
    quick.dropout, quick.epochs = 0.3, 2
    (first, fit, *_), (again, same, *_) = trained(world, encoder, quick), trained(world, encoder, quick)
    assert fit == same
    weights = first.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in again.state_dict().items())
    assert trained(world, encoder, quick, seed=1)[1] != fit


def test_the_best_epochs_weights_are_kept(world, quick):
    encoder = fit_encoder(world.data, BaseColumns(), 1, False)
    quick.patience, quick.epochs, quick.plateau_factor = 3, 30, 1.0
    model, fit, _, rows = trained(world, encoder, quick)
    values = [epoch["validation_auc"] for epoch in fit.history]
    assert fit.best_epoch == 1 + int(np.argmax(values)) and fit.best_auc == max(values)
    assert len(values) == fit.best_epoch + 3 < 30  # stopped after three epochs that were no better
    labels = world.data.impressions.label[world.data.impressions.split == VALIDATION]
    assert auc(labels, predict(model, rows[1])) == fit.best_auc


def test_one_class_is_refused(world, quick):
    encoder = fit_encoder(world.data, BaseColumns(), 1, False)
    rows = rows_of_impressions(encoder, world.data.impressions, np.arange(4), 0)
    model = make_model(encoder, quick, 0)
    with pytest.raises(UserError, match="4 validation impressions with 0 clicks"):
        train_model(model, rows, np.array([0, 1, 0, 1]), rows, np.zeros(4, int), quick, 0)


def test_no_epochs_leave_the_click_rate(world, quick):
    encoder = fit_encoder(world.data, BaseColumns(), 1, False)
    quick.epochs = 0
    model, fit, _, _ = trained(world, encoder, quick)
    rate = world.data.impressions.label[world.data.impressions.split == TRAIN].mean()
    assert torch.sigmoid(model.bias).item() == pytest.approx(rate, rel=1e-6) and fit.history == []


def one_step(world, encoder, settings):
    rows = rows_of_impressions(encoder, world.data.impressions, np.arange(64), 4)
    targets = torch.from_numpy(world.data.impressions.label[:64].astype(np.float32))
    model = make_model(encoder, settings, seed=0)
    with torch.no_grad():
        model.embedding.table.weight.mul_(50)  # gradients far above the optimizers' epsilon
    before = model.embedding.table.weight.detach().clone()
    training_step(model, rows, targets, make_optimizers(model, settings), settings, nullcontext)
    return before, model.embedding.table.weight.detach(), model


@pytest.mark.parametrize("kind", ["lr", "deepfm", "din"])
def test_a_sparse_step_is_a_dense_one_on_the_rows_that_it_touches(world, encoder, settings, kind):
    changes = {"embedding_decay": 0.05, "learning_rate": 0.01}
    before, dense, model = one_step(world, encoder, settings(kind, **changes))
    same, sparse, other = one_step(world, encoder, settings(kind, **changes, sparse_updates=True))
    assert torch.equal(before, same)
    touched = (sparse != before).any(dim=1)
    assert 20 < touched.sum() < len(touched)
    gradients = [one.embedding.table.weight.grad.to_dense()[touched] for one in (other, model)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)
    # SparseAdam adds its epsilon before correcting the moments' bias, which matters where gradients are below 1e-5.
    clear = gradients[0].abs() > 1e-4
    moved = [(after - before)[touched][clear] for after in (sparse, dense)]
    torch.testing.assert_close(*moved, rtol=0.01, atol=1e-6)
    assert clear.float().mean() > 0.5
    assert torch.equal(sparse[~touched], before[~touched])
    for (name, value), (_, expected) in zip(other.named_parameters(), model.named_parameters(), strict=True):
        if name != "embedding.table.weight":
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-6)


def test_decay_is_the_gradient_of_half_the_squared_norm():
    table = torch.nn.Parameter(torch.tensor([[1.0, -2.0], [3.0, 0.5]]))
    table.grad = torch.zeros(2, 2)
    decay_embeddings(table, 0.1)
    assert table.grad.tolist() == [pytest.approx([0.1, -0.2]), pytest.approx([0.3, 0.05])]
    table.grad = torch.sparse_coo_tensor(torch.tensor([[1, 1]]), torch.ones(2, 2), (2, 2), check_invariants=True)
    decay_embeddings(table, 0.1)
    assert table.grad.to_dense().tolist() == [[0, 0], pytest.approx([2.3, 2.05])]  # once, though row 1 was read twice


def test_ids_are_dropped_at_their_rate_each_alone(world, encoder):
    rows = rows_of_impressions(encoder, world.data.impressions, np.arange(4000), 0)
    dropped = drop_ids(rows, 0.25, torch.Generator().manual_seed(0)).dropped.numpy()
    # Standard error of a share of 4,000 rows: sqrt(.25 * .75 / 4000) = .007; of pairs sqrt(.0625 * .9375 / 4000) = .004
    assert np.abs(dropped.mean(axis=0) - 0.25).max() < 0.03
    assert abs((dropped[:, 0] & dropped[:, 1]).mean() - 0.0625) < 0.02
    assert drop_ids(rows, 0.0, torch.Generator()).dropped is None


def test_dropping_ids_trains_what_unseen_items_read(world, quick):
    base = fit_encoder(world.data, BaseColumns(), 1, False)
    norms = {}
    for share in (0.0, 0.2):
        quick.id_dropout, quick.epochs = share, 2
        model, _, _, _ = trained(world, base, quick)
        norms[share] = float(model.embedding.table.weight[model.embedding.starts["item"] + 1].detach().norm())
    assert norms[0.0] == 0 and norms[0.2] > 0.01
