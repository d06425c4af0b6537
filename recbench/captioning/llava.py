"""Any image-text-to-text checkpoint (LLaVA-1.5 by default), as it is published: its processor, its chat template."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from recbench.captioning.chat_templates import ChatTemplate
from recbench.captioning.checkpoints import generate, generation_settings, load, load_model
from recbench.captioning.interface import Caption, Item
from recbench.captioning.prompts import fill_prompt
from recbench.captioning.text import short_name
from recbench.errors import UserError
from recbench.schema import CaptionerConfig


class LlavaCaptioner:
    """An item's pictures and a prompt in, the model's answer out; prompts are padded on the left."""

    reads_images = True

    def __init__(self, config: CaptionerConfig, seed: int, device: torch.device) -> None:
        """Load processor and model of `captioner.path`.

        Raises:
            UserError: no path, no such checkpoint there, or a package that a setting needs is missing.
        """
        self.prompt, self.seed, self.path = config.prompt, seed, config.path
        self.processor = load(AutoProcessor, config.path, config, "captioner.path")
        self.tokenizer: Any = getattr(self.processor, "tokenizer", None)
        if self.tokenizer is None or not hasattr(self.processor, "image_processor"):
            raise UserError(
                f"captioner.path={config.path} has no processor of images and texts: give an image-text-to-text "
                "checkpoint, or use captioner=text; captioner=llava_small for what that has saved with a Q-Former"
            )
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model = load_model(AutoModelForImageTextToText, config.path, config, device, "captioner.path")
        self.name = f"llava:{short_name(str(config.path))}"
        chat, special = getattr(self.processor, "chat_template", None), self.tokenizer.special_tokens_map
        self.template = ChatTemplate(chat, special, f"captioner.path={config.path}")
        self.settings = generation_settings(self.model, config, self.tokenizer.pad_token_id)

    def caption(self, items: Sequence[Item]) -> list[Caption]:
        """One caption an item; every item has an image."""
        inputs = self._inputs(items)
        moved = {
            name: value.to(self.model.device, self.model.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
            if isinstance(value, torch.Tensor)
        }
        tokens, lengths = generate(self.model, moved, self.settings, self.seed, items[0].row)
        read = moved["attention_mask"].sum(1).tolist()
        return [
            Caption(self.tokenizer.decode(row[:length], skip_special_tokens=True), length, prompt_tokens=prompt)
            for row, length, prompt in zip(tokens.tolist(), lengths, read, strict=True)
        ]

    def _inputs(self, items: Sequence[Item]) -> Any:
        prompts = [fill_prompt(self.prompt, item, self.tokenizer.all_special_tokens) for item in items]
        if getattr(self.processor, "chat_template", None):  # a tokenizer's own has no place for pictures
            texts = [self._chat(prompt, len(item.images)) for prompt, item in zip(prompts, items, strict=True)]
            begun = self.tokenizer.bos_token is not None and texts[0].startswith(self.tokenizer.bos_token)
        else:  # the prompt as it is, after the image's place where it does not name that
            mark = getattr(self.processor, "image_token", None)
            texts = [
                prompt if mark is None or mark in prompt else f"{mark}\n" * len(item.images) + prompt
                for prompt, item in zip(prompts, items, strict=True)
            ]
            begun = False
        several = max(len(item.images) for item in items)
        try:
            return self.processor(
                images=[item.images for item in items],
                text=texts,
                padding=True,
                return_tensors="pt",
                add_special_tokens=not begun,  # the beginning would stand twice
            )
        except Exception as problem:  # of processors that take one picture a prompt: each has its own
            if several == 1:
                raise
            reason = " ".join(str(problem).split()) or type(problem).__name__
            raise self._only_one(several, reason) from problem

    def _chat(self, prompt: str, pictures: int) -> str:
        text = self.template.render([*[{"type": "image"}] * pictures, {"type": "text", "text": prompt}])
        mark = getattr(self.processor, "image_token", None)
        places = text.count(mark) if mark else 0
        if pictures > 1 and 0 < places < pictures:
            raise self._only_one(pictures, f"its chat template has places for {places}")
        return text

    def _only_one(self, pictures: int, reason: str) -> UserError:
        return UserError(
            f"captioner.path={self.path} does not read {pictures} pictures of an item ({reason[:160]}); leave "
            "captioner.pictures and captioner.frames out, or give a checkpoint that does"
        )
