"""What of a pretrained policy is trained, kept and shared, what it reads, and which checkpoints can be one."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from recbench.errors import UserError
from recbench.item_tokens.make import ItemTokens
from recbench.low_rank import merge_low_rank
from recbench.policy.checkpoint import load_policy, save_policy
from recbench.policy.pretrained.policy import PretrainedPolicy
from recbench.schema import AlgoConfig, PolicyConfig
from recbench.training.checkpoint import load_training_state, save_training_state
from recbench.training.optimizer import make_optimizer, set_learning_rates
from tests.policy.pretrained.tiny_models import CODES, TITLES, brute_force, whole_model

HISTORIES = torch.tensor([[3, 1, 6, 1], [-1, -1, -1, -1], [7, -1, -1, -1], [0, 5, 2, -1]])
ITEMS, TARGETS = torch.tensor([[3, 1, 6, 1], [7, 2, 4, -1]]), torch.tensor([[True] * 4, [True, True, True, False]])
TOKENS = ItemTokens(CODES, "made by hand")


def step(policy: PretrainedPolicy, rate: float = 0.05) -> None:
    """One step of SFT with dropout off."""
    optimizer = torch.optim.SGD(policy.trained_parameters(), rate)
    policy.sft_loss(ITEMS, TARGETS).backward()
    optimizer.step()
    policy.zero_grad()


@pytest.mark.parametrize("kind", ["llama", "llama untied"])
@pytest.mark.parametrize("train", ["full", "lora", "frozen"])
def test_a_policy_comes_back_with_the_same_logits(kind, train, make_pretrained, tmp_path) -> None:
    policy = make_pretrained(kind, train=train)
    step(policy)
    scores = policy.score_catalogue(HISTORIES)
    save_policy(tmp_path, policy, TOKENS)
    found, _ = load_policy(tmp_path)
    assert torch.equal(found.score_catalogue(HISTORIES), scores)
    kept = load_file(tmp_path / "model.safetensors")
    body = [name for name in kept if name.startswith("backbone.") and not name.endswith((".up", ".down"))]
    assert bool(body) == (train == "full")
    assert ("item_head" in kept) == (kind == "llama untied")
    assert not any(name.endswith("embed_tokens.weight") for name in kept)
    assert json.loads((tmp_path / "policy.json").read_text())["body"]["tied"] == (kind == "llama")


def test_what_is_trained_moves_and_nothing_else(make_pretrained) -> None:
    for train, moving in {"full": "layers", "lora": ".up", "frozen": "item_"}.items():
        policy = make_pretrained(train=train)
        before = {name: value.detach().clone() for name, value in policy.named_parameters()}
        step(policy)
        moved = {name for name, value in policy.named_parameters() if not torch.equal(value, before[name])}
        assert any(moving in name for name in moved) and "item_embeddings" in moved
        if train == "lora":
            assert all(name.endswith((".up", ".down")) or name == "item_embeddings" for name in moved)
        if train == "frozen":
            assert moved == {"item_embeddings"}


def test_lora_starts_as_the_model_itself_and_merges_into_it(make_pretrained, checkpoints) -> None:
    policy = make_pretrained(train="lora", as_started=True)
    model = whole_model(policy, checkpoints["llama"])
    own = model.get_input_embeddings().weight.shape[0] - policy.trie.vocabulary_size + 1
    expected = brute_force(policy, model, own, HISTORIES)
    torch.testing.assert_close(policy.score_catalogue(HISTORIES).double(), expected, atol=1e-4, rtol=0)
    step(policy, 1.0)
    trained = policy.score_catalogue(HISTORIES)
    assert not torch.allclose(trained.double(), expected, atol=1e-2)
    merge_low_rank(policy.backbone)
    torch.testing.assert_close(policy.score_catalogue(HISTORIES), trained, atol=1e-4, rtol=0)


@pytest.mark.parametrize("train", ["full", "lora", "frozen"])
def test_a_reference_stays_and_shares_what_is_frozen(train, make_pretrained) -> None:
    policy = make_pretrained(train=train)
    before = policy.score_catalogue(HISTORIES)
    reference = policy.reference()
    mine, theirs = dict(policy.named_parameters()), dict(reference.named_parameters())
    shared = {name for name in mine if mine[name] is theirs[name]}
    assert shared == {name for name in mine if not mine[name].requires_grad}
    assert bool(shared) == (train != "full")
    step(policy)
    assert torch.equal(reference.score_catalogue(HISTORIES), before)
    assert not torch.equal(policy.score_catalogue(HISTORIES), before)
    assert not any(parameter.requires_grad for parameter in reference.parameters())


@pytest.mark.parametrize("train", ["full", "lora"])
def test_activations_computed_again_change_nothing(train, make_pretrained) -> None:
    plain, again = (make_pretrained(train=train, gradient_checkpointing=asked).train() for asked in (False, True))
    for policy in (plain, again):
        policy.sft_loss(ITEMS, TARGETS).backward()
    for (name, one), (_, other) in zip(plain.named_parameters(), again.named_parameters(), strict=True):
        if one.requires_grad:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-5, msg=name)
    # With dropout on while groups are built, a policy in training mode fills caches, too.
    assert torch.allclose(again.score_catalogue(HISTORIES), plain.eval().score_catalogue(HISTORIES), atol=1e-5)
    assert again.training
    found = again.score_groups(HISTORIES, torch.tensor([[0, 1]] * 4))
    torch.testing.assert_close(found, plain.score_groups(HISTORIES, torch.tensor([[0, 1]] * 4)), atol=1e-5, rtol=0)


def test_a_frozen_body_may_be_bfloat16_with_rows_and_lora_in_float32(make_pretrained, tmp_path) -> None:
    whole, half = make_pretrained(train="lora"), make_pretrained(train="lora", dtype="bfloat16")
    assert {value.dtype for value in half.parameters() if value.requires_grad} == {torch.float32}
    assert half.backbone.layers[0].mlp.up_proj.linear.weight.dtype == torch.bfloat16
    scores = half.score_catalogue(HISTORIES)
    assert scores.dtype == torch.float32
    gap = (scores - whole.score_catalogue(HISTORIES)).abs().max()
    assert 0 < float(gap) < 0.5
    step(half)
    save_policy(tmp_path, half, TOKENS)
    assert torch.equal(load_policy(tmp_path)[0].score_catalogue(HISTORIES), half.score_catalogue(HISTORIES))


def test_the_body_learns_at_a_rate_of_its_own(make_pretrained) -> None:
    policy = make_pretrained(train="full", body_learning_rate=0.25)
    optimizer = make_optimizer(policy, AlgoConfig(learning_rate=0.8))
    assert set_learning_rates([optimizer], 0.5) == 0.4
    rates = {id(value): group["lr"] for group in optimizer.param_groups for value in group["params"]}
    for name, value in policy.named_parameters():
        assert rates[id(value)] == (0.1 if name.startswith("backbone.") else 0.4)


@pytest.mark.parametrize("kind", ["llama", "llama untied", "gemma", "qwen3"])
@pytest.mark.parametrize("start", ["text", "random"])
def test_a_start_is_near_uniform_and_tells_tokens_apart(kind, start, make_pretrained) -> None:
    policy = make_pretrained(kind, as_started=True, initial_embeddings=start, initial_logits=0.1)
    uniform = torch.tensor([_uniform(policy, item) for item in range(8)])
    gaps = (policy.score_catalogue(HISTORIES) - uniform).abs()
    assert 1e-3 < float(gaps.mean()) < 0.25
    far = make_pretrained(kind, as_started=True, initial_embeddings=start, initial_logits=1e6)
    assert float((far.score_catalogue(HISTORIES) - uniform).abs().mean()) > 2 * float(gaps.mean())
    states = policy.hidden(policy.tokens_of(torch.tensor([[0, 1, 2, 3, 4]]))[0])[0]
    logits = (states @ policy.output_embeddings[1:].T).detach()
    assert 0.05 < float(logits.std(dim=1).mean()) < 0.2  # nats
    assert float(far.output_scale) == 1 and torch.equal(far.item_embeddings, policy.item_embeddings)


def _uniform(policy: PretrainedPolicy, item: int) -> float:
    """log-probability of an item where every legal token is as likely."""
    trie, node, total = policy.trie, int(policy.trie.leaf_of_item[item]), 0.0
    while node:
        node = int(trie.parents[node])
        total -= math.log(trie.child_counts[node])
    return total


@pytest.mark.parametrize("kind", ["llama", "llama untied"])
def test_rows_start_as_means_of_titles_at_the_spread_of_the_models_own(kind, make_pretrained, checkpoints) -> None:
    policy = make_pretrained(kind, as_started=True, initial_embeddings="text", initial_logits=1e6)
    model = AutoModelForCausalLM.from_pretrained(checkpoints[kind])
    tokenizer = AutoTokenizer.from_pretrained(checkpoints[kind])
    ends = (model.get_input_embeddings(), policy.embeddings), (model.get_output_embeddings(), policy.output_embeddings)
    for layer, rows in ends:
        own = layer.weight.detach()
        titles = [own[tokenizer.encode(title, add_special_tokens=False)].mean(0) for title in TITLES]
        wanted = torch.stack(
            [
                torch.stack([titles[item] for item in range(8) if token in policy.trie.item_tokens[item]]).mean(0)
                for token in range(1, policy.trie.vocabulary_size)
            ]
        )
        wanted = wanted - wanted.mean(0)
        spread = (own - own.mean(0)).std()
        torch.testing.assert_close(rows[1:].detach(), own.mean(0) + wanted * spread / wanted.std(), atol=1e-5, rtol=0)
        assert torch.equal(rows[0], own[1])  # the beginning token's


def test_random_rows_stand_where_the_models_own_do(make_pretrained, checkpoints) -> None:
    policy = make_pretrained(codes=np.arange(8)[:, None], as_started=True, initial_logits=1e6)
    own = AutoModelForCausalLM.from_pretrained(checkpoints["llama"]).get_input_embeddings().weight.detach()
    different = policy.item_embeddings[1:].detach() - own.mean(0)
    assert float(different.std() / (own - own.mean(0)).std()) == pytest.approx(1.0, abs=0.2)
    assert float(different.mean(0).norm()) < 0.6 * float(different.norm(dim=1).mean())


def test_histories_are_cut_to_the_items_that_fit(make_pretrained, tmp_path, checkpoints) -> None:
    assert make_pretrained(history=50).history == 20  # (64 - 1) // 3 - 1
    assert make_pretrained("gemma3", history=50).history == 9  # a window of 32 tokens
    assert make_pretrained(history=50, context_tokens=16).history == 4
    assert make_pretrained(history=3, context_tokens=16).history == 3
    with pytest.raises(
        UserError, match="policy.context_tokens is 6 tokens, and a beginning with two items of 3 tokens"
    ):
        make_pretrained(context_tokens=6)
    folder = shutil.copytree(checkpoints["llama"], tmp_path / "short")
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 6}
    (folder / "config.json").write_text(json.dumps(config))
    checkpoints["short"] = folder
    with pytest.raises(UserError, match="reads is 6 tokens"):
        make_pretrained("short")


def test_a_model_that_scales_its_logits_is_refused(make_pretrained) -> None:
    with pytest.raises(UserError, match=r"\(granite\) cannot be a policy: its logits are more than hidden states"):
        make_pretrained("granite")


def test_adapters_of_another_body_are_refused(make_pretrained, checkpoints, tmp_path) -> None:
    folder = shutil.copytree(checkpoints["llama"], tmp_path / "body")
    checkpoints["copied"] = folder
    policy = make_pretrained("copied", train="lora")
    (tmp_path / "saved").mkdir()
    save_policy(tmp_path / "saved", policy, TOKENS)
    assert load_policy(tmp_path / "saved")[0].catalogue_size == 8
    shutil.copy(checkpoints["llama untied"] / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(UserError, match="holds other weights than those beside which this policy was trained"):
        load_policy(tmp_path / "saved")
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="policy.path"):
        load_policy(tmp_path / "saved")


def test_a_policy_trained_in_full_needs_its_checkpoint_no_more(make_pretrained, checkpoints, tmp_path) -> None:
    checkpoints["gone"] = shutil.copytree(checkpoints["llama"], tmp_path / "body")
    policy = make_pretrained("gone")
    (tmp_path / "saved").mkdir()
    save_policy(tmp_path / "saved", policy, TOKENS)
    shutil.rmtree(tmp_path / "body")
    found = load_policy(tmp_path / "saved")[0]
    assert torch.equal(found.score_catalogue(HISTORIES), policy.score_catalogue(HISTORIES))


def test_titles_are_asked_for_where_there_are_none(checkpoints, shop_data) -> None:
    catalogue = shop_data.catalogue.remove_columns("title").add_column("title", ["", " ", None, *[""] * 5])
    settings = PolicyConfig(kind="pretrained", path=str(checkpoints["llama"]), initial_embeddings="text")
    with pytest.raises(UserError, match="has no titles to start token embeddings from"):
        PretrainedPolicy.new(TOKENS.trie(), settings, dataclasses.replace(shop_data, catalogue=catalogue))


@pytest.mark.parametrize("train", ["full", "lora"])
def test_an_interrupted_training_goes_on_exactly(train, make_pretrained, tmp_path) -> None:
    def start() -> tuple[PretrainedPolicy, torch.optim.Optimizer]:
        policy = make_pretrained(train=train, body_learning_rate=0.3)
        return policy, make_optimizer(policy, AlgoConfig(learning_rate=0.01, weight_decay=0.1))

    def steps(policy: PretrainedPolicy, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            policy.sft_loss(ITEMS, TARGETS).backward()
            set_learning_rates([optimizer], 1.0)
            optimizer.step()

    whole = start()
    steps(*whole, 5)
    first = start()
    steps(*first, 2)
    save_training_state(tmp_path, *first, None, {"step": 2})
    second = start()
    load_training_state(tmp_path, *second)
    steps(*second, 3)
    for (name, one), (_, other) in zip(whole[0].named_parameters(), second[0].named_parameters(), strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize("settings", [{}, {"train": "lora", "dtype": "bfloat16"}])
def test_half_precision_computes_nearly_the_same(settings, make_pretrained) -> None:
    policy = make_pretrained(**settings)
    exact = policy.sft_loss(ITEMS, TARGETS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = policy.sft_loss(ITEMS, TARGETS)
        scores = policy.score_catalogue(HISTORIES)
    assert found.dtype == scores.dtype == torch.float32
    assert float(found.detach()) == pytest.approx(float(exact.detach()), rel=0.05)
    found.backward()
    assert all(bool(value.grad.isfinite().all()) for value in policy.trained_parameters() if value.grad is not None)
    assert len(scores.unique()) == scores.numel()  # products that decide an order are not rounded
