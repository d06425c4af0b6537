"""The body of a pretrained causal language model: its decoder, apart from the vocabulary at both of its ends.

A policy multiplies hidden states by the rows of item tokens alone. A checkpoint that computes more than that (a bias, a
cap or a scale of its logits), or whose decoder does not do as a mask and positions say, cannot be its body: it is
refused by its own numbers, not by a list of names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase
from transformers.initialization import no_init_weights
from transformers.utils import cached_file

from recbench.errors import UserError
from recbench.pretrained import load_pretrained, load_pretrained_model
from recbench.weights import weights_fingerprint

KEY = "policy.path"
ATTENTION = {"dtype": torch.float32, "attn_implementation": "sdpa", "trust_remote_code": False}
REMEDY = "give a decoder-only model such as Llama, Qwen2, Qwen3, Gemma or SmolLM2"
PROBE = 5  # tokens by which the body's logits are held against those of the whole model
CLOSE = {torch.float32: 1e-4, torch.bfloat16: 3e-2}  # of the largest logit: sums in another order
PACKAGE = "model.safetensors"


@dataclass(frozen=True)
class BodyFacts:
    """What a policy has to know of the checkpoint that its body comes from, as JSON; it stands in policy.json."""

    config: dict[str, Any]  # the checkpoint's config.json, as transformers reads it
    input_scale: float  # what the checkpoint multiplies input embeddings by
    tied: bool  # whether output rows are the input embeddings
    begin: int  # the token before a history
    fingerprint: str  # SHA-256 of the checkpoint's config and weights


@dataclass(frozen=True)
class Body:
    """A decoder, the vocabulary that was taken from it, and what it is."""

    decoder: nn.Module  # embeddings to hidden states
    rows: Tensor  # the checkpoint's own input embeddings [vocabulary, width]
    head: Tensor  # its own output rows, of the same shape: the very tensor where they are tied
    facts: BodyFacts


def read_tokenizer(path: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint.

    Raises:
        UserError: there is none.
    """
    tokenizer: PreTrainedTokenizerBase = load_pretrained(AutoTokenizer, path, KEY, trust_remote_code=False)
    return tokenizer


def begin_token(tokenizer: PreTrainedTokenizerBase, path: str) -> int:
    """The token that begins a history: the tokenizer's own, or its end token where it has none, as with Qwen2.

    Raises:
        UserError: it has neither.
    """
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    raise UserError(
        f"{KEY}={path}: its tokenizer has neither a beginning nor an end token, and a history begins with one"
    )


def read_body(path: str, dtype: torch.dtype) -> Body:
    """The body of the causal LM at `path`, a folder or a name on the hub, from safetensors; its code is never run.

    Raises:
        UserError: there is none, or it is no decoder of hidden states times one matrix.
    """
    begin = begin_token(read_tokenizer(path), path)
    model = load_pretrained_model(AutoModelForCausalLM, path, KEY, **{**ATTENTION, "dtype": dtype}).eval()
    told = f"{KEY}={path} ({model.config.model_type})"
    try:
        rows, head = model.get_input_embeddings().weight.detach(), model.get_output_embeddings().weight.detach()
        scale = _input_scale(model, rows)
        expected, found = _probe(model, rows, head, scale)
    except Exception as problem:  # takes no embeddings or no mask, is no decoder, has no head ...
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise UserError(f"{told} cannot be a policy ({reason[:160]}); {REMEDY}") from problem
    if not torch.allclose(found, expected, rtol=0, atol=CLOSE[dtype] * float(expected.abs().max())):
        raise UserError(
            f"{told} cannot be a policy: its logits are more than hidden states times a matrix, or its attention does "
            f"not do as a mask says; {REMEDY}"
        )
    facts = BodyFacts(model.config.to_dict(), scale, head.data_ptr() == rows.data_ptr(), begin, fingerprint(path))
    return Body(_without_vocabulary(model), rows, head, facts)


def empty_body(facts: BodyFacts) -> nn.Module:
    """A decoder of the same shape, in float32, whose weights are still to be read."""
    with no_init_weights():
        model = AutoModelForCausalLM.from_config(config_of(facts), **ATTENTION)
    return _without_vocabulary(model)


def config_of(facts: BodyFacts) -> PreTrainedConfig:
    """The config of a body's checkpoint."""
    return AutoConfig.for_model(**facts.config)


def longest(facts: BodyFacts) -> int | None:
    """Most tokens that a body reads; None where its config does not say.

    Where layers look at a window of tokens alone, it is that window: within it they see what a mask lets them see.
    """
    text = config_of(facts).get_text_config()
    kinds = getattr(text, "layer_types", None)
    windows = [getattr(text, name, None) for name in ("sliding_window", "attention_chunk_size")]
    everywhere = kinds is not None and set(kinds) == {"full_attention"}
    found = [getattr(text, "max_position_embeddings", None), *([] if everywhere else windows)]
    return min((int(one) for one in found if one), default=None)


def _input_scale(model: Any, rows: Tensor) -> float:
    """What the embedding layer multiplies its rows by: sqrt(width) in Gemma, one elsewhere."""
    some = torch.arange(min(PROBE, len(rows)))
    with torch.no_grad():
        found, plain = model.get_input_embeddings()(some).double(), rows[some].double()
    return float((found * plain).sum() / plain.square().sum().clamp(min=1e-30))


@torch.no_grad()
def _probe(model: Any, rows: Tensor, head: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Logits of a few tokens by the model, and by its body with another token packed among them that none may see."""
    tokens = torch.arange(min(PROBE, len(rows)))
    packed = torch.cat([tokens[:1], tokens[-1:], tokens[1:]])  # the second is the stranger
    sees = torch.ones(len(packed), len(packed), dtype=torch.bool).tril()
    sees[2:, 1] = False
    positions = torch.tensor([0, 1, *range(1, len(tokens))])
    kept = [0, *range(2, len(packed))]
    hidden = model.base_model(
        inputs_embeds=rows[packed][None] * scale,
        attention_mask=sees[None, None],
        position_ids=positions[None],
        use_cache=False,
    ).last_hidden_state[:, kept]
    return model(input_ids=tokens[None], use_cache=False).logits.float(), hidden.float() @ head.float().T


def _without_vocabulary(model: Any) -> nn.Module:
    """The decoder without its embedding layer: it is given embeddings."""
    decoder: Any = model.base_model
    decoder.set_input_embeddings(None)
    decoder.config.use_cache = False
    return decoder


def fingerprint(path: str) -> str:
    """SHA-256 of config and weights; of a name on the hub, of the files in the cache."""
    folder = Path(path) if Path(path).is_dir() else Path(str(cached_file(path, "config.json"))).parent
    return weights_fingerprint(folder)
