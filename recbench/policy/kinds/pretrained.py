"""Any decoder-only language model of transformers, with items as new tokens."""

from pathlib import Path
from typing import Any

from recbench.errors import UserError
from recbench.policy.kinds.interface import PolicyKind


class Pretrained(PolicyKind):
    """A language model that was trained on texts."""

    name = "pretrained"
    place = 1
    implementation = "recbench.policy.pretrained.policy:PretrainedPolicy"
    reads_tokens = True
    starts_from = ("random", "text")

    def called(self, policy: Any) -> str:
        """The model's own name; where it is not trained in full also what is: `SmolLM2-135M-Instruct lora`."""
        name = Path(str(policy.path)).name
        return name if policy.train == "full" else f"{name} {policy.train}"

    def check(self, policy: Any) -> None:
        """It needs a checkpoint, and weights that are trained need their digits."""
        if policy.path is None or not policy.path.strip():
            raise UserError("policy=pretrained needs a language model: give policy.path=FOLDER, or its name on the hub")
        if policy.initial_embeddings == "cooccurrence":
            raise UserError(
                "policy=pretrained starts new tokens from titles or at random, and policy.initial_embeddings is "
                "cooccurrence: give text or random"
            )
        if policy.train == "full" and policy.dtype != "float32":
            raise UserError(
                f"policy.train=full needs policy.dtype=float32, and it is {policy.dtype}, in which most steps are lost "
                "to rounding: give precision=bfloat16, which computes in it, or policy.train=lora"
            )
