"""Scores of pretrained policies against plain transformers over the whole vocabulary, restricted to legal tokens."""

import numpy as np
import pytest
import torch

from tests.policy.pretrained.tiny_models import CODES, FITTING, brute_force, whole_model

HISTORIES = torch.tensor([[3, 1, 6, 1], [-1, -1, -1, -1], [7, -1, -1, -1], [0, 5, 2, -1]])
ATOMIC = np.arange(8)[:, None]
MIXED = np.array([[1, -1, -1], [1, 2, -1], [1, 2, 0], [0, 2, 1], [0, 2, 2], [3, -1, -1], [2, 0, -1], [2, 1, -1]])


@pytest.mark.parametrize("kind", FITTING)
def test_every_way_of_scoring_is_plain_transformers(kind, make_pretrained, checkpoints) -> None:
    policy = make_pretrained(kind)
    model = whole_model(policy, checkpoints[kind])
    own = model.get_input_embeddings().weight.shape[0] - policy.trie.vocabulary_size + 1
    expected = brute_force(policy, model, own, HISTORIES)
    assert float(expected.std()) > 0.5  # else a softmax of nothing would do
    scores = policy.score_catalogue(HISTORIES)
    torch.testing.assert_close(scores.double(), expected, atol=1e-4, rtol=0)
    candidates = torch.tensor([[0, 7, 3], [1, 2, -1], [6, 6, 5], [4, 0, 1]])
    groups = policy.score_groups(HISTORIES, candidates).detach().double()
    wanted = expected.gather(1, candidates.clamp(min=0)).masked_fill(candidates < 0, -torch.inf)
    torch.testing.assert_close(groups, wanted, atol=1e-4, rtol=0)
    beams = policy.beam_search(HISTORIES, 8)
    best = expected.sort(descending=True)
    torch.testing.assert_close(beams.log_probs.double(), best.values, atol=1e-4, rtol=0)
    assert torch.equal(beams.items, best.indices)
    narrow = policy.beam_search(HISTORIES, 3)
    torch.testing.assert_close(narrow.log_probs.double(), expected.gather(1, narrow.items), atol=1e-4, rtol=0)
    some = policy.score_some(HISTORIES, torch.tensor([5, 0]), candidates[:, :1]).double()
    items = torch.cat([torch.tensor([5, 0]).expand(4, -1), candidates[:, :1]], dim=1)
    torch.testing.assert_close(some, expected.gather(1, items), atol=1e-4, rtol=0)


@pytest.mark.parametrize("codes", [ATOMIC, MIXED], ids=["atomic", "mixed depth"])
@pytest.mark.parametrize("kind", ["llama", "llama untied"])
def test_other_item_tokens_are_scored_so_too(kind, codes, make_pretrained, checkpoints) -> None:
    policy = make_pretrained(kind, codes)
    model = whole_model(policy, checkpoints[kind])
    own = model.get_input_embeddings().weight.shape[0] - policy.trie.vocabulary_size + 1
    expected = brute_force(policy, model, own, HISTORIES)
    torch.testing.assert_close(policy.score_catalogue(HISTORIES).double(), expected, atol=1e-4, rtol=0)
    beams = policy.beam_search(HISTORIES, 8)
    torch.testing.assert_close(beams.log_probs.double(), expected.gather(1, beams.items), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["llama", "llama untied", "gemma"])
def test_the_loss_and_its_gradient_are_those_of_a_plain_pass(kind, make_pretrained, checkpoints) -> None:
    policy = make_pretrained(kind)
    model = whole_model(policy, checkpoints[kind])
    own = model.get_input_embeddings().weight.shape[0] - policy.trie.vocabulary_size + 1
    items = torch.tensor([[3, 1, 6, 1], [7, 2, -1, -1]])
    targets = torch.tensor([[True, False, True, True], [False, True, False, False]])
    loss = policy.sft_loss(items, targets)
    loss.backward()
    ids = [[int(t) + own - 1 for t in row] for row in policy.trie.item_tokens]
    total = torch.zeros(())
    for row, place in targets.nonzero().tolist():
        before = [policy.facts.begin, *(token for item in items[row, :place].tolist() for token in ids[item])]
        sequence = ids[int(items[row, place])]
        logits = model(torch.tensor([before + sequence])).logits[0]
        for depth, token in enumerate(sequence):
            legal = sorted({other[depth] for other in ids if other[:depth] == sequence[:depth]})
            total = total - logits[len(before) + depth - 1, legal].log_softmax(0)[legal.index(token)]
    (total / 4).backward()
    torch.testing.assert_close(loss, total / 4, atol=1e-5, rtol=0)
    wanted = policy.output_scale * model.lm_head.weight.grad[own:]
    if policy.item_head is None:
        wanted = wanted + model.get_input_embeddings().weight.grad[own:]
    torch.testing.assert_close(policy.output_embeddings.grad[1:], wanted, atol=1e-5, rtol=1e-4)
    name = "layers.1.self_attn.q_proj.weight"
    wanted = model.base_model.get_parameter(name).grad
    torch.testing.assert_close(policy.backbone.get_parameter(name).grad, wanted, atol=1e-5, rtol=1e-4)


def test_padding_on_either_side_has_no_influence(make_pretrained) -> None:
    policy = make_pretrained()
    alone = policy.score_catalogue(torch.tensor([[3, 1]]))
    padded = policy.score_catalogue(torch.tensor([[3, 1, -1, -1], [-1, -1, 3, 1], [-1, 3, -1, 1], [2, 2, 2, 2]]))
    torch.testing.assert_close(padded[:3], alone.expand(3, -1), atol=1e-5, rtol=0)


def test_a_generation_config_has_no_influence(make_pretrained) -> None:
    policy = make_pretrained()
    before = policy.beam_search(HISTORIES, 5)
    policy.backbone.generation_config = type("Sampling", (), {"do_sample": True, "top_k": 1, "num_beams": 3})()
    after = policy.beam_search(HISTORIES, 5)
    assert torch.equal(before.items, after.items) and torch.equal(before.log_probs, after.log_probs)


def test_a_beginning_is_the_tokenizers_or_its_end(make_pretrained) -> None:
    assert make_pretrained("llama").facts.begin == 1
    assert make_pretrained("qwen2").facts.begin == 2  # it has no token to begin with


def test_rows_of_the_vocabulary_are_not_kept(make_pretrained) -> None:
    policy = make_pretrained("llama untied")
    names = {name for name, _ in policy.named_parameters() if not name.startswith("backbone.layers.")}
    assert names == {"backbone.norm.weight", "item_embeddings", "item_head"}
    assert len(policy.item_head) == CODES.max(0).sum() + CODES.shape[1] + 1
