"""Tiny language models of other people's architectures, and their scores by plain transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    GenerationConfig,
    GraniteConfig,
    LlamaConfig,
    Qwen2Config,
    Qwen3Config,
)

from recbench.captioning.word_tokenizer import train_word_tokenizer
from recbench.policy.pretrained.policy import PretrainedPolicy

TITLES = ["red lamp", "blue lamp", "red chair", "blue chair", "old table", "new table", "old red rug", "rug"]
CODES = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 1, 1], [1, 0, 0], [1, 0, 1], [2, 2, 0], [2, 0, 1]])
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
CONFIGS: dict[str, Callable[[int], Any]] = {
    "llama": lambda size: LlamaConfig(**SMALL, vocab_size=size, tie_word_embeddings=True),
    "llama untied": lambda size: LlamaConfig(**SMALL, vocab_size=size, tie_word_embeddings=False),
    "qwen2": lambda size: Qwen2Config(**SMALL, vocab_size=size + 7, tie_word_embeddings=True),  # rows that no token has
    "qwen3": lambda size: Qwen3Config(**SMALL, vocab_size=size, head_dim=8, tie_word_embeddings=False),
    "gemma": lambda size: GemmaConfig(**SMALL, vocab_size=size, head_dim=8),
    "gemma3": lambda size: Gemma3TextConfig(**SMALL, vocab_size=size, head_dim=8, sliding_window=32),
    "granite": lambda size: GraniteConfig(**SMALL, vocab_size=size, logits_scaling=4.0),
}
FITTING = [kind for kind in CONFIGS if kind != "granite"]  # which scales its logits


def write_checkpoint(kind: str, folder: Path, titles: list[str] = TITLES) -> None:
    """Random weights and a tokenizer of the titles' words; Qwen2's has no beginning token, as published ones have none.

    The generation config asks for nearly greedy samples with a penalty, which may not matter anywhere.
    """
    tokenizer = train_word_tokenizer(titles)
    torch.manual_seed(list(CONFIGS).index(kind))
    model = AutoModelForCausalLM.from_config(CONFIGS[kind](len(tokenizer)))
    for parameter in model.parameters():  # large enough that every token matters
        parameter.data.add_(torch.randn_like(parameter), alpha=0.2)
    model.generation_config = GenerationConfig(do_sample=True, top_k=1, temperature=0.1, repetition_penalty=3.0)
    if kind == "qwen2":
        tokenizer.bos_token = None
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def whole_model(policy: PretrainedPolicy, path: Path) -> Any:
    """The checkpoint by plain transformers, with the policy's rows behind its own; token t of the trie is own + t - 1.

    Only for a body as it was in the checkpoint.
    """
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    own = model.get_input_embeddings().weight.shape[0]
    begin = policy.facts.begin
    model.resize_token_embeddings(own + policy.trie.vocabulary_size - 1, mean_resizing=False)
    with torch.no_grad():
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())  # a head of its own, for its scale
        model.lm_head.weight[own:] = policy.output_embeddings[1:] * policy.output_scale
        model.get_input_embeddings().weight[own:] = policy.embeddings[1:]
        model.get_input_embeddings().weight[begin] = policy.embeddings[0]
    return model


def brute_force(policy: PretrainedPolicy, model: Any, own: int, histories: torch.Tensor) -> torch.Tensor:
    """log pi of every item, float64 [B, N]: a plain pass a token over the whole vocabulary, then the legal tokens'."""
    sequences = [[int(t) for t in row if t >= 0] for row in policy.trie.item_tokens]
    ids = [[token + own - 1 for token in sequence] for sequence in sequences]
    result = torch.zeros(len(histories), len(ids), dtype=torch.float64)
    for row, history in enumerate(histories.tolist()):
        prompt = [policy.facts.begin, *(token for item in history if item >= 0 for token in ids[item])]
        for item, sequence in enumerate(ids):
            with torch.no_grad():
                logits = model(torch.tensor([prompt + sequence])).logits[0].double()
            for place, token in enumerate(sequence):
                legal = sorted({other[place] for other in ids if other[:place] == sequence[:place]})
                log_probs = logits[len(prompt) + place - 1, legal].log_softmax(0)
                result[row, item] += log_probs[legal.index(token)]
    return result
