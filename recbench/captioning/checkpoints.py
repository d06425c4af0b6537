"""Published checkpoints: loading one, greedy or sampled generation, and how many tokens an answer has."""

import copy
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BitsAndBytesConfig, GenerationConfig

from recbench.errors import UserError
from recbench.pretrained import load_pretrained, load_pretrained_model
from recbench.schema import CaptionerConfig


def check_settings(config: CaptionerConfig, device: torch.device) -> None:
    """Raise UserError for a package that a setting needs and that is not here, or for four bits without a GPU."""
    needed = {"accelerate": config.device_map is not None or config.four_bit, "bitsandbytes": config.four_bit}
    for package, wanted in needed.items():
        if wanted and importlib.util.find_spec(package) is None:
            setting = "captioner.four_bit=true" if config.four_bit else f"captioner.device_map={config.device_map}"
            raise UserError(f"{setting} needs the package {package}: pip install {package}, or leave it out")
    if config.four_bit and device.type != "cuda":
        raise UserError(f"captioner.four_bit=true needs a CUDA GPU, and the device is {device}: leave it out")


def load(automatic: Any, path: str | None, config: CaptionerConfig, key: str, **keywords: Any) -> Any:
    """`automatic.from_pretrained(path)`: of a processor or tokenizer.

    Args:
        automatic: one of transformers' Auto classes.
        key: the config key that the path comes from, for the message.

    Raises:
        UserError: no path, or nothing there that the class can load.
    """
    return load_pretrained(automatic, path, key, trust_remote_code=config.trust_remote_code, **keywords)


def load_model(automatic: Any, path: str | None, config: CaptionerConfig, device: torch.device, key: str) -> Any:
    """A model for generation: in evaluation mode, on the device or where `captioner.device_map` puts it."""
    check_settings(config, device)
    keywords: dict[str, Any] = {"dtype": config.dtype if config.dtype == "auto" else getattr(torch, config.dtype)}
    if config.four_bit:
        keywords["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16, bnb_4bit_quant_type="nf4"
        )
    if config.device_map is not None:
        keywords["device_map"] = config.device_map
    elif config.four_bit:
        keywords["device_map"] = {"": device}
    keywords["trust_remote_code"] = config.trust_remote_code
    model = load_pretrained_model(automatic, path, key, **keywords)
    return (model if "device_map" in keywords else model.to(device)).eval()


def generation_settings(model: Any, config: CaptionerConfig, pad: int) -> GenerationConfig:
    """The checkpoint's own settings with our length and temperature; at temperature 0 one greedy beam."""
    settings = copy.deepcopy(model.generation_config)
    settings.max_length = settings.min_length = None  # a prompt may be longer than a checkpoint's default
    settings.max_new_tokens, settings.num_beams, settings.pad_token_id = config.max_tokens, 1, pad
    settings.do_sample = config.temperature > 0
    settings.temperature = config.temperature if config.temperature > 0 else None
    if not settings.do_sample:
        settings.top_p = settings.top_k = None
    return settings


def generate(
    model: Any, inputs: dict[str, Tensor], settings: GenerationConfig, seed: int, first_row: int
) -> tuple[Tensor, list[int]]:
    """New tokens of every prompt, and how many each has.

    Args:
        inputs: what the processor made; prompts padded on the left.
        first_row: catalogue row of the batch's first item; with the seed it settles what is sampled.

    Returns:
        Token ids [B, T], padded on the right; lengths up to the end token, that not counted, of length B.
    """
    with torch.inference_mode(), _sampling(settings, seed, first_row, model.device):
        tokens = model.generate(**inputs, generation_config=settings)
    if not model.config.is_encoder_decoder:
        tokens = tokens[:, inputs["input_ids"].shape[1] :]
    return tokens, answer_lengths(tokens, settings)


def answer_lengths(tokens: Tensor, settings: GenerationConfig) -> list[int]:
    """Tokens [B, T] up to the first end token of every row."""
    ends = settings.eos_token_id if isinstance(settings.eos_token_id, list) else [settings.eos_token_id]
    ended = torch.isin(tokens, torch.tensor([end for end in ends if end is not None], device=tokens.device))
    lengths = torch.where(ended.any(1), ended.int().argmax(1), tokens.shape[1])
    return [int(length) for length in lengths]


def context_length(config: Any) -> int | None:
    """Most tokens that a language model of this config reads and writes; None where it does not say."""
    text = config.get_text_config()
    return getattr(text, "max_position_embeddings", None)


@contextmanager
def _sampling(settings: GenerationConfig, seed: int, first_row: int, device: torch.device) -> Iterator[None]:
    """Torch's global state set from (seed, row) inside the block only: `generate` draws from no other."""
    if not settings.do_sample:
        yield
        return
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(np.random.SeedSequence([seed, first_row]).generate_state(1, np.uint64)[0] >> 1))
        yield
