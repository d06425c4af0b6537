"""Training of a click model: Adam on the log loss, early stopping on validation AUC, the best weights kept.

Data order, dropped ids and dropout come from generators made of (seed, stream, epoch or step): arms of one seed see the
same rows in the same order with the same ids dropped.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recbench.ctr.embedding import DROPPABLE
from recbench.ctr.rows import Rows
from recbench.errors import UserError
from recbench.metrics.clicks import auc, log_loss
from recbench.schema import CtrModelConfig
from recbench.training.random_streams import random_stream, stream_seed

DATA_ORDER, DROPPED_IDS, DROPOUT = range(3)  # random streams
SCORING_BATCH = 8192
MAX_GRADIENT_NORM = 10.0  # far above what a healthy step has

Autocast = Callable[[], AbstractContextManager[object]]


@dataclass
class Fit:
    """How a training went."""

    best_epoch: int = 0  # 0: the start
    best_auc: float = -math.inf  # of validation
    history: list[dict[str, float]] = field(default_factory=list)  # one entry an epoch


def train_model(
    model: nn.Module,
    rows: Rows,
    labels: np.ndarray,
    validation: Rows,
    validation_labels: np.ndarray,
    settings: CtrModelConfig,
    seed: int,
    *,
    autocast: Autocast = nullcontext,
    report: Callable[[dict[str, float]], None] = lambda values: None,
) -> Fit:
    """Train in place until validation AUC has not risen for `settings.patience` epochs; ends with the best weights.

    Rows lie on the model's device; labels are 0 or 1, [M]. An epoch without a better AUC multiplies the learning rate
    by `settings.plateau_factor`. The bias starts at the training click rate's log odds. `report` gets each epoch's
    numbers.

    Raises:
        UserError: training or validation rows of one class only, or a loss that is no number.
    """
    for name, given in (("training", labels), ("validation", validation_labels)):
        if not 0 < given.sum() < len(given):
            raise UserError(f"{len(given)} {name} impressions with {given.sum()} clicks: both classes are needed")
    device = rows.items.device
    targets = torch.from_numpy(labels.astype(np.float32)).to(device)
    optimizers = make_optimizers(model, settings)
    rate = float(labels.mean())
    with torch.no_grad():
        model.bias.fill_(math.log(rate / (1 - rate)))  # type: ignore[union-attr, operator]
    fit, stale, step = Fit(), 0, 0
    best = {name: value.clone() for name, value in model.state_dict().items()}
    for epoch in range(1, settings.epochs + 1):
        order = torch.from_numpy(random_stream(seed, DATA_ORDER, epoch).permutation(len(labels))).to(device)
        dropping = torch.Generator().manual_seed(stream_seed(seed, DROPPED_IDS, epoch))
        total = torch.zeros((), device=device)
        model.train()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(stream_seed(seed, DROPOUT, epoch))
            for index in order.split(settings.batch_size):
                batch = drop_ids(rows.take(index), settings.id_dropout, dropping)
                total += len(index) * training_step(model, batch, targets[index], optimizers, settings, autocast)
                step += 1
        if not math.isfinite(float(total)):
            raise UserError(f"the loss of epoch {epoch} is {float(total)}: lower ctr.learning_rate")
        scores = predict(model, validation, autocast=autocast)
        values = {
            "epoch": epoch,
            "train_log_loss": float(total) / len(labels),
            "validation_auc": auc(validation_labels, scores),
            "validation_log_loss": log_loss(validation_labels, scores),
        }
        fit.history.append(values)
        report(values)
        if values["validation_auc"] > fit.best_auc:
            fit.best_auc, fit.best_epoch, stale = values["validation_auc"], epoch, 0
            best = {name: value.clone() for name, value in model.state_dict().items()}
        else:
            stale += 1
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] *= settings.plateau_factor
        if settings.patience and stale >= settings.patience:
            break
    model.load_state_dict(best)
    return fit


def make_optimizers(model: nn.Module, settings: CtrModelConfig) -> list[torch.optim.Optimizer]:
    """Adam for all weights, or, with `settings.sparse_updates`, SparseAdam for the table of embeddings.

    SparseAdam moves only the rows that a batch reads: a step costs what the batch is large, not what the table is, and
    moments of other rows stand still (in Adam they decay and go on moving them).
    """
    table = [parameter for name, parameter in model.named_parameters() if name == "embedding.table.weight"]
    others = [parameter for name, parameter in model.named_parameters() if name != "embedding.table.weight"]
    if not settings.sparse_updates:
        return [torch.optim.Adam(table + others, lr=settings.learning_rate)]
    return [
        torch.optim.Adam(others, lr=settings.learning_rate),
        torch.optim.SparseAdam(table, lr=settings.learning_rate),
    ]


def training_step(
    model: nn.Module,
    batch: Rows,
    targets: Tensor,
    optimizers: list[torch.optim.Optimizer],
    settings: CtrModelConfig,
    autocast: Autocast,
) -> Tensor:
    """One step on the mean log loss of a batch; returns it, detached, without the embeddings' L2 term."""
    with autocast():
        logits = model(batch)
    loss = functional.binary_cross_entropy_with_logits(logits.float(), targets)
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    decay_embeddings(model.embedding.table.weight, settings.embedding_decay)  # type: ignore[union-attr, arg-type]
    dense = [
        parameter for parameter in model.parameters() if parameter.grad is not None and not parameter.grad.is_sparse
    ]
    torch.nn.utils.clip_grad_norm_(dense, MAX_GRADIENT_NORM)
    for optimizer in optimizers:
        optimizer.step()
    return loss.detach()


def decay_embeddings(table: Tensor, weight: float) -> None:
    """Add the gradient of weight / 2 |table|^2 to that of the table; of the rows that it has, where it is sparse."""
    if weight == 0 or table.grad is None:
        return
    if not table.grad.is_sparse:
        table.grad.add_(table.detach(), alpha=weight)
        return
    gradient = table.grad.coalesce()
    index = gradient.indices()
    values = gradient.values() + weight * table.detach()[index[0]]
    table.grad = torch.sparse_coo_tensor(index, values, table.shape, is_coalesced=True, check_invariants=False)


def drop_ids(batch: Rows, share: float, generator: torch.Generator) -> Rows:
    """The batch with ids of users, items and query items marked as OOV, each with probability `share` and alone.

    It trains the OOV embeddings, which unseen items and users get, and keeps models from leaning on ids only.
    """
    if share == 0:
        return batch
    draws = torch.rand((len(batch.items), len(DROPPABLE)), generator=generator)
    return batch._replace(dropped=(draws < share).to(batch.items.device))


@torch.no_grad()
def predict(model: nn.Module, rows: Rows, *, autocast: Autocast = nullcontext) -> np.ndarray:
    """Click probabilities float64 [M] in evaluation mode."""
    model.eval()
    parts = []
    for index in torch.arange(len(rows.items), device=rows.items.device).split(SCORING_BATCH):
        with autocast():
            logits = model(rows.take(index))
        parts.append(torch.sigmoid(logits.double()).cpu())
    return torch.cat(parts).numpy() if parts else np.zeros(0)
