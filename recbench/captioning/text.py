"""A causal LM that writes a caption from title, text and fields, for items without pictures."""

from collections.abc import Sequence

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from recbench.captioning.chat_templates import ChatTemplate
from recbench.captioning.checkpoints import context_length, generate, generation_settings, load, load_model
from recbench.captioning.interface import Caption, Item, NoCaption
from recbench.captioning.prompts import fill_prompt
from recbench.errors import UserError
from recbench.schema import CaptionerConfig


class TextCaptioner:
    """Prompts in the checkpoint's chat template where it has one, as they are otherwise."""

    reads_images = False

    def __init__(self, config: CaptionerConfig, seed: int, device: torch.device, *, fallback: bool = False) -> None:
        """Load the checkpoint of `captioner.path`, or of `captioner.fallback_path` for the fallback.

        Raises:
            UserError: no path, or no causal LM there.
        """
        key = "captioner.fallback_path" if fallback else "captioner.path"
        path = config.fallback_path if fallback else config.path
        self.prompt = config.fallback_prompt if fallback else config.prompt
        self.seed = seed
        self.tokenizer = load(AutoTokenizer, path, config, key)
        self.model = load_model(AutoModelForCausalLM, path, config, device, key)
        self.name = f"text:{short_name(str(path))}"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if self.tokenizer.pad_token is None:
            raise UserError(f"{key}={path}: its tokenizer has neither a padding nor an end token; it cannot batch")
        self.template = ChatTemplate(self.tokenizer.chat_template, self.tokenizer.special_tokens_map, f"{key}={path}")
        self.settings = generation_settings(self.model, config, self.tokenizer.pad_token_id)
        longest = context_length(self.model.config)
        self.room = None if longest is None else longest - config.max_tokens

    def caption(self, items: Sequence[Item]) -> list[Caption | NoCaption]:
        """One caption an item; none where the prompt is empty or longer than the model reads."""
        prompts = [self._tokens(fill_prompt(self.prompt, item, self.tokenizer.all_special_tokens)) for item in items]
        answers: list[Caption | NoCaption] = [self._problem(prompt) or Caption("", 0) for prompt in prompts]
        asked = [place for place, answer in enumerate(answers) if isinstance(answer, Caption)]
        if not asked:
            return answers
        inputs = self.tokenizer.pad(
            {"input_ids": [prompts[place] for place in asked]}, padding_side="left", return_tensors="pt"
        ).to(self.model.device)
        tokens, lengths = generate(self.model, dict(inputs), self.settings, self.seed, items[0].row)
        for place, row, length in zip(asked, tokens.tolist(), lengths, strict=True):
            text = self.tokenizer.decode(row[:length], skip_special_tokens=True)
            answers[place] = Caption(text, length, prompt_tokens=len(prompts[place]))
        return answers

    def _tokens(self, prompt: str) -> list[int]:
        if self.tokenizer.chat_template is None:
            return list(self.tokenizer(prompt)["input_ids"])
        text = self.template.render(prompt)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])  # the template has written them

    def _problem(self, prompt: list[int]) -> NoCaption | None:
        if not prompt:
            return NoCaption("the prompt is empty")
        if self.room is not None and len(prompt) > self.room:
            return NoCaption(f"the prompt is longer than the {self.room} tokens that the model reads")
        return None


def short_name(path: str) -> str:
    """A checkpoint's name without the folders above it, for the captioner column; a hub name stays whole."""
    parts = path.rstrip("/").split("/")
    return path if len(parts) == 2 and not path.startswith((".", "/", "~")) else parts[-1]
