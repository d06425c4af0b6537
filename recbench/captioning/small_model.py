"""The small LLaVA: a CLIP vision tower, a connector and a causal language model in transformers' own classes.

A caption is predicted after the beginning token and one image token a patch, as in LLaVA (arXiv 2304.08485), or one a
query of a Q-Former, without words of a prompt: a model that is trained on one task needs no instruction.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from recbench.captioning.language_models import adapt, config_of, put_into, read_language_model
from recbench.captioning.pictures import most_pictures
from recbench.captioning.qformer import QFormer, QFormerLlava, QFormerLlavaConfig
from recbench.captioning.word_tokenizer import IMAGE
from recbench.errors import UserError
from recbench.schema import CaptionerConfig


def build_model(config: CaptionerConfig, tokenizer: PreTrainedTokenizerBase) -> LlavaForConditionalGeneration:
    """A model with random weights from torch's global generator; with those of `language_model` where it names one.

    `tokenizer` is `train_word_tokenizer`'s, or that of `language_model` with an image token added.

    Raises:
        UserError: image_size is no multiple of patch_size, width none of twice the heads, or the language model does
            not fit.
    """
    if config.image_size % config.patch_size:
        raise UserError(
            f"captioner.image_size={config.image_size} is no multiple of captioner.patch_size={config.patch_size}"
        )
    if config.width % (2 * config.heads):
        raise UserError(f"captioner.width={config.width} is no multiple of twice captioner.heads={config.heads}")
    patches = (config.image_size // config.patch_size) ** 2
    image_tokens = config.queries if config.connector == "qformer" else patches
    longest = 1 + image_tokens * most_pictures(config) + config.max_tokens
    vision = CLIPVisionConfig(
        hidden_size=config.width,
        intermediate_size=4 * config.width,
        projection_dim=config.width,
        num_hidden_layers=config.vision_layers,
        num_attention_heads=config.heads,
        image_size=config.image_size,
        patch_size=config.patch_size,
        attention_dropout=config.dropout,
    )
    weights = None if config.language_model is None else read_language_model(config.language_model, longest)
    language = _small_llama(config, tokenizer, longest) if weights is None else config_of(weights, len(tokenizer))
    settings: dict[str, Any] = {
        "vision_config": vision,
        "text_config": language,
        "image_token_index": tokenizer.convert_tokens_to_ids(IMAGE),
        "image_seq_length": image_tokens,
        "vision_feature_layer": -1,  # the published LLaVA takes the last but one: its tower was trained for CLIP
        "tie_word_embeddings": language.tie_word_embeddings,
    }
    model: LlavaForConditionalGeneration
    if config.connector == "qformer":
        model = QFormerLlava(QFormerLlavaConfig(connector_heads=config.heads, **settings))
    else:
        model = LlavaForConditionalGeneration(LlavaConfig(**settings))
    if weights is not None:
        put_into(model, weights, len(tokenizer), str(config.language_model))
        adapt(model, config.train_language, str(config.language_model))
    _set_generation(model, tokenizer)
    return model


def _set_generation(model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerBase) -> None:
    """Which tokens end a caption, and which never stand in one."""
    settings = model.generation_config
    settings.bos_token_id = tokenizer.bos_token_id
    settings.eos_token_id, settings.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    never = {
        tokenizer.bos_token_id,
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
        tokenizer.convert_tokens_to_ids(IMAGE),
    }
    settings.suppress_tokens = sorted(never - {None, tokenizer.eos_token_id})


def _small_llama(config: CaptionerConfig, tokenizer: PreTrainedTokenizerBase, longest: int) -> PreTrainedConfig:
    """The language model that is trained from scratch, for at most `longest` tokens."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.width,
        intermediate_size=8 * (config.width // 3),  # about 8/3, as in LLaMA
        num_hidden_layers=config.language_layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=longest,
        attention_dropout=config.dropout,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_processor(config: CaptionerConfig, tokenizer: PreTrainedTokenizerBase) -> LlavaProcessor:
    """What turns pictures and texts into this model's input, for the checkpoint's folder: squeezed to a square."""
    size = {"height": config.image_size, "width": config.image_size}
    images = CLIPImageProcessorPil(size=size, crop_size=size, do_center_crop=False)
    # The words of a prompt are left out: the model knows none.
    template = f"{tokenizer.bos_token or ''}{IMAGE}"
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=config.patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )


def squeezed(images: Sequence[Image.Image], size: int) -> Tensor:
    """RGB pictures squeezed to squares: uint8 [B, 3, size, size]."""
    arrays = [np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)) for image in images]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def normalised(pixels: Tensor) -> Tensor:
    """Pixels in [0, 1] as CLIP's vision tower reads them; float [B, 3, size, size]."""
    mean, deviation = (
        torch.tensor(values, device=pixels.device)[:, None, None] for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)
    )
    return (pixels - mean) / deviation


def prompt_tokens(model: LlavaForConditionalGeneration, batch: int, pictures: int = 1) -> Tensor:
    """What stands before a caption of `pictures` pictures, int64 [batch, P]: the beginning token, where there is one,
    and the image tokens of each picture.
    """
    config = cast(LlavaConfig, model.config)
    begin = model.generation_config.bos_token_id
    tokens = [] if begin is None else [begin]
    tokens += [config.image_token_index] * (pictures * config.image_seq_length)
    return torch.tensor(tokens, device=model.device).repeat(batch, 1)


def patches_of(model: LlavaForConditionalGeneration) -> int:
    """Patches of a picture."""
    vision = cast(LlavaConfig, model.config).vision_config
    return int((vision.image_size // vision.patch_size) ** 2)


def caption_losses(
    model: LlavaForConditionalGeneration, pixels: Tensor, captions: Tensor, kept: Tensor | None = None
) -> Tensor:
    """Cross-entropy of every token of the captions, in nats: float32 [B, T], 0 where `captions` is -1.

    Args:
        pixels: normalised pictures [B C, 3, size, size]: the C pictures of each caption, one caption after the other.
        captions: token ids with the end token, int64 [B, T], padded on the right with -1.
        kept: patches that the model reads, int64 [B C, K], ascending; None: all. A part of them makes a step cheaper,
            and regularises (arXiv 2212.00794).
    """
    core = model.model
    vision, language, connector = core.vision_tower, core.language_model, core.multi_modal_projector
    states = vision.embeddings(pixels)  # the class token, then the patches
    if kept is not None:
        rows = torch.cat([torch.zeros_like(kept[:, :1]), kept + 1], 1)
        states = states.gather(1, rows[:, :, None].expand(-1, -1, states.shape[-1]))
    states = vision.encoder(inputs_embeds=vision.pre_layrnorm(states)).last_hidden_state
    batch = len(captions)
    pictures = len(pixels) // batch
    image = connector(states[:, 1:]).unflatten(0, (batch, pictures)).flatten(1, 2)

    prompt = prompt_tokens(model, batch, pictures)
    begin = prompt.shape[1] - pictures * core.config.image_seq_length
    words = language.get_input_embeddings()(torch.cat([prompt[:, :begin], captions[:, :-1].clamp(min=0)], 1))
    inputs = torch.cat([words[:, :begin], image.to(words.dtype), words[:, begin:]], 1)
    positions = torch.arange(prompt.shape[1] + captions.shape[1] - 1, device=pixels.device).repeat(batch, 1)
    if kept is not None and not isinstance(connector, QFormer):  # a patch keeps its place, whichever are left out
        first = begin + core.config.image_seq_length * torch.arange(pictures, device=pixels.device)
        places = (kept.unflatten(0, (batch, pictures)) + first[:, None]).flatten(1)
        positions = torch.cat([positions[:, :begin], places, positions[:, prompt.shape[1] :]], 1)
    # Without a mask, transformers would take a gap between positions for the beginning of another sequence.
    everything = torch.ones(inputs.shape[:2], dtype=torch.int64, device=inputs.device)
    hidden = language(
        inputs_embeds=inputs, position_ids=positions, attention_mask=everything, use_cache=False
    ).last_hidden_state
    real = captions >= 0
    # The last image token predicts the first word. The output layer, the widest, sees no padding.
    logits = model.lm_head(hidden[:, -captions.shape[1] :][real])
    losses = functional.cross_entropy(logits.float(), captions[real], reduction="none")
    return torch.zeros(captions.shape, device=pixels.device).masked_scatter(real, losses)


def save_checkpoint(
    folder: Path, model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, config: CaptionerConfig
) -> None:
    """Write an ordinary Hugging Face folder, which `captioner=llava` reads too; with a Q-Former it is of our own class,
    and has a tokenizer in place of a processor.
    """
    model.save_pretrained(folder)
    if isinstance(model, QFormerLlava):
        tokenizer.save_pretrained(folder)
    else:
        build_processor(config, tokenizer).save_pretrained(folder)
