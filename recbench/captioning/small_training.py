"""Training of the small LLaVA on pictures and their reference captions; it continues where it was killed.

Whatever a step draws (order, pictures' shifts, patches, dropout) comes from generators made of (seed, fold, stream,
step), so that a resumed training needs no generator states and ends with the weights it would have had.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerBase

from recbench.captioning.muon import Muon
from recbench.captioning.small_model import caption_losses, normalised, patches_of
from recbench.errors import damage_told
from recbench.low_rank import LowRankLinear
from recbench.runs import atomic_path
from recbench.schema import CaptionerConfig
from recbench.training.device import autocast
from recbench.training.optimizer import descend, learning_rate_factor, optimizer_state, restore_optimizer
from recbench.training.random_streams import random_stream, stream_seed
from recbench.training.steps import run_steps

ORDER, PICTURES, PATCHES, DROPOUT, INITIAL_WEIGHTS = range(5)  # random streams
MAX_GRADIENT_NORM = 1.0
WARM_UP = 0.05  # share of the steps over which the learning rate rises
WHOLE_PICTURES_FROM = 0.8  # share of the steps after which all patches are read, as they are when captions are written


@dataclass(frozen=True)
class Examples:
    """What a captioner learns from; pictures stay in bytes: 12 kB each at 64 pixels a side."""

    pictures: Tensor  # uint8 [P, 3, size, size]: one a caption, or as `starts` says
    captions: list[list[int]]  # token ids of each, with the end token where the caption was not cut
    first_sentences: list[int]  # tokens of each that its first sentence takes
    starts: np.ndarray | None = None  # int64 [M + 1]: caption m is of the pictures from starts[m] to starts[m + 1]

    def pictures_of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pictures of these captions, one caption after the other, and how many each has: int64 [Q], [rows]."""
        if self.starts is None:
            return rows, np.ones(len(rows), np.int64)
        counts = np.diff(self.starts)[rows]
        return np.concatenate([np.arange(self.starts[row], self.starts[row + 1]) for row in rows]), counts


def encode_captions(
    captions: Sequence[str], tokenizer: PreTrainedTokenizerBase, longest: int
) -> tuple[list[list[int]], list[int]]:
    """Token ids of captions, then the end token; cut after `longest` ids, so that a cut caption has no end.

    Also the number of ids up to the first full stop that a space or the end follows; all where there is none.
    """
    first = [re.split(r"(?<=\.)(?=\s|$)", caption.strip(), maxsplit=1)[0] for caption in captions]
    encoded, sentences = (tokenizer(texts, add_special_tokens=False)["input_ids"] for texts in (list(captions), first))
    ended = [[*ids, tokenizer.eos_token_id] for ids in encoded]
    lengths = [
        len(ids) if len(sentence) + 1 == len(ids) else len(sentence)  # the end is the sentence's where nothing follows
        for ids, sentence in zip(ended, sentences, strict=True)
    ]
    return [ids[:longest] for ids in ended], [min(length, longest) for length in lengths]


def total_steps(config: CaptionerConfig, examples: int) -> int:
    """Optimiser steps of a training: `epochs` passes, but `least_steps` at least; none without examples."""
    if examples == 0 or config.epochs == 0:
        return 0
    return max(config.least_steps, steps_of_epochs(config, examples))


def steps_of_epochs(config: CaptionerConfig, examples: int) -> int:
    """Optimiser steps of `epochs` passes over the examples."""
    return math.ceil(config.epochs * examples / config.training_batch)


def train(
    model: LlavaForConditionalGeneration,
    examples: Examples,
    config: CaptionerConfig,
    seed: Sequence[int],
    folder: Path,
    report: Callable[[int, float], None],
    precision: str = "float32",
) -> None:
    """Train in place, with a linear warm-up and a half cosine to zero.

    Args:
        seed: of everything random: any integers.
        folder: an unfinished training's state is kept here, and taken up from here.
        report: called with the step (1-based) and its loss.
        precision: float32, or bfloat16 autocast.
    """
    steps = total_steps(config, len(examples.captions))
    parameters = trained_parameters(model)
    optimizers = make_optimizers(model, config)

    def update(step: int) -> dict[str, float]:
        rows = batch_rows(seed, step, config.training_batch, len(examples.captions))
        share = config.patch_share if step < WHOLE_PICTURES_FROM * steps else 1.0
        loss = _loss(model, examples, rows, config, seed, step, precision, share)
        return descend([loss], parameters.values(), optimizers, MAX_GRADIENT_NORM)

    def after(step: int, values: dict[str, float]) -> bool:
        if (step + 1) % config.checkpoint_steps == 0 and step + 1 < steps:
            _save_state(folder, parameters, optimizers, step + 1)
        report(step + 1, values["loss"])
        return False

    run_steps(
        model,
        optimizers,
        range(_load_state(folder, parameters, optimizers), steps),
        rate=lambda step: learning_rate_factor(step, steps, WARM_UP, "cosine"),
        update=update,
        after=after,
        dropout_seed=lambda step: stream_seed(seed, DROPOUT, step),
    )
    model.eval()


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """By name, those that are not frozen; tied ones once."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def make_optimizers(model: nn.Module, config: CaptionerConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for all else: embeddings, norms, biases, LoRA.

    Muon needs fewer steps than AdamW. Decay is by learning rate times `weight_decay`, alike in both for their rates'
    ratio.
    """
    parameters = trained_parameters(model)
    others = {id(value) for layer in model.modules() for value in _not_muons(layer)}
    matrices = {name for name, value in parameters.items() if value.ndim == 2 and id(value) not in others}
    muon = Muon(
        [parameters[name] for name in sorted(matrices)],
        lr=config.matrix_learning_rate,
        weight_decay=config.weight_decay,
    )
    rest = [value for name, value in sorted(parameters.items()) if name not in matrices]
    adamw = torch.optim.AdamW(rest, lr=config.learning_rate, weight_decay=0.0, betas=(0.9, 0.98))
    return [muon, adamw]


def _not_muons(layer: nn.Module) -> tuple[Tensor, ...]:
    """Matrices of a layer whose rows or columns Muon would wrongly make alike in length."""
    if isinstance(layer, nn.Embedding):
        return (layer.weight,)
    return (layer.down, layer.up) if isinstance(layer, LowRankLinear) else ()


def batch_rows(seed: Sequence[int], step: int, batch: int, examples: int) -> np.ndarray:
    """Which examples a step reads, int64 [batch]: each once an epoch, in an order that changes with the epoch."""
    places = np.arange(step * batch, (step + 1) * batch)
    rows = np.empty(batch, dtype=np.int64)
    for epoch in np.unique(places // examples):
        order = random_stream(seed, ORDER, int(epoch)).permutation(examples)
        here = places // examples == epoch
        rows[here] = order[places[here] % examples]
    return rows


def shifted(pictures: Tensor, share: float, generator: np.random.Generator) -> Tensor:
    """Pictures in [0, 1] [B, 3, S, S], each mirrored or not, stretched and moved by up to `share` of its side.

    Edges are repeated outwards; colours stay as they are, because captions name them.
    """
    batch = len(pictures)
    scale = 1 + share * generator.uniform(-1, 1, (batch, 2))
    scale[:, 0] *= generator.choice([-1, 1], batch)
    maps = np.zeros((batch, 2, 3), dtype=np.float32)
    maps[:, 0, 0], maps[:, 1, 1] = scale[:, 0], scale[:, 1]
    maps[:, :, 2] = share * generator.uniform(-1, 1, (batch, 2))  # of half a side, as grids are counted
    grid = functional.affine_grid(torch.from_numpy(maps).to(pictures.device), list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _loss(
    model: LlavaForConditionalGeneration,
    examples: Examples,
    rows: np.ndarray,
    config: CaptionerConfig,
    seed: Sequence[int],
    step: int,
    precision: str,
    patch_share: float,
) -> Tensor:
    """The weighted mean of the losses of a step's tokens."""
    device = model.device
    shown, counts = examples.pictures_of(rows)
    pictures = examples.pictures[torch.from_numpy(shown)].to(device).float() / 255
    if config.augmentation > 0:
        pictures = shifted(pictures, config.augmentation, random_stream(seed, PICTURES, step))
    captions = [examples.captions[row] for row in rows]
    tokens = torch.full((len(rows), max(map(len, captions))), -1, dtype=torch.int64)
    weights = torch.zeros(tokens.shape)
    for place, (row, ids) in enumerate(zip(rows, captions, strict=True)):
        tokens[place, : len(ids)] = torch.tensor(ids)
        weights[place, : len(ids)] = config.description_weight
        weights[place, : examples.first_sentences[row]] = 1.0
    kept = None
    if patch_share < 1:
        patches = patches_of(model)
        count = max(1, round(patch_share * patches))
        noise = random_stream(seed, PATCHES, step).random((len(shown), patches))
        kept = torch.from_numpy(np.sort(np.argsort(noise, axis=1)[:, :count], axis=1)).to(device)
    tokens, weights = tokens.to(device), weights.to(device)
    pixels, total = normalised(pictures), torch.zeros((), device=device)
    for count in np.unique(counts):  # captions of equally many pictures are read together: no picture is padding
        places = torch.from_numpy(np.flatnonzero(counts == count)).to(device)
        theirs = torch.from_numpy(np.flatnonzero(np.repeat(counts, counts) == count)).to(device)
        with autocast(device, precision):
            losses = caption_losses(model, pixels[theirs], tokens[places], None if kept is None else kept[theirs])
        total = total + (losses * weights[places]).sum()
    return total / weights.sum()


def _save_state(
    folder: Path, parameters: Mapping[str, Tensor], optimizers: list[torch.optim.Optimizer], step: int
) -> None:
    moments = {
        f"{number}.{key}": value
        for number, optimizer in enumerate(optimizers)
        for key, value in optimizer_state(optimizer).items()
    }
    weights = {name: value.detach().contiguous() for name, value in parameters.items()}
    with atomic_path(folder) as partial:
        partial.mkdir(parents=True)
        save_file(weights, partial / "weights.safetensors")
        save_file(moments, partial / "optimizers.safetensors")
        (partial / "state.json").write_text(json.dumps({"step": step}) + "\n", encoding="utf-8")


def _load_state(folder: Path, parameters: Mapping[str, Tensor], optimizers: list[torch.optim.Optimizer]) -> int:
    """Restore what `_save_state` wrote, where it did; returns the steps that are done."""
    if not (folder / "state.json").is_file():
        return 0
    with damage_told(folder, "start a new run"):
        return _restore(folder, parameters, optimizers)


def _restore(folder: Path, parameters: Mapping[str, Tensor], optimizers: list[torch.optim.Optimizer]) -> int:
    with torch.no_grad():
        for name, value in load_file(folder / "weights.safetensors").items():
            parameters[name].copy_(value)
    states: list[dict[str, Tensor]] = [{} for _ in optimizers]
    for key, value in load_file(folder / "optimizers.safetensors").items():
        number, _, name = key.partition(".")
        states[int(number)][name] = value
    for optimizer, state in zip(optimizers, states, strict=True):
        restore_optimizer(optimizer, state)
    return int(json.loads((folder / "state.json").read_text(encoding="utf-8"))["step"])
