"""A small LLaMA-architecture model of item tokens, trained from scratch."""

from typing import Any

from recbench.policy.kinds.interface import PolicyKind, check_heads


class LlamaSmall(PolicyKind):
    """The LLM recommender that trains on a laptop."""

    name = "llama_small"
    place = 0
    implementation = "recbench.policy.llama_small:LlamaPolicy"
    unnamed = True
    reads_tokens = True
    starts_from = ("random", "text", "cooccurrence")

    def check(self, policy: Any) -> None:
        """Rotary positions turn halves of a head."""
        check_heads(policy, 2)
