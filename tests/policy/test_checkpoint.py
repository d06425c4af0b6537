"""Policies and training states survive being written and read."""

import json

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from recbench.errors import UserError
from recbench.item_tokens.make import ItemTokens
from recbench.policy.checkpoint import load_policy, save_policy
from recbench.policy.llama_small import LlamaPolicy
from recbench.policy.sft import sft_loss
from recbench.schema import PolicyConfig
from recbench.training.checkpoint import load_training_state, save_training_state

SETTINGS = PolicyConfig(layers=1, width=8, heads=2, feed_forward=8, history=5, output_dropout=0.1)
TOKENS = ItemTokens(np.array([[0, 1, -1], [0, 2, 3], [4, -1, -1]]), "made by hand")


@pytest.mark.parametrize("composed", [False, True])
def test_a_policy_comes_back_as_it_was(composed: bool, tmp_path) -> None:
    torch.manual_seed(0)
    policy = LlamaPolicy(TOKENS.trie(), OmegaConf.structured(SETTINGS) if composed else SETTINGS).eval()
    save_policy(tmp_path, policy, TOKENS)
    found, tokens = load_policy(tmp_path)
    assert not found.training
    assert (tokens.codes == TOKENS.codes).all() and tokens.origin == TOKENS.origin
    assert (found.history, found.output_dropout) == (5, 0.1)
    histories = torch.tensor([[0, 1, 2], [2, -1, -1]])
    assert torch.equal(found.score_catalogue(histories), policy.score_catalogue(histories))
    (tmp_path / "again").mkdir()
    save_policy(tmp_path / "again", found, tokens)
    assert (tmp_path / "again" / "policy.json").read_bytes() == (tmp_path / "policy.json").read_bytes()
    assert not any(file.suffix in (".pt", ".bin", ".pkl") for file in tmp_path.iterdir())


def test_a_folder_without_a_policy_is_told(tmp_path) -> None:
    with pytest.raises(UserError, match="holds no policy"):
        load_policy(tmp_path)


@pytest.mark.parametrize("averaged", [False, True])
def test_a_training_state_continues_exactly(averaged: bool, tmp_path) -> None:
    def start() -> tuple[LlamaPolicy, torch.optim.Optimizer]:
        torch.manual_seed(0)
        policy = LlamaPolicy(TOKENS.trie(), SETTINGS)
        return policy, torch.optim.AdamW(policy.parameters(), lr=0.01, weight_decay=0.1)

    def steps(policy: LlamaPolicy, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
        for step in range(first, last):
            torch.manual_seed(step)
            optimizer.zero_grad()
            sft_loss(policy, torch.tensor([[0, 1, 2]]), torch.tensor([[True, True, True]])).backward()
            optimizer.step()

    whole = start()
    steps(*whole, 0, 6)
    policy, optimizer = start()
    steps(policy, optimizer, 0, 3)
    average = {"some": torch.arange(3.0)} if averaged else None
    numbers = {"step": 3, "best_value": -float("inf"), "history": [{"auc": 0.1 + 0.2}]}
    save_training_state(tmp_path, policy, optimizer, average, numbers)
    policy, optimizer = start()
    found, read = load_training_state(tmp_path, policy, optimizer)
    steps(policy, optimizer, 3, 6)
    for name, value in whole[0].state_dict().items():
        assert torch.equal(policy.state_dict()[name], value), name
    assert read == numbers
    assert (found is None) == (not averaged)
    if found is not None:
        assert torch.equal(found["some"], torch.arange(3.0))
    assert json.loads((tmp_path / "state.json").read_text())["step"] == 3
