"""What every policy can do whatever its kind: references, heads of their own, what each kind says of itself."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recbench.item_tokens.trie import ItemTrie, build_trie
from recbench.policy.contexts import SequenceContexts
from recbench.policy.interface import COUNTS, SEQUENCES, TRIPLES
from recbench.policy.kinds import POLICIES
from recbench.policy.llama_small import LlamaPolicy
from recbench.policy.make import policy_class
from recbench.schema import PolicyConfig, options

HISTORIES = torch.tensor([[0, 3, 1, -1], [2, -1, -1, -1], [4, 4, 0, 5]])


class Untied(LlamaPolicy):
    """Output rows that are not the input embeddings."""

    def __init__(self, trie: ItemTrie, settings: PolicyConfig) -> None:
        super().__init__(trie, settings)
        self.head = nn.Parameter(torch.randn(trie.vocabulary_size, settings.width))

    @property
    def output_embeddings(self) -> Tensor:
        return self.head


@pytest.fixture
def untied() -> Callable[[np.ndarray], Untied]:
    def make(codes: np.ndarray) -> Untied:
        torch.manual_seed(0)
        return Untied(build_trie(codes), PolicyConfig(layers=1, width=16, heads=2, feed_forward=16, history=4)).eval()

    return make


def test_every_choice_of_the_schema_has_a_class_that_says_what_trains_it() -> None:
    (kind,) = (item for key, item in options(PolicyConfig, "") if key == "kind")
    assert set(POLICIES) == set(kind.metadata["one_of"])
    learned = {name: policy_class(PolicyConfig(kind=name)).learns_from for name in POLICIES}
    assert learned == {
        "llama_small": SEQUENCES,
        "pretrained": SEQUENCES,
        "sasrec": SEQUENCES,
        "bpr_mf": TRIPLES,
        "popularity": COUNTS,
        "item_knn": COUNTS,
    }


def test_a_reference_stays_while_the_policy_is_trained(make_policy) -> None:
    policy = make_policy().train()
    before = policy.eval().score_catalogue(HISTORIES)
    policy.train()
    reference = policy.reference()
    assert policy.training and not reference.training
    assert not any(parameter.requires_grad for parameter in reference.parameters())
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn_like(parameter))
    assert torch.equal(reference.score_catalogue(HISTORIES), before)
    assert not torch.allclose(policy.eval().score_catalogue(HISTORIES), before)


def test_items_are_scored_by_the_output_rows_of_a_head_of_its_own(untied) -> None:
    policy = untied(np.arange(9)[:, None])
    states = policy.last_hidden(*policy.tokens_of(HISTORIES))
    by_hand = (states @ policy.head[1:].T).log_softmax(dim=1)  # token 0 begins a history and is no item
    assert torch.allclose(policy.score_catalogue(HISTORIES), by_hand, atol=1e-6)
    everything = torch.arange(9).expand(3, -1)
    assert torch.allclose(policy.score_groups(HISTORIES, everything), by_hand, atol=1e-6)
    assert torch.allclose(policy.beam_search(HISTORIES, 9).log_probs, by_hand.sort(descending=True).values, atol=1e-6)
    some = policy.score_some(HISTORIES, torch.arange(9), everything[:, :1]).log_softmax(dim=1)
    assert torch.allclose(some[:, :9].log_softmax(dim=1), by_hand, atol=1e-5)
    items = torch.tensor([[0, 3, 1, 2]])
    place = torch.tensor([[0, 3]])
    shared = SequenceContexts(policy, items).score_catalogue(place)
    assert torch.allclose(shared, policy.score_catalogue(items[:, :3]), atol=1e-5)
    loss = policy.sft_loss(items, torch.tensor([[False, False, False, True]]))
    assert float(loss.detach()) == pytest.approx(-float(shared[0, 2].detach()), abs=1e-5)
    loss.backward()
    assert policy.head.grad is not None and bool(policy.head.grad[1:].any())


def test_a_head_of_its_own_scores_sequences_of_several_tokens_too(untied) -> None:
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]])
    policy = untied(codes)
    scores = policy.score_catalogue(HISTORIES)
    assert torch.allclose(scores.exp().sum(1), torch.ones(3), atol=1e-5)
    by_groups = policy.score_groups(HISTORIES, torch.arange(6).expand(3, -1))
    assert torch.allclose(by_groups, scores, atol=1e-5)
    found = policy.beam_search(HISTORIES, 6)
    assert torch.allclose(found.log_probs, scores.gather(1, found.items), atol=1e-5)
    first = (policy.last_hidden(*policy.tokens_of(HISTORIES)) @ policy.head[1:4].T).log_softmax(dim=1)
    assert torch.allclose(scores.exp().view(3, 3, 2).sum(2).log(), first, atol=1e-5)
