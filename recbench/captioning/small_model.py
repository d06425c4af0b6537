"""The small LLaVA: a CLIP vision tower, a projector and a LLaMA language model in transformers' own classes.

A caption is predicted after the beginning token and one image token a patch, as in LLaVA (arXiv 2304.08485), without
words of a prompt: a model that is trained on one task needs no instruction.
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
    PreTrainedTokenizerBase,
)
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from recbench.captioning.word_tokenizer import IMAGE
from recbench.errors import UserError
from recbench.pretrained import load_pretrained_model
from recbench.schema import CaptionerConfig


def build_model(config: CaptionerConfig, tokenizer: PreTrainedTokenizerBase) -> LlavaForConditionalGeneration:
    """A model with random weights from torch's global generator; with a LLaMA's where `language_model` names one.

    `tokenizer` is `train_word_tokenizer`'s, or the LLaMA's with an image token added.

    Raises:
        UserError: image_size is no multiple of patch_size, width none of twice the heads, or the checkpoint is no
            LLaMA.
    """
    if config.image_size % config.patch_size:
        raise UserError(
            f"captioner.image_size={config.image_size} is no multiple of captioner.patch_size={config.patch_size}"
        )
    if config.width % (2 * config.heads):
        raise UserError(f"captioner.width={config.width} is no multiple of twice captioner.heads={config.heads}")
    patches = (config.image_size // config.patch_size) ** 2
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
    language, weights = _language_model(config, tokenizer, patches)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision,
            text_config=language,
            image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
            image_seq_length=patches,
            vision_feature_layer=-1,  # the published LLaVA takes the last but one: its tower was trained for CLIP
            tie_word_embeddings=language.tie_word_embeddings,
        )
    )
    if weights is not None:
        weights.resize_token_embeddings(len(tokenizer))
        model.model.language_model.load_state_dict(weights.model.state_dict())
        model.lm_head.load_state_dict(weights.lm_head.state_dict())
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
    return model


def _language_model(
    config: CaptionerConfig, tokenizer: PreTrainedTokenizerBase, patches: int
) -> tuple[LlamaConfig, Any]:
    """Its config, and a LLaMA whose weights it starts from, or None."""
    if config.language_model is None:
        text = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.width,
            intermediate_size=8 * (config.width // 3),  # about 8/3, as in LLaMA
            num_hidden_layers=config.language_layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            max_position_embeddings=1 + patches + config.max_tokens,
            attention_dropout=config.dropout,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        return text, None
    from transformers import AutoModelForCausalLM

    key, trusted = "captioner.language_model", config.trust_remote_code
    weights = load_pretrained_model(
        AutoModelForCausalLM, config.language_model, key, dtype=torch.float32, trust_remote_code=trusted
    )
    if not isinstance(weights.config, LlamaConfig):
        raise UserError(
            f"captioner.language_model={config.language_model} is a {weights.config.model_type}: give a llama"
        )
    text = LlamaConfig(**{**weights.config.to_dict(), "vocab_size": len(tokenizer), "dtype": None})
    return text, weights


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


def prompt_tokens(model: LlavaForConditionalGeneration, batch: int) -> Tensor:
    """What stands before a caption: the beginning token, where there is one, and the image tokens; int64 [batch, P]."""
    config = cast(LlavaConfig, model.config)
    begin = model.generation_config.bos_token_id
    tokens = ([] if begin is None else [begin]) + [config.image_token_index] * config.image_seq_length
    return torch.tensor(tokens, device=model.device).repeat(batch, 1)


def caption_losses(
    model: LlavaForConditionalGeneration, pixels: Tensor, captions: Tensor, kept: Tensor | None = None
) -> Tensor:
    """Cross-entropy of every token of the captions, in nats: float32 [B, T], 0 where `captions` is -1.

    Args:
        pixels: normalised pictures [B, 3, size, size].
        captions: token ids with the end token, int64 [B, T], padded on the right with -1.
        kept: patches that the model reads, int64 [B, K], ascending; None: all. A part of them makes a step cheaper,
            and regularises (arXiv 2212.00794).
    """
    core = model.model
    vision, language = core.vision_tower, core.language_model
    states = vision.embeddings(pixels)  # the class token, then the patches
    if kept is not None:
        rows = torch.cat([torch.zeros_like(kept[:, :1]), kept + 1], 1)
        states = states.gather(1, rows[:, :, None].expand(-1, -1, states.shape[-1]))
    states = vision.encoder(inputs_embeds=vision.pre_layrnorm(states)).last_hidden_state
    image = core.multi_modal_projector(states[:, 1:])

    prompt = prompt_tokens(model, len(pixels))
    begin = prompt.shape[1] - core.config.image_seq_length
    words = language.embed_tokens(torch.cat([prompt[:, :begin], captions[:, :-1].clamp(min=0)], 1))
    inputs = torch.cat([words[:, :begin], image.to(words.dtype), words[:, begin:]], 1)
    positions = torch.arange(prompt.shape[1] + captions.shape[1] - 1, device=pixels.device).repeat(len(pixels), 1)
    if kept is not None:  # a patch keeps its place, whichever others are left out
        positions = torch.cat([positions[:, :begin], kept + begin, positions[:, prompt.shape[1] :]], 1)
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


def save_checkpoint(folder: Path, model: LlavaForConditionalGeneration, processor: LlavaProcessor) -> None:
    """Write an ordinary Hugging Face folder, which `captioner=llava` reads too."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
