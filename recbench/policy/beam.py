"""Beam search on the item trie: the best items of each history without scoring the whole catalogue."""

from typing import NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from recbench.policy.interface import Beams
from recbench.policy.token_model import Encoded, TokenModel


class _Live(NamedTuple):
    """The beams so far: trie nodes int64 [B, W] (-1 is no beam) and their log-probabilities [B, W]."""

    nodes: Tensor
    log_probs: Tensor


def beam_search(policy: TokenModel, histories: Tensor, width: int) -> Beams:
    """The items that a beam of `width` trie nodes a level finds: distinct, legal, best first.

    Log-probabilities are normalised over legal continuations. Beams share the history's key-value cache as extra query
    positions under a tree attention mask. A finished sequence keeps its place among the beams by its log-probability.
    Where the catalogue has fewer items than `width`, the rest is padding. Items that share a sequence are tied and
    come in catalogue order. With `width` at least the catalogue's size the search is exhaustive.

    Args:
        histories: int64 [B, T], catalogue rows padded with -1.
        width: beams kept a level and items returned, at least 1.
    """
    encoded = policy.encode(histories)
    cache = policy.cache_of(encoded)
    width = min(width, policy.catalogue_size)
    zero = torch.zeros(len(histories), 1, dtype=torch.int64, device=histories.device)
    live = _Live(zero, torch.zeros(zero.shape, device=histories.device))
    cached = zero[:, :0]
    for depth in range(policy.trie.depth):
        if depth == 0:
            hidden = encoded.last_hidden[:, None]
        else:
            hidden, cached = _run(policy, encoded, cache, live.nodes, cached, depth)
        live = _extend(policy, hidden, live, depth, width)
    return _items_at_leaves(policy, live, width)


def _run(
    policy: TokenModel, encoded: Encoded, cache: DynamicCache, nodes: Tensor, cached: Tensor, depth: int
) -> tuple[Tensor, Tensor]:
    """Hidden states [B, W, width] of the beams that need one (others zero), and the nodes now in the cache."""
    tables = policy.tables
    safe = nodes.clamp(min=0)
    needed = (nodes >= 0) & (tables.depths[safe] == depth) & tables.needs_forward[safe]
    most = int(needed.sum(1).max())
    hidden = encoded.last_hidden.new_zeros(*nodes.shape, encoded.last_hidden.shape[1])
    if most == 0:
        return hidden, cached
    # Only the beams with a choice ahead are run: they are moved to the front, and each row is padded to the longest.
    order = torch.argsort((~needed).to(torch.int8), dim=1, stable=True)[:, :most]
    chosen = torch.where(needed.gather(1, order), nodes.gather(1, order), -1)
    run = policy.forward_nodes(encoded, cache, chosen, cached)
    hidden.scatter_(1, order[..., None].expand(-1, -1, run.shape[2]), run)
    return hidden, torch.cat([cached, chosen], dim=1)


def _extend(policy: TokenModel, hidden: Tensor, live: _Live, depth: int, width: int) -> _Live:
    """The best `width` among the continuations of beams of this depth and the beams already finished."""
    tables = policy.tables
    batch, beams = live.nodes.shape
    safe = live.nodes.clamp(min=0)
    open_ = (live.nodes >= 0) & (tables.depths[safe] == depth) & (tables.child_counts[safe] > 0)
    first, end = tables.level_starts[depth : depth + 2]
    tokens = end - first
    extended = torch.full((batch, beams, tokens), float("-inf"), device=hidden.device)
    single = open_ & (tables.child_counts[safe] == 1)
    row, column = torch.nonzero(single, as_tuple=True)
    if len(row):  # one child: probability one, and no forward
        child = tables.child_offsets[live.nodes[row, column]] + 1
        extended[row, column, tables.node_tokens[child] - first] = live.log_probs[row, column]
    row, column = torch.nonzero(open_ & ~single, as_tuple=True)
    if len(row):
        log_probs, _ = policy.token_log_probs(hidden[row, column], live.nodes[row, column])
        extended[row, column] = log_probs + live.log_probs[row, column, None]
    finished = torch.where((live.nodes >= 0) & ~open_, live.log_probs, float("-inf"))
    everything = torch.cat([extended.flatten(1), finished], dim=1)
    best = everything.topk(min(width, everything.shape[1]), dim=1)
    is_finished = best.indices >= beams * tokens
    source = torch.where(is_finished, best.indices - beams * tokens, best.indices // tokens)
    parents = live.nodes.gather(1, source)
    children = tables.child(parents.clamp(min=0), first + best.indices % tokens)
    nodes = torch.where(is_finished, parents, children)
    return _Live(torch.where(torch.isfinite(best.values), nodes, -1), best.values)


def _items_at_leaves(policy: TokenModel, live: _Live, width: int) -> Beams:
    """Items of the leaves, best first: several where items share a sequence, cut at `width`."""
    tables = policy.tables
    safe = live.nodes.clamp(min=0)
    counts = torch.where(live.nodes >= 0, tables.item_offsets[safe + 1] - tables.item_offsets[safe], 0)
    starts = counts.cumsum(1) - counts
    slots = torch.arange(width, device=safe.device).expand(len(safe), -1).contiguous()
    beam = torch.searchsorted((starts + counts).contiguous(), slots, right=True)
    found = beam < live.nodes.shape[1]
    beam = beam.clamp(max=live.nodes.shape[1] - 1)
    item = tables.items[
        torch.where(found, tables.item_offsets[safe.gather(1, beam)] + slots - starts.gather(1, beam), 0)
    ]
    return Beams(torch.where(found, item, -1), torch.where(found, live.log_probs.gather(1, beam), float("-inf")))
