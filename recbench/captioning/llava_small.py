"""The captioner `llava_small`: a small LLaVA, trained here on the items that have reference captions.

Folds keep what it learns from apart from what it is judged on. One captioner learns from all folds but the first;
cross-fitted, there is one a fold, which learns from the others and captions that fold, so that no item is captioned by
a model that saw its text or that of its variants.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoTokenizer,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerBase,
)

from recbench.captioning.checkpoints import context_length, generate, generation_settings, load, load_model
from recbench.captioning.folds import fold_of_items, number_of_folds
from recbench.captioning.interface import Caption, Item
from recbench.captioning.items import read_items, reference_captions
from recbench.captioning.language_models import merge, read_tokenizer
from recbench.captioning.pictures import most_pictures
from recbench.captioning.qformer import MODEL_TYPE, QFormerLlava
from recbench.captioning.small_model import (
    build_model,
    normalised,
    prompt_tokens,
    save_checkpoint,
    squeezed,
)
from recbench.captioning.small_training import (
    INITIAL_WEIGHTS,
    Examples,
    encode_captions,
    steps_of_epochs,
    total_steps,
    train,
)
from recbench.captioning.word_tokenizer import train_word_tokenizer
from recbench.data.dataset import RecommendationData
from recbench.errors import UserError
from recbench.runs import Run, atomic_path
from recbench.schema import CaptionerConfig

READ_AT_ONCE = 256  # pictures that are decoded before they are squeezed


@dataclass(frozen=True)
class _Model:
    network: LlavaForConditionalGeneration
    tokenizer: PreTrainedTokenizerBase


class LlavaSmall:
    """Pictures in, captions out, by one model or by one a fold."""

    reads_images = True

    def __init__(
        self, name: str, models: Sequence[_Model], folds: np.ndarray | None, config: CaptionerConfig, seed: int
    ) -> None:
        """`folds` says for every item of the catalogue which of `models` captions it; None: the only one."""
        self.name, self.models, self.folds, self.config, self.seed = name, models, folds, config, seed

    def caption(self, items: Sequence[Item]) -> list[Caption]:
        """One caption an item; every item has an image."""
        captions: dict[int, Caption] = {}
        which = np.zeros(len(items), np.int64) if self.folds is None else self.folds[[item.row for item in items]]
        for index in np.unique(which):
            places = np.flatnonzero(which == index).tolist()
            written = self._caption(self.models[index], [items[place] for place in places])
            captions.update(zip(places, written, strict=True))
        return [captions[place] for place in range(len(items))]

    def _caption(self, model: _Model, items: Sequence[Item]) -> list[Caption]:
        """Items of equally many pictures together: no picture is padding."""
        captions: dict[int, Caption] = {}
        counts = np.array([len(item.images) for item in items])
        for count in np.unique(counts):
            places = np.flatnonzero(counts == count).tolist()
            written = self._caption_alike(model, [items[place] for place in places], int(count))
            captions.update(zip(places, written, strict=True))
        return [captions[place] for place in range(len(items))]

    def _caption_alike(self, model: _Model, items: Sequence[Item], count: int) -> list[Caption]:
        network = model.network
        images = [image for item in items for image in item.images]
        pictures = squeezed(images, network.config.vision_config.image_size)
        prompt = prompt_tokens(network, len(items), count)
        inputs = {
            "input_ids": prompt,
            "attention_mask": torch.ones_like(prompt),
            "pixel_values": normalised(pictures.to(network.device).float() / 255).to(network.dtype),
        }
        settings = generation_settings(network, self.config, network.generation_config.pad_token_id)
        tokens, lengths = generate(network, inputs, settings, self.seed, items[0].row)
        return [
            Caption(model.tokenizer.decode(row[:length], skip_special_tokens=True), length, prompt.shape[1])
            for row, length in zip(tokens.tolist(), lengths, strict=True)
        ]


def obtain(config: CaptionerConfig, data: RecommendationData, run: Run, seed: int, device: torch.device) -> LlavaSmall:
    """The captioner of `captioner.path`, or one trained on the items of `data` that have reference captions.

    Trained ones are written to checkpoints/llava_small or, cross-fitted, checkpoints/llava_small-<fold> of the run. A
    resumed run takes finished ones from there, and continues an unfinished one.

    Raises:
        UserError: no such checkpoint, no item to learn from, or shapes that contradict each other.
    """
    if config.path is not None:
        model = _load(Path(config.path), config, device)
        _check_room(model, config)
        return LlavaSmall(f"llava_small:{Path(config.path).name}", [model], None, config, seed)
    captions = _reference_captions(data)
    count = number_of_folds(config.folds, data)
    folds = fold_of_items(data, count, seed, run.config.data.family)
    cross_fit = config.cross_fit and count > 1
    models = []
    for fold in range(count if cross_fit else 1):
        folder = run.path / "checkpoints" / (f"llava_small-{fold}" if cross_fit else "llava_small")
        if not (folder / "config.json").is_file():
            seen = np.ones(len(folds), bool) if count == 1 else folds != fold
            _train(config, data, captions, seen, run, [seed, fold], folder, device)
        models.append(_load(folder, config, device))
    return LlavaSmall("llava_small", models, folds if cross_fit else None, config, seed)


def _reference_captions(data: RecommendationData) -> list[str | None]:
    captions = reference_captions(data)
    if not any(captions):
        raise UserError(
            f"data set {data.name} has no reference captions, from which captioner=llava_small learns: give "
            "captioner.path=CHECKPOINT, or another captioner"
        )
    return captions


def _train(
    config: CaptionerConfig,
    data: RecommendationData,
    captions: list[str | None],
    seen: np.ndarray,
    run: Run,
    seed: list[int],
    folder: Path,
    device: torch.device,
) -> None:
    """Train one captioner on the items of `seen` [N] that have a picture and a caption, and write its folder."""
    rows = [row for row, caption in enumerate(captions) if caption is not None and seen[row]]
    rows, pictures, starts = _read_pictures(data, rows, config)
    if not rows:
        raise UserError(
            f"no item of data set {data.name} has both a reference caption and a readable picture in the folds that "
            f"{folder.name} learns from: give data with both, or captioner.folds=1"
        )
    references = [str(captions[row]) for row in rows]
    torch.manual_seed(int(np.random.default_rng([*seed, INITIAL_WEIGHTS]).integers(2**62)))
    tokenizer = _tokenizer(config, references)
    network = build_model(config, tokenizer).to(device)
    examples = Examples(pictures, *encode_captions(references, tokenizer, config.max_tokens), starts)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    steps = total_steps(config, len(rows))
    if config.epochs != CaptionerConfig().epochs and 0 < steps_of_epochs(config, len(rows)) < steps:
        run.note(
            f"captioner.epochs={config.epochs:g} has no effect on {len(rows)} pictures: captioner.least_steps="
            f"{config.least_steps} is more steps; captioner.least_steps=0 lets it count"
        )
    weights = sum(parameter.numel() for parameter in network.parameters())
    run.log.info(
        "%s: %d pictures, %d steps, %d weights, %d tokens", folder.name, len(pictures), steps, weights, len(tokenizer)
    )
    run.record(captioner_weights=weights)
    with run.progress(f"train {folder.name}", steps) as bar:
        began = False

        def report(step: int, loss: float) -> None:
            nonlocal began
            if not began:
                bar.move_to(step - 1)
                began = True
            bar.advance(1, loss=loss)

        try:
            train(network, examples, config, seed, unfinished, report, _precision(config, device))
        finally:  # a resumed training adds up
            seconds = run.manifest.get("captioner_training_seconds", {})
            spent = round(seconds.get(folder.name, 0.0) + bar.seconds, 3)
            run.record(captioner_training_seconds={**seconds, folder.name: spent})
    merge(network)
    with atomic_path(folder) as partial:
        save_checkpoint(partial, network, tokenizer, config)
    shutil.rmtree(unfinished, ignore_errors=True)


def _read_pictures(
    data: RecommendationData, rows: list[int], config: CaptionerConfig
) -> tuple[list[int], torch.Tensor, np.ndarray]:
    """The M rows that have pictures which can be read, these, squeezed: uint8 [P, 3, size, size], and where each row's
    begin, int64 [M + 1].
    """
    readable: list[int] = []
    counts = [0]
    pictures = [torch.zeros((0, 3, config.image_size, config.image_size), dtype=torch.uint8)]
    for start in range(0, len(rows), READ_AT_ONCE):
        items = read_items(data, rows[start : start + READ_AT_ONCE], config, images=True)
        found = [item for item, _ in items if item.image is not None]
        readable.extend(item.row for item in found)
        if found:
            pictures.append(squeezed([image for item in found for image in item.images], config.image_size))
            counts += [len(item.images) for item in found]
    return readable, torch.cat(pictures), np.cumsum(counts)


def _tokenizer(config: CaptionerConfig, references: list[str]) -> PreTrainedTokenizerBase:
    if config.language_model is None:
        return train_word_tokenizer(references, config.least_word_count)
    return read_tokenizer(config.language_model)


def _load(folder: Path, config: CaptionerConfig, device: torch.device) -> _Model:
    """A checkpoint that this module wrote, or any LLaVA with a CLIP tower and fixed picture size."""
    key = "captioner.path"
    if load(AutoConfig, str(folder), config, key).model_type == MODEL_TYPE:
        tokenizer = load(AutoTokenizer, str(folder), config, key)
        return _Model(load_model(QFormerLlava, str(folder), config, device, key), tokenizer)
    processor = load(LlavaProcessor, str(folder), config, key)
    network = load_model(LlavaForConditionalGeneration, str(folder), config, device, key)
    return _Model(network, processor.tokenizer)


def _check_room(model: _Model, config: CaptionerConfig) -> None:
    """Raise UserError where several pictures and a caption are more tokens than a checkpoint's language model reads."""
    pictures, room = most_pictures(config), context_length(model.network.config)
    longest = prompt_tokens(model.network, 1, pictures).shape[1] + config.max_tokens
    if pictures > 1 and room is not None and room < longest:
        raise UserError(
            f"captioner.path={config.path} reads {room} tokens, and {pictures} pictures with a caption take {longest}: "
            "give fewer captioner.pictures, captioner.frames or captioner.max_tokens"
        )


def _precision(config: CaptionerConfig, device: torch.device) -> str:
    """auto: bfloat16 on GPUs that have it; float32 elsewhere, so that CPUs with units for it and without agree."""
    if config.training_precision != "auto":
        return config.training_precision
    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
