"""Full scoring, group scoring and beam search against a naive loop over items and tokens, on all kinds of tries."""

import numpy as np
import pytest
import torch

from recbench.item_tokens.trie import build_trie
from recbench.policy.baselines.sasrec import SasRec
from recbench.policy.llama_small import LlamaPolicy
from recbench.schema import PolicyConfig


def _codes(kind: str) -> np.ndarray:
    random = np.random.default_rng(1)
    if kind == "atomic":
        return np.arange(9)[:, None]
    if kind == "one item":
        return np.array([[4, 2, 7]])
    if kind == "levels":
        return np.unique(random.integers(0, 4, size=(40, 3)), axis=0)
    if kind == "shared":
        return random.integers(0, 3, size=(30, 3))
    if kind == "no choice":  # one first token, then chains of single children
        return np.stack([np.zeros(6, int), np.arange(6), np.arange(6)], axis=1)
    assert kind == "mixed depth"
    # [1] begins [1, 2], which begins [1, 2, 0]: the terminator keeps them apart.
    return np.array([[1, -1, -1], [1, 2, -1], [1, 2, 0], [0, 2, 1], [0, 2, 2], [3, -1, -1], [2, 0, -1], [2, 1, -1]])


KINDS = ["atomic", "one item", "levels", "shared", "no choice", "mixed depth"]


def _policy(kind: str, seed: int = 0) -> LlamaPolicy:
    torch.manual_seed(seed)
    settings = PolicyConfig(layers=2, width=16, heads=2, feed_forward=32, history=4)
    policy = LlamaPolicy(build_trie(_codes(kind)), settings).eval()
    for parameter in policy.parameters():  # larger weights than at initialisation, so that scores differ clearly
        parameter.data.mul_(4.0)
    return policy


def _histories(policy: LlamaPolicy | SasRec) -> torch.Tensor:
    """Four histories of different lengths, one of them empty."""
    items = np.random.default_rng(0).integers(0, policy.catalogue_size, size=(4, 4))
    histories = torch.from_numpy(items)
    for row, length in enumerate([4, 0, 1, 3]):
        histories[row, length:] = -1
    return histories


def _naive_log_probs(policy: LlamaPolicy, history: list[int]) -> torch.Tensor:
    """log pi(i | x) of every item by one plain forward a token, normalised over the children found by scanning."""
    trie = policy.trie
    tokens_of = [[int(t) for t in row if t >= 0] for row in trie.item_tokens]
    prefix = [0] + [token for item in history for token in tokens_of[item]]
    result = torch.zeros(len(tokens_of), dtype=torch.float64)
    for item, sequence in enumerate(tokens_of):
        for place, token in enumerate(sequence):
            legal = sorted(
                {other[place] for other in tokens_of if other[:place] == sequence[:place] and len(other) > place}
            )
            hidden = policy.backbone(
                inputs_embeds=policy.embeddings[torch.tensor([prefix + sequence[:place]])]
            ).last_hidden_state[0, -1]
            logits = policy.embeddings[legal] @ hidden
            result[item] += torch.log_softmax(logits.double(), 0)[legal.index(token)]
    return result


def _naive(policy: LlamaPolicy, histories: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.stack([_naive_log_probs(policy, [i for i in row.tolist() if i >= 0]) for row in histories])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_full_scoring_is_the_naive_loop(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbench.item_tokens.trie.NODES_PER_FORWARD", 5)  # several chunks
    policy = _policy(kind)
    histories = _histories(policy)
    scores = policy.score_catalogue(histories)
    torch.testing.assert_close(scores.double(), _naive(policy, histories), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_of_distinct_sequences_sum_to_one(kind: str) -> None:
    policy = _policy(kind)
    scores = policy.score_catalogue(_histories(policy))
    _, first_of_leaf = np.unique(policy.trie.leaf_of_item, return_index=True)
    total = scores[:, torch.from_numpy(first_of_leaf)].exp().sum(1)
    torch.testing.assert_close(total, torch.ones(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_group_scoring_is_full_scoring(kind: str) -> None:
    policy = _policy(kind)
    histories = _histories(policy)
    random = np.random.default_rng(2)
    candidates = torch.from_numpy(random.integers(0, policy.catalogue_size, size=(4, 6)))
    candidates[1, 3:] = -1
    scores = policy.score_groups(histories, candidates)
    expected = policy.score_catalogue(histories).gather(1, candidates.clamp(min=0))
    expected[1, 3:] = float("-inf")
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("policy_kind", ["llama_small", "sasrec"])
@pytest.mark.parametrize("kind", ["atomic", "levels", "mixed depth"])
def test_some_scores_are_full_ones_up_to_a_constant(
    kind: str, policy_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if policy_kind == "sasrec" and kind != "atomic":
        pytest.skip("one token an item")
    monkeypatch.setattr("recbench.policy.scoring.CANDIDATES_AT_ONCE", 3)  # several forwards
    torch.manual_seed(0)
    settings = PolicyConfig(kind=policy_kind, layers=1, width=16, heads=2, feed_forward=32, history=4)
    policy = _policy(kind) if policy_kind == "llama_small" else SasRec(build_trie(_codes(kind)), settings).eval()
    histories = _histories(policy)
    shared, own = torch.tensor([5, 0, 2]), torch.tensor([[1, 3], [4, -1], [0, 1], [7, 7]])
    scores = policy.score_some(histories, shared, own)
    items = torch.cat([shared.expand(4, -1), own], dim=1)
    gap = policy.score_catalogue(histories).gather(1, items.clamp(min=0)) - scores
    assert (scores == -torch.inf).nonzero().tolist() == [[1, 4]]
    gap[1, 4] = gap[1, 0]
    torch.testing.assert_close(gap, gap[:, :1].expand(-1, 5), atol=1e-5, rtol=0)
    assert policy.searches == (kind != "atomic")
    if policy.searches:
        torch.testing.assert_close(gap, torch.zeros_like(gap), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["atomic", "levels", "mixed depth"])
def test_group_scoring_has_the_gradient_of_the_plain_forward(kind: str) -> None:
    policy = _policy(kind)
    histories = _histories(policy)[:1]
    item = policy.catalogue_size - 1
    policy.score_groups(histories, torch.tensor([[item]])).sum().backward()
    packed = policy.embeddings.grad.clone()
    policy.zero_grad()
    _naive_log_probs(policy, histories[0].tolist())[item].backward()
    torch.testing.assert_close(packed, policy.embeddings.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extra", [0, 7])
def test_a_beam_as_wide_as_the_catalogue_is_exhaustive(kind: str, extra: int) -> None:
    policy = _policy(kind)
    histories = _histories(policy)
    scores = policy.score_catalogue(histories)
    beams = policy.beam_search(histories, policy.catalogue_size + extra)
    assert beams.items.shape == (4, policy.catalogue_size)  # never more than the catalogue holds
    for row in range(4):
        assert sorted(beams.items[row].tolist()) == list(range(policy.catalogue_size))
        torch.testing.assert_close(beams.log_probs[row], scores[row][beams.items[row]], atol=1e-5, rtol=0)
        # Full scoring's order: descending, ties in catalogue order (equal sequences score exactly equal).
        expected = scores[row].sort(descending=True, stable=True)
        torch.testing.assert_close(beams.log_probs[row], expected.values, atol=1e-5, rtol=0)
        clear = expected.values.diff().abs() > 1e-4
        if bool(clear.all()):
            assert beams.items[row].tolist() == expected.indices.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_narrow_beam_returns_distinct_legal_items_with_their_exact_scores(kind: str, width: int) -> None:
    policy = _policy(kind)
    histories = _histories(policy)
    scores = policy.score_catalogue(histories)
    beams = policy.beam_search(histories, width)
    assert beams.items.shape[1] == min(width, policy.catalogue_size)
    for row in range(4):
        found = [i for i in beams.items[row].tolist() if i >= 0]
        assert len(found) == len(set(found)) == min(width, policy.catalogue_size)
        torch.testing.assert_close(beams.log_probs[row], scores[row][beams.items[row]], atol=1e-5, rtol=0)
        assert (beams.log_probs[row].diff() <= 0).all()


def test_a_beam_of_one_is_greedy_where_every_level_has_a_choice() -> None:
    policy = _policy("levels")
    histories = _histories(policy)
    item = int(policy.beam_search(histories[:1], 1).items[0, 0])
    trie, node, prefix = policy.trie, 0, []
    with torch.no_grad():
        for _ in range(trie.depth):
            tokens, _ = policy.tokens_of(histories[:1])
            hidden = policy.hidden(torch.cat([tokens, torch.tensor([prefix], dtype=torch.int64)], dim=1))[0, -1]
            children = np.arange(trie.child_offsets[node], trie.child_offsets[node + 1]) + 1
            logits = policy.embeddings[torch.from_numpy(trie.node_tokens[children])] @ hidden
            node = int(children[int(logits.argmax())])
            prefix.append(int(trie.node_tokens[node]))
    assert trie.leaf_of_item[item] == node


def test_a_generation_config_has_no_influence() -> None:
    policy = _policy("levels")
    histories = _histories(policy)
    before = policy.beam_search(histories, 5)
    policy.backbone.generation_config = type("Sampling", (), {"do_sample": True, "top_k": 1, "num_beams": 3})()
    after = policy.beam_search(histories, 5)
    assert torch.equal(before.items, after.items)
    assert torch.equal(before.log_probs, after.log_probs)


def test_padding_has_no_influence() -> None:
    policy = _policy("mixed depth")
    short = torch.tensor([[3, 1]])
    padded = torch.tensor([[3, 1, -1, -1]])
    torch.testing.assert_close(policy.score_catalogue(short), policy.score_catalogue(padded), atol=1e-6, rtol=0)
