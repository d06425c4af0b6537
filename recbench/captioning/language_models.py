"""Any small causal language model as the language half of the small LLaVA: its tokenizer, its weights, what is trained.

A LLaVA is a model of hidden states and one output matrix. What a checkpoint computes beyond that (a bias, a cap or a
scale of its logits) it cannot hold, and such a checkpoint is refused: by its own numbers, not by a list of names.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlavaForConditionalGeneration,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)

from recbench.captioning.checkpoints import context_length
from recbench.captioning.word_tokenizer import IMAGE
from recbench.errors import UserError
from recbench.low_rank import add_low_rank, merge_low_rank
from recbench.pretrained import load_pretrained, load_pretrained_model

KEY = "captioner.language_model"
RANK = 8  # of LoRA's matrices
SCALE = 2.0  # LoRA's alpha over its rank
PROBE = 6  # tokens by which a LLaVA's logits are held against those of its language model alone
CLOSE = 1e-5  # of the largest logit: sums in another order


def read_tokenizer(path: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder, with an image token; its end token pads where it has no padding token.

    Raises:
        UserError: there is none, or it has no end token.
    """
    tokenizer = load_pretrained(AutoTokenizer, path, KEY, trust_remote_code=False)
    if tokenizer.eos_token is None:
        raise UserError(f"{KEY}={path} has no end token, without which no caption ends")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE]}, replace_extra_special_tokens=False)
    tokenizer.image_token = IMAGE
    return tokenizer


def read_language_model(path: str, longest: int) -> Any:
    """The causal LM of a folder in float32, from safetensors; code that comes with it is not run.

    Raises:
        UserError: there is none, or it reads fewer than `longest` tokens.
    """
    weights = load_pretrained_model(AutoModelForCausalLM, path, KEY, dtype=torch.float32, trust_remote_code=False)
    room = context_length(weights.config)
    if room is not None and room < longest:
        raise UserError(
            f"{KEY}={path} reads {room} tokens, and pictures with a caption take {longest}: give fewer "
            "captioner.max_tokens or captioner.pictures, a larger captioner.patch_size, or captioner.connector=qformer"
        )
    return weights.eval()


def config_of(weights: Any, vocabulary: int) -> PreTrainedConfig:
    """The language model's config for a LLaVA with another number of tokens.

    A LLaVA can tie its output matrix to embeddings that are called embed_tokens; others become two matrices.
    """
    tied = weights.config.tie_word_embeddings and hasattr(weights.base_model, "embed_tokens")
    values = {**weights.config.to_dict(), "vocab_size": vocabulary, "dtype": None, "tie_word_embeddings": tied}
    config: PreTrainedConfig = type(weights.config)(**values)
    return config


def put_into(model: LlavaForConditionalGeneration, weights: Any, vocabulary: int, path: str) -> None:
    """Copy the language model's weights into a LLaVA whose text config is `config_of` it.

    Raises:
        UserError: the LLaVA's logits of a few tokens are not those of the language model.
    """
    kind = f"{KEY}={path} ({weights.config.model_type})"
    remedy = "give a Llama, Qwen2, GPT-NeoX or another whose logits are hidden states times a matrix"
    weights.resize_token_embeddings(vocabulary)
    tokens = torch.arange(min(PROBE, vocabulary))[None]
    try:
        model.model.language_model.load_state_dict(weights.base_model.state_dict())
        model.lm_head.load_state_dict(weights.get_output_embeddings().state_dict())
        with torch.no_grad():
            expected, found = weights(tokens).logits, _logits(model, tokens)
    except Exception as problem:  # an architecture that takes no embeddings, has a biased output, is no decoder ...
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise UserError(f"{kind} cannot be a LLaVA's language model ({reason[:160]}); {remedy}") from problem
    if not torch.allclose(found, expected, rtol=0, atol=CLOSE * float(expected.abs().max())):
        raise UserError(f"{kind} does more to its logits than a LLaVA's language model can; {remedy}")


def _logits(model: LlavaForConditionalGeneration, tokens: Tensor) -> Tensor:
    """As `caption_losses` and generation compute them, without dropout."""
    language = model.model.language_model.eval()
    inputs = language.get_input_embeddings()(tokens)
    positions = torch.arange(tokens.shape[1])[None]
    states = language(
        inputs_embeds=inputs, position_ids=positions, attention_mask=torch.ones_like(tokens), use_cache=False
    )
    return model.lm_head(states.last_hidden_state)


def adapt(model: LlavaForConditionalGeneration, train_language: str, path: str) -> None:
    """Freeze the language model (frozen), and put LoRA beside its linear layers (lora); full: leave it as it is.

    Raises:
        UserError: lora, and it has no linear layers.
    """
    if train_language == "full":
        return
    language = model.model.language_model
    language.requires_grad_(False)
    model.lm_head.requires_grad_(False)
    if train_language == "frozen":
        return
    if not add_low_rank(language, RANK, SCALE):
        raise UserError(
            f"{KEY}={path} ({language.config.model_type}) has no linear layers for captioner.train_language=lora: give "
            "frozen or full"
        )


def merge(model: LlavaForConditionalGeneration) -> None:
    """Add every LoRA to the layer that it stands beside: the model is an ordinary one again."""
    merge_low_rank(model.model.language_model)
