"""A pretrained language model as a policy: items are new tokens behind its own vocabulary."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache
from transformers.utils import logging

from recbench.errors import UserError
from recbench.item_tokens.trie import ItemTrie
from recbench.low_rank import add_low_rank
from recbench.policy.exporting import Exported
from recbench.policy.pretrained.body import KEY, BodyFacts, empty_body, longest, read_body, read_tokenizer
from recbench.policy.pretrained.export import exported
from recbench.policy.pretrained.rows import around_own, logit_deviation, mean_rows, rows_by_items
from recbench.policy.trie_policy import TriePolicy
from recbench.schema import PolicyConfig
from recbench.training.module import WEIGHTS

if TYPE_CHECKING:
    from recbench.data.dataset import RecommendationData

TEXT_TOKENS = 256  # of a title: what comes later says little of an item
START_HISTORIES = 8  # random ones, by which the logits of new rows are measured


class PretrainedPolicy(TriePolicy):
    """A decoder that was trained on texts, with rows of its own for the trie's tokens; a history is their sequence.

    The checkpoint's own vocabulary takes no part: a history begins with its beginning token, a copy of whose row is
    row 0. `policy.train` says what is trained of the decoder: all of it, LoRA beside its linear layers, or nothing. New
    rows always are. What is trained is what is saved; the rest stands where `policy.path` says.
    """

    reads_titles = True
    backbone: nn.Module
    output_scale: Tensor  # a number

    def __init__(self, trie: ItemTrie, settings: PolicyConfig, decoder: nn.Module, facts: BodyFacts) -> None:
        super().__init__(trie, settings)
        self.facts = facts
        self.history = _history_that_fits(trie, settings, facts)
        self.backbone = decoder
        if settings.train != "full":
            decoder.requires_grad_(False)
        if settings.train == "lora" and not add_low_rank(
            decoder, settings.lora_rank, settings.lora_alpha / settings.lora_rank, settings.lora_dropout
        ):
            raise UserError(
                f"{KEY}={settings.path} has no linear layers for policy.train=lora: give policy.train=frozen or full"
            )
        if settings.gradient_checkpointing:
            _recompute(decoder)
        width = decoder.config.get_text_config().hidden_size  # type: ignore[union-attr, operator]
        self.item_embeddings = nn.Parameter(torch.zeros(trie.vocabulary_size, width))
        self.item_head = None if facts.tied else nn.Parameter(torch.zeros(trie.vocabulary_size, width))
        self.register_buffer("output_scale", torch.ones(()))

    @classmethod
    def new(cls, trie: ItemTrie, settings: PolicyConfig, data: "RecommendationData") -> Self:
        """The checkpoint of `policy.path` with new rows, which `policy.initial_embeddings` starts, near uniform.

        Raises:
            UserError: no such checkpoint, one that cannot be a policy, or no titles to start from.
        """
        body = read_body(str(settings.path), _dtype(settings))
        policy = cls(trie, settings, body.decoder, body.facts)
        vectors: list[Tensor | None] = [None, None]
        if settings.initial_embeddings == "text":
            texts = _tokens_of_titles(str(settings.path), data)
            vectors = [mean_rows(rows, texts) for rows in (body.rows, body.head)]
        with torch.no_grad():
            policy.item_embeddings[1:] = _start(trie, body.rows, vectors[0])
            policy.item_embeddings[0] = body.rows[body.facts.begin]
            if policy.item_head is not None:
                policy.item_head[1:] = _start(trie, body.head, vectors[1])
                policy.item_head[0] = body.head[body.facts.begin]
            items = torch.randint(trie.catalogue_size, (START_HISTORIES, policy.history))
            states = policy.eval().hidden(policy.tokens_of(items)[0]).flatten(0, 1)
            deviation = logit_deviation(policy.output_embeddings[1:], states)
            policy.output_scale.fill_(min(1.0, settings.initial_logits / max(deviation, 1e-30)))
        return policy.train()

    @classmethod
    def empty(cls, trie: ItemTrie, settings: PolicyConfig, description: dict[str, Any]) -> Self:
        """A policy for what a checkpoint holds: the whole decoder, or what was trained beside that of `policy.path`.

        Raises:
            UserError: the checkpoint of `policy.path` is gone, or is not the one that it was.
        """
        facts = BodyFacts(**description["body"])
        if settings.train == "full":
            return cls(trie, settings, empty_body(facts), facts)
        body = read_body(str(settings.path), _dtype(settings))
        if body.facts.fingerprint != facts.fingerprint:
            raise UserError(
                f"{KEY}={settings.path} holds other weights than those beside which this policy was trained: put back "
                "the checkpoint, or train again"
            )
        return cls(trie, settings, body.decoder, facts)

    @property
    def description(self) -> dict[str, Any]:
        """What the body is."""
        return {"body": asdict(self.facts)}

    @property
    def embeddings(self) -> Tensor:
        """Input embeddings [vocabulary, width] of the trie's tokens, the beginning token first."""
        return self.item_embeddings

    @property
    def output_embeddings(self) -> Tensor:
        """Output rows [vocabulary, width]: the input embeddings where the checkpoint has them tied."""
        return self.item_embeddings if self.item_head is None else self.item_head

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings of tokens [B, S] as the decoder takes them: scaled as its own, in its precision."""
        embedded = functional.embedding(tokens, self.item_embeddings) * self.facts.input_scale
        return embedded.to(_dtype(self.settings))

    def hidden(
        self,
        tokens: Tensor,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: DynamicCache | None = None,
    ) -> Tensor:
        """As `TokenModel.hidden`, in float32 and times the scale of logits; `output_embeddings` are as they are.

        A pass that fills a cache keeps its activations, for it cannot be made again.
        """
        with self._kept(cache is not None):
            states = super().hidden(tokens, mask=mask, positions=positions, cache=cache)
        return states.float() * self.output_scale

    def learning_rate_factor(self, name: str) -> float:
        """Of new rows one, of the decoder and of LoRA policy.body_learning_rate."""
        return self.settings.body_learning_rate if name.startswith("backbone.") else 1.0

    def save(self, folder: Path) -> None:
        """Write what is trained as model.safetensors."""
        save_file({name: value.contiguous() for name, value in self.trained_state().items()}, folder / WEIGHTS)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; raises KeyError where it is of another policy."""
        found = load_file(folder / WEIGHTS)
        if different := set(found) ^ set(self.trained_state()):
            raise KeyError(f"weights of another policy: {min(different)}")
        self.load_state_dict(found, strict=False)

    def exported(self) -> Exported:
        """The whole model, LoRA merged, with item tokens behind its vocabulary."""
        return exported(self)

    @contextmanager
    def _kept(self, asked: bool) -> Iterator[None]:
        """Without gradient checkpointing inside, where it is asked for: a layer that recomputes forgets its cache."""
        layers = (
            [one for one in self.backbone.modules() if getattr(one, "gradient_checkpointing", False)] if asked else []
        )
        for layer in layers:
            layer.gradient_checkpointing = False  # type: ignore[assignment]
        try:
            yield
        finally:
            for layer in layers:
                layer.gradient_checkpointing = True  # type: ignore[assignment]


def _recompute(decoder: Any) -> None:
    """Have each layer's activations computed again in the backward pass."""
    how = {"use_reentrant": False}
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # it warns of an embedding layer that is missing, and need not be there
    try:
        if hasattr(decoder, "activation_checkpointing_enable"):  # transformers' name of today
            decoder.activation_checkpointing_enable(activation_checkpointing_kwargs=how)
        else:
            decoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs=how)
    finally:
        logging.set_verbosity(before)


def _dtype(settings: PolicyConfig) -> torch.dtype:
    """The precision of the decoder's weights."""
    found: torch.dtype = getattr(torch, settings.dtype)
    return found


def _history_that_fits(trie: ItemTrie, settings: PolicyConfig, facts: BodyFacts) -> int:
    """Items of a history that fit with another item behind them: at most `policy.history`.

    Raises:
        UserError: not one does.
    """
    room = min((one for one in (settings.context_tokens, longest(facts)) if one), default=None)
    if room is None:
        return settings.history
    fitting = (room - 1) // trie.depth - 1
    if fitting < 1:
        told = "policy.context_tokens" if room == settings.context_tokens else f"what {KEY}={settings.path} reads"
        raise UserError(
            f"{told} is {room} tokens, and a beginning with two items of {trie.depth} tokens takes "
            f"{1 + 2 * trie.depth}: give a larger context or shorter item tokens"
        )
    return min(settings.history, fitting)


def _start(trie: ItemTrie, own: Tensor, vectors: Tensor | None) -> Tensor:
    """Rows of all tokens but the beginning one, around a model's own, by vectors of items where there are some."""
    wanted, known = rows_by_items(trie, vectors) if vectors is not None else (None, None)
    rest = slice(1, None)
    return around_own(
        own,
        None if wanted is None else wanted[rest],
        None if known is None else known[rest],
        trie.vocabulary_size - 1,
    )


def _tokens_of_titles(path: str, data: "RecommendationData") -> list[list[int]]:
    """The model's own tokens of every item's title, none where an item has no title."""
    titles = [title or "" for title in data.catalogue["title"]]
    if not any(title.strip() for title in titles):
        raise UserError(
            f"data set {data.name} has no titles to start token embeddings from: give policy.initial_embeddings=random"
        )
    tokenizer = read_tokenizer(path)
    found = tokenizer(titles, add_special_tokens=False, truncation=True, max_length=TEXT_TOKENS)["input_ids"]
    return [list(tokens) for tokens in found]
