"""What the table of policies says of each kind: names among arms by hand, and settings that do not go together."""

import sys
from subprocess import run

import pytest
from omegaconf import OmegaConf

from recbench.errors import UserError
from recbench.policy.kinds import POLICIES, policy_kind
from recbench.schema import PolicyConfig


def node(**values):
    return OmegaConf.merge(OmegaConf.structured(PolicyConfig), values)


@pytest.mark.parametrize(
    ("policy", "first", "later"),
    [
        (node(), "sft", "tawin 5-15"),
        (node(kind="sasrec"), "sasrec", "sasrec tawin 5-15"),
        (node(kind="bpr_mf"), "bpr-mf", "bpr-mf"),
        (node(kind="item_knn"), "item-knn", "item-knn"),
        (node(kind="popularity"), "popularity", "popularity"),
        (node(kind="pretrained", path="/models/SmolLM2-135M"), "SmolLM2-135M", "SmolLM2-135M tawin 5-15"),
        (
            node(kind="pretrained", path="/models/SmolLM2-135M", train="lora"),
            "SmolLM2-135M lora",
            "SmolLM2-135M lora tawin 5-15",
        ),
        (OmegaConf.create({"kind": "mine.Mean", "label": "mean", "trained_by": "count"}), "mean", "mean"),
        (OmegaConf.create({"kind": "mine.Gru", "label": "gru", "trained_by": "any"}), "gru", "gru tawin 5-15"),
        (OmegaConf.create({"layers": 2}), "sft", "tawin 5-15"),  # of a run before there were kinds
    ],
)
def test_names_among_arms(policy, first: str, later: str) -> None:
    kind = policy_kind(policy)
    assert kind.arm(policy, "sft", True) == first
    assert kind.arm(policy, "tawin 5-15", False) == later


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (node(width=30, heads=4), r"policy.width=30: expected a multiple of twice the heads \(8\)"),
        (node(kind="sasrec", width=30, heads=4), r"policy.width=30: expected a multiple of the heads \(4\)"),
        (
            OmegaConf.create({"kind": "mine.Gru", "trained_by": "any", "width": 30, "heads": 4}),
            r"policy.width=30: expected a multiple of the heads \(4\)",
        ),
        (node(kind="pretrained"), "policy=pretrained needs a language model"),
        (node(kind="pretrained", path="x", dtype="bfloat16"), "policy.train=full needs policy.dtype=float32"),
        (node(kind="pretrained", path="x", initial_embeddings="cooccurrence"), "give text or random"),
    ],
)
def test_settings_that_do_not_go_together_are_told(policy, words: str) -> None:
    with pytest.raises(UserError, match=words):
        policy_kind(policy).check(policy)


def test_settings_that_do_are_not() -> None:
    for policy in (node(), node(kind="sasrec", width=12, heads=4), node(kind="bpr_mf", width=7), node(kind="item_knn")):
        policy_kind(policy).check(policy)


def test_the_table_is_there_without_torch() -> None:
    """Help and completion read it."""
    code = "import sys, recbench.policy.kinds; sys.exit('torch' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
    assert list(POLICIES)[0] == "llama_small"  # the default stands first
