"""Folders that cases start from: finished runs, checkpoints; made once, by the product's own commands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

MODEL = ("policy.layers=1", "policy.width=16", "policy.feed_forward=16", "policy.history=8")
SHORT = ("algo.epochs=1", "algo.evaluate_every=1", "algo.batch_size=64", "algo.validation_cases=20", "threads=1")
MARKET = ("data=bazaar", "data.options.size=tiny")


def command(*arguments: str) -> None:
    """A command that has to succeed."""
    from recbench.cli import main

    if status := main(list(arguments)):
        raise SystemExit(f"{' '.join(arguments)}: exit status {status}")


def trained() -> None:
    """Runs of data, SFT and evaluation on the tiny market."""
    command("train", "--algo=sft", *MARKET, *MODEL, *SHORT)
    command("eval", *MARKET, "bootstrap=20", "threads=1", "--k", "1,5")


def captioned() -> None:
    """A table with captions, and the columns made of them."""
    from torture.malformed_cases.logs import ITEMS, LOG

    Path("log.csv").write_text(LOG, encoding="utf-8")
    Path("items.csv").write_text(ITEMS, encoding="utf-8")
    captions = "item,caption\n" + "".join(f"i{number},red square {number} and blue\n" for number in range(7))
    Path("captions.csv").write_text(captions, encoding="utf-8")
    command(
        "tokenize", *SHOP, "features.kinds=[words,semantic_ids]", "features.codebook_size=2", "features.least_items=1"
    )


SHOP = (
    "data=table",
    "data.path=log.csv",
    "data.options.columns.timestamp=time",
    "data.options.columns.label=label",
    "data.options.items_file=items.csv",
    "captioner=file",
    "captioner.path=captions.csv",
)


def checkpoint() -> None:
    """A LLaMA of a few thousand weights with its tokenizer in the folder `model`, and a small table."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from torture.malformed_cases.logs import ITEMS, LOG

    Path("log.csv").write_text(LOG, encoding="utf-8")
    Path("items.csv").write_text(ITEMS, encoding="utf-8")
    words = ["<pad>", "<s>", "</s>", "<unk>", *(f"word{number}" for number in range(28))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=256,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained("model")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained("model")
    template = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% endfor %}"
    Path("model/chat_template.jinja").write_text(template, encoding="utf-8")


BASES: dict[str, Callable[[], Any]] = {"trained": trained, "captioned": captioned, "checkpoint": checkpoint}
