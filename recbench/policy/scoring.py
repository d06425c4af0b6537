"""Scores of whole catalogues and of candidate groups, each history encoded once."""

import torch
from torch import Tensor

from recbench.policy.token_model import TokenModel
from recbench.precision import exact_product

CANDIDATES_AT_ONCE = 128  # more than that, and the attention mask of a forward outgrows its use


def score_catalogue(policy: TokenModel, histories: Tensor) -> Tensor:
    """Exact log pi(i | x) of every item, float32 [B, N]: the ground truth for ranks, AUC and windows.

    The whole trie runs as extra query positions behind each history, in chunks of subtrees, so that a node attends to
    its history and to the nodes above it only. Nodes without a choice at or below them are never run.
    """
    encoded = policy.encode(histories)
    tables, trie = policy.tables, policy.trie
    scores = torch.zeros(len(histories), trie.node_count, device=histories.device)
    _score_children(
        policy, scores, encoded.last_hidden[:, None], torch.zeros(1, dtype=torch.int64, device=histories.device)
    )
    for chunk in trie.subtree_chunks:
        nodes = torch.from_numpy(chunk).to(histories.device)
        queries = nodes.expand(len(histories), -1)
        hidden = policy.forward_nodes(encoded, policy.cache_of(encoded), queries, queries[:, :0])
        branching = torch.nonzero(tables.child_counts[nodes] > 1)[:, 0]
        _score_children(policy, scores, hidden[:, branching], nodes[branching])
    for depth in range(2, trie.depth + 1):  # sums along the paths: parents are complete before their children
        level = torch.nonzero(tables.depths == depth)[:, 0]
        scores[:, level] += scores[:, tables.ancestors[level, depth - 1]]
    return scores.index_select(1, tables.leaf_of_item)


def _score_children(policy: TokenModel, scores: Tensor, hidden: Tensor, nodes: Tensor) -> None:
    """Write log pi(child | node) of the nodes' children into scores [B, all nodes]; hidden [B, M, width], nodes [M]."""
    tables = policy.tables
    for depth in range(policy.trie.depth):
        rows = torch.nonzero(tables.depths[nodes] == depth)[:, 0]
        if not len(rows):
            continue
        parents = nodes[rows]
        repeated = parents.repeat(len(scores))
        log_probs, first = policy.token_log_probs(hidden[:, rows].flatten(0, 1), repeated)
        log_probs = log_probs.unflatten(0, (len(scores), len(rows)))
        children, of = tables.children_of(parents)
        if depth == 0:  # every token of the level, in order: a copy, where an index would cost more than the softmax
            scores[:, 1 : 1 + len(children)] = log_probs[:, 0]
        else:
            scores[:, children] = log_probs[:, of, tables.node_tokens[children] - first]


def score_groups(policy: TokenModel, histories: Tensor, candidates: Tensor) -> Tensor:
    """log pi(i | x) of the candidates [B, G] of each history, with gradients, history and candidates in one forward.

    The nodes on the candidates' paths, each once, follow the history as extra positions under a tree attention mask.
    """
    tables = policy.tables
    tokens, lengths = policy.tokens_of(histories)
    batch, device = len(histories), histories.device
    real = candidates >= 0
    leaves = torch.where(real, tables.leaf_of_item[candidates.clamp(min=0)], 0)
    paths = tables.ancestors[leaves][:, :, 1:]  # [B, G, depth], -1 behind the leaf
    nodes = _distinct_nodes(policy, paths)
    span, extra = tokens.shape[1], nodes.shape[1]
    if extra:
        visible = torch.arange(span, device=device) < lengths[:, None]
        causal = torch.ones(span, span, dtype=torch.bool, device=device).tril().expand(batch, -1, -1)
        top = torch.cat([causal, torch.zeros(batch, span, extra, dtype=torch.bool, device=device)], dim=2)
        bottom = torch.cat([visible[:, None].expand(-1, extra, -1), policy.sees(nodes, nodes)], dim=2)
        of_history = torch.arange(span, device=device).expand(batch, -1)
        positions = torch.cat([of_history, policy.node_positions(lengths, nodes)], dim=1)
        packed = torch.cat([tokens, tables.node_tokens[nodes.clamp(min=0)]], dim=1)
        hidden = policy.hidden(packed, mask=torch.cat([top, bottom], dim=1), positions=positions)
        last, behind = hidden[torch.arange(batch, device=device), lengths - 1], hidden[:, span:]
    else:
        last = policy.last_hidden(tokens, lengths)
        behind = last[:, None][:, :0]
    scores = _root_log_probs(policy, last, paths[:, :, 0], real)
    scores = scores + _deeper_log_probs(policy, behind, nodes, paths)
    return torch.where(real, scores, float("-inf"))


def score_some(policy: TokenModel, histories: Tensor, shared: Tensor, own: Tensor) -> Tensor:
    """Scores [B, M + K] of items [M] for every history and of own candidates [B, K] (-1 scores -inf), no gradient.

    Tries of one level: logits, M + K inner products a history. Others: log-probabilities, CANDIDATES_AT_ONCE a forward.
    """
    if policy.trie.depth > 1:
        candidates = torch.cat([shared.expand(len(histories), -1), own], dim=1)
        parts = candidates.split(CANDIDATES_AT_ONCE, dim=1)
        return torch.cat([score_groups(policy, histories, part) for part in parts], dim=1)
    last = policy.last_hidden(*policy.tokens_of(histories))
    return inner_products(last, policy.token_vectors, policy.token_columns, shared, own)


def inner_products(states: Tensor, embeddings: Tensor, tokens: Tensor, shared: Tensor, own: Tensor) -> Tensor:
    """Inner products [B, M + K] of states [B, width] with the embeddings of items: shared [M], own [B, K] (-1: -inf).

    Row tokens[i] of embeddings [vocabulary, width] is item i's.
    """
    common = exact_product(states, embeddings[tokens[shared]].T)
    each = exact_product(embeddings[tokens[own.clamp(min=0)]], states[:, :, None])[:, :, 0]
    return torch.cat([common, each.masked_fill(own < 0, float("-inf"))], dim=1).float()


def _distinct_nodes(policy: TokenModel, paths: Tensor) -> Tensor:
    """The nodes that must be run for the paths [B, G, depth]: ascending, each once, [B, Q] padded with -1."""
    inner = paths[:, :, :-1].flatten(1)
    needed = (inner >= 0) & policy.tables.needs_forward[inner.clamp(min=0)]
    ordered = torch.where(needed, inner, policy.trie.node_count).sort(dim=1).values
    repeated = _equals_previous(ordered)
    ordered = torch.where(repeated, policy.trie.node_count, ordered).sort(dim=1).values
    wanted = int((ordered < policy.trie.node_count).sum(1).max()) if ordered.numel() else 0
    ordered = ordered[:, :wanted]
    return torch.where(ordered < policy.trie.node_count, ordered, -1)


def _equals_previous(values: Tensor) -> Tensor:
    """Whether each entry of a row equals the one before it, bool [B, Q]."""
    same = torch.zeros_like(values, dtype=torch.bool)
    same[:, 1:] = values[:, 1:] == values[:, :-1]
    return same


def _root_log_probs(policy: TokenModel, last: Tensor, first_nodes: Tensor, real: Tensor) -> Tensor:
    """log pi of the first token of each candidate, [B, G]."""
    if int(policy.tables.child_counts[0]) == 1:
        return torch.zeros_like(real, dtype=last.dtype)
    log_probs, first = policy.token_log_probs(last, torch.zeros(len(last), dtype=torch.int64, device=last.device))
    tokens = torch.where(real, policy.tables.node_tokens[first_nodes.clamp(min=0)] - first, 0)
    return log_probs.gather(1, tokens)


def _deeper_log_probs(policy: TokenModel, hidden: Tensor, nodes: Tensor, paths: Tensor) -> Tensor:
    """log pi of all tokens but the first of each candidate, [B, G]; hidden [B, Q, width] belongs to nodes [B, Q]."""
    result = torch.zeros(paths.shape[:2], device=paths.device, dtype=torch.float32)
    if not nodes.shape[1]:
        return result
    parents, children = paths[:, :, :-1], paths[:, :, 1:]
    row, column, depth = torch.nonzero(
        (children >= 0) & (policy.tables.child_counts[parents.clamp(min=0)] > 1), as_tuple=True
    )
    searchable = torch.where(nodes >= 0, nodes, policy.trie.node_count)
    where = torch.searchsorted(searchable[row], parents[row, column, depth][:, None])[:, 0]
    log_probs = policy.node_log_probs(hidden[row, where], children[row, column, depth])
    return result.index_put((row, column), log_probs, accumulate=True)
