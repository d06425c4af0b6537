"""Causal language models of others as half of the small LLaVA: which fit, and what of them is trained."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    Qwen2Config,
)

from recbench.captioning import small_training
from recbench.captioning.language_models import RANK, SCALE, read_tokenizer
from recbench.captioning.llava_small import LlavaSmall, obtain
from recbench.captioning.small_model import build_model
from recbench.captioning.word_tokenizer import train_word_tokenizer
from recbench.data.dataset import RecommendationData
from recbench.data.interactions import NO_INTERACTIONS
from recbench.errors import UserError
from recbench.low_rank import LowRankLinear
from recbench.runs import Run, create_run
from recbench.schema import CaptionerConfig

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
CAPTIONS = ["a red square", "a blue square"] * 4
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
KINDS: dict[str, Callable[[int], Any]] = {
    "llama": lambda size: LlamaConfig(**SMALL, vocab_size=size, tie_word_embeddings=True),
    "qwen2": lambda size: Qwen2Config(**SMALL, vocab_size=size + 7, num_key_value_heads=1),  # rows that no token has
    "gpt_neox": lambda size: GPTNeoXConfig(**SMALL, vocab_size=size),
    "gpt2": lambda size: GPT2Config(
        n_embd=16, n_layer=1, n_head=2, n_positions=32, vocab_size=size, bos_token_id=1, eos_token_id=2
    ),
    "gemma2": lambda size: Gemma2Config(
        **SMALL, vocab_size=size, num_key_value_heads=1, head_dim=8, final_logit_softcapping=0.1
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of each architecture with the same tokenizer of a few words."""
    root, tokenizer = tmp_path_factory.mktemp("language"), train_word_tokenizer(CAPTIONS)
    for number, (kind, make) in enumerate(KINDS.items()):
        torch.manual_seed(number)
        model = AutoModelForCausalLM.from_config(make(len(tokenizer)))
        for parameter in model.parameters():  # large enough that every token matters
            parameter.data.mul_(3)
        model.save_pretrained(root / kind)
        tokenizer.save_pretrained(root / kind)
    return {kind: root / kind for kind in KINDS}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> RecommendationData:
    """Eight plain pictures, red and blue in turn."""
    folder, count = tmp_path_factory.mktemp("squares"), len(CAPTIONS)
    for row in range(count):
        Image.new("RGB", (16, 16), [(220, 30, 30), (30, 30, 220)][row % 2]).save(folder / f"{row}.png")
    columns = {"item": [f"i{row}" for row in range(count)], "title": [""] * count, "text": [""] * count}
    columns |= {"image": [f"{row}.png" for row in range(count)], "caption": CAPTIONS}
    return RecommendationData("squares", datasets.Dataset.from_dict(columns), NO_INTERACTIONS, "f" * 64, None, folder)


@pytest.fixture(scope="module")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Run]:
    from omegaconf import OmegaConf

    runs = str(tmp_path_factory.mktemp("runs"))
    settings = OmegaConf.create({"runs": runs, "seed": 0, "data": {"name": "squares", "family": None}})
    return lambda: create_run("caption", settings)


def config(folder: Path, **changes: Any) -> CaptionerConfig:
    small: dict[str, Any] = {"image_size": 16, "patch_size": 8, "vision_layers": 1, "width": 32, "heads": 2}
    small |= {"training_batch": 8, "least_steps": 0, "epochs": 4, "max_tokens": 6, "folds": 1, "checkpoint_steps": 3}
    return CaptionerConfig(**{**small, "language_model": str(folder), **changes})


def language_of(captioner: LlavaSmall) -> dict[str, torch.Tensor]:
    model = captioner.models[0].network
    found = {f"model.{name}": value for name, value in model.model.language_model.state_dict().items()}
    return found | {"lm_head.weight": model.lm_head.weight.detach()}


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt_neox", "gpt2"])
def test_a_llava_writes_texts_as_its_language_model_alone(kind: str, folders: dict[str, Path]) -> None:
    alone = AutoModelForCausalLM.from_pretrained(folders[kind]).eval()
    model = build_model(config(folders[kind]), read_tokenizer(str(folders[kind]))).eval()
    tokens = torch.tensor([[1, 5, 7, 6, 8, 2]])
    with torch.no_grad():
        found, expected = model(input_ids=tokens).logits, alone(tokens).logits
    torch.testing.assert_close(found, expected[..., : found.shape[-1]], rtol=1e-4, atol=1e-4)
    assert found.shape[-1] == len(read_tokenizer(str(folders[kind])))


@pytest.mark.parametrize("kind", ["qwen2", "gpt_neox"])
def test_frozen_trains_tower_and_connector_alone(
    kind: str, folders: dict[str, Path], data: RecommendationData, make_run: Callable[[], Run]
) -> None:
    before = obtain(config(folders[kind], epochs=0, train_language="frozen"), data, make_run(), 0, CPU)
    after = obtain(config(folders[kind], epochs=6, train_language="frozen"), data, make_run(), 0, CPU)
    old, new = (dict(one.models[0].network.named_parameters()) for one in (before, after))
    moved = {name for name, value in new.items() if not torch.equal(value, old[name])}
    assert not {name for name in moved if "language_model" in name or "lm_head" in name}
    assert {name.split(".")[1] for name in moved} == {"vision_tower", "multi_modal_projector"}
    whole = obtain(config(folders[kind], epochs=6), data, make_run(), 0, CPU)
    assert not torch.equal(language_of(whole)["lm_head.weight"], language_of(before)["lm_head.weight"])


def test_lora_is_merged_into_an_ordinary_checkpoint_at_the_end(
    folders: dict[str, Path], data: RecommendationData, make_run: Callable[[], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(folders["llama"], epochs=7, train_language="lora")
    start = language_of(obtain(config(folders["llama"], epochs=0), data, make_run(), 0, CPU))
    run = make_run()
    captioner = obtain(settings, data, run, 0, CPU)
    for name, value in language_of(captioner).items():
        change = value - start[name]
        if "_proj" in name:
            assert 0 < int(torch.linalg.matrix_rank(change, rtol=1e-4)) <= RANK < min(change.shape), name
        else:
            assert not change.any(), name
    AutoModelForImageTextToText.from_pretrained(run.path / "checkpoints" / "llava_small")  # no LoRA is left in it

    original, broken = small_training._loss, make_run()

    def killed(*arguments: Any) -> Any:
        if arguments[5] == 5:  # the step; the last state was kept after three
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(small_training, "_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        obtain(settings, data, broken, 0, CPU)
    monkeypatch.setattr(small_training, "_loss", original)
    resumed = language_of(obtain(settings, data, broken, 0, CPU))
    assert all(torch.equal(value, resumed[name]) for name, value in language_of(captioner).items())


@torch.no_grad()
def test_merged_lora_computes_what_it_computed_beside() -> None:
    linear = torch.nn.Linear(12, 10)
    weight = linear.weight.clone()
    layer, values = LowRankLinear(linear, RANK, SCALE), torch.randn(3, 12)
    torch.testing.assert_close(layer(values), linear(values))  # before a step it changes nothing
    layer.up.normal_()
    expected = values @ (weight + SCALE * layer.up @ layer.down).T + linear.bias
    torch.testing.assert_close(layer(values), expected)
    torch.testing.assert_close(layer.merged()(values), expected)
    assert [name for name, value in layer.named_parameters() if value.requires_grad] == ["down", "up"]


@pytest.mark.parametrize(
    "kind, changes, words",
    [
        ("gemma2", {}, r"\(gemma2\) does more to its logits"),  # it caps them
        ("gpt2", {"train_language": "lora"}, r"\(gpt2\) has no linear layers for captioner.train_language=lora"),
        ("llama", {"max_tokens": 28}, "reads 32 tokens, and pictures with a caption take 33"),
    ],
)
def test_language_models_that_do_not_fit_are_told_in_one_line(
    kind: str,
    changes: dict[str, Any],
    words: str,
    folders: dict[str, Path],
    data: RecommendationData,
    make_run: Callable[[], Run],
) -> None:
    with pytest.raises(UserError, match=words) as caught:
        obtain(config(folders[kind], **changes), data, make_run(), 0, CPU)
    assert "\n" not in str(caught.value)


def test_neither_code_nor_pickles_of_a_folder_are_run(
    folders: dict[str, Path], data: RecommendationData, make_run: Callable[[], Run], tmp_path: Path
) -> None:
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n"
    for name, content in (("code", {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}), ("pickle", None)):
        folder = tmp_path / name
        read_tokenizer(str(folders["llama"])).save_pretrained(folder)
        found = json.loads((folders["llama"] / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(content or found))
        (folder / "own.py").write_text(trap + "class Own: pass\n")
        torch.save({"weight": np.zeros(1)}, folder / "pytorch_model.bin")
        with pytest.raises(UserError, match=r"captioner\.language_model=") as caught:
            obtain(config(folder, trust_remote_code=True), data, make_run(), 0, CPU)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


def test_the_command_trains_a_language_model_of_ones_own(shop: Any, text_checkpoint: Path, workspace: Any) -> None:
    given = ["captioner.epochs=1", "captioner.least_steps=40", "captioner.image_size=16", "captioner.width=16"]
    given += ["captioner.vision_layers=1", "captioner.max_tokens=6", "captioner.folds=1", "captioner.connector=qformer"]
    given += ["captioner.queries=2", f"captioner.language_model={text_checkpoint}", "captioner.train_language=lora"]
    run = workspace.made("caption", *shop.overrides, "captioner=llava_small", *given)
    folder = run.path / "checkpoints" / "llava_small"
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}
    assert run.metrics["origins"]["model"] > 0, run.metrics
    again = workspace.made("caption", *shop.overrides, "captioner=llava_small", f"captioner.path={folder}")
    assert again.metrics["quality"]["all"]["mean_length"] > 0


@pytest.mark.parametrize(
    "given, words",
    [
        (["captioner.queries=4"], "captioner.queries=4 has no effect here: it is for captioner=llava_small"),
        (["captioner.train_language=lora"], "captioner.language_model is none"),
        (["captioner.language_model=x", "captioner.language_layers=2"], "captioner.language_model is x"),
        (["captioner.connector=perceiver"], "expected one of mlp, qformer"),
    ],
)
def test_settings_without_an_effect_are_refused(
    given: list[str], words: str, shop: Any, fresh_workspace: Any, refuse: Any
) -> None:
    refuse(fresh_workspace.stage("caption", *shop.overrides, "captioner=llava_small", *given), words)
