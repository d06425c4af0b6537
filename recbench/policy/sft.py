"""Supervised fine-tuning: the cross-entropy of the next item at every position of a user's sequence."""

import torch
from torch import Tensor

from recbench.policy.token_model import TokenModel


def sft_loss(policy: TokenModel, items: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean of -log pi(item | items before it) over the target positions; a scalar.

    Token log-probabilities are normalised over legal continuations, as in scoring, so that the loss is that of the
    policy which is evaluated, and tokens without a choice cost nothing.

    Args:
        items: int64 [B, T], catalogue rows, right-padded with -1.
        targets: bool [B, T]; which items are predicted. At least one.
        label_smoothing: probability spread evenly over the legal tokens at each choice, in [0, 1).
    """
    tables = policy.tables
    tokens, _ = policy.tokens_of(items)
    hidden = policy.hidden(tokens[:, :-1])
    # The node behind each token of each item: what the hidden state before it is to predict.
    nodes = tables.ancestors[tables.leaf_of_item[items.clamp(min=0)]][:, :, 1:]
    present = (nodes >= 0) & (items >= 0)[..., None]
    order = torch.argsort((~present).flatten(1).to(torch.int8), dim=1, stable=True)[:, : hidden.shape[1]]
    nodes = nodes.flatten(1).gather(1, order)
    learned = (present & targets[..., None]).flatten(1).gather(1, order)
    parents = tables.ancestors[nodes.clamp(min=0)].gather(
        2, (tables.depths[nodes.clamp(min=0)] - 1).clamp(min=0)[..., None]
    )
    learned &= tables.child_counts[parents[..., 0]] > 1
    log_probs = policy.node_log_probs(hidden[learned], nodes[learned], label_smoothing)
    return -log_probs.sum() / targets.sum()
