"""The small LLaVA on pictures of one colour: it learns their names, cross-fitted, resumed, and saved as usual."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from recbench.captioning import llava_small, small_training
from recbench.captioning.folds import fold_of_items
from recbench.captioning.interface import Item
from recbench.captioning.items import read_items
from recbench.captioning.llava_small import LlavaSmall, obtain
from recbench.data.dataset import RecommendationData
from recbench.data.interactions import NO_INTERACTIONS
from recbench.errors import UserError
from recbench.runs import Run, create_run
from recbench.schema import CaptionerConfig

pytestmark = pytest.mark.slow

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
NAMES = list(COLOURS)
COUNT = 30
CPU = torch.device("cpu")


def config(**changes: Any) -> CaptionerConfig:
    small: dict[str, Any] = {
        "image_size": 16,
        "patch_size": 8,
        "vision_layers": 1,
        "language_layers": 1,
        "width": 32,
        "heads": 2,
        "dropout": 0.0,
        "epochs": 25,
        "training_batch": 10,
        "learning_rate": 5e-3,
        "patch_share": 1.0,
        "checkpoint_steps": 3,
        "training_precision": "float32",
        "least_word_count": 1,
        "least_steps": 0,
        "max_tokens": 8,
        "folds": 1,
    }
    return CaptionerConfig(**{**small, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> RecommendationData:
    """Thirty plain pictures, ten of each colour, two of a family; item 3 has no caption, item 4 a broken picture."""
    generator, folder = np.random.default_rng(0), tmp_path_factory.mktemp("squares")
    for row in range(COUNT):
        noise = generator.integers(-20, 21, (12, 20, 3))
        pixels = np.clip(np.array(COLOURS[NAMES[row % 3]]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
    (folder / "4.png").write_bytes(b"no picture")
    captions = [f"A {NAMES[row % 3]} square. Plain." for row in range(COUNT)]
    catalogue = datasets.Dataset.from_dict(
        {
            "item": [f"i{row}" for row in range(COUNT)],
            "title": [""] * COUNT,
            "text": [""] * COUNT,
            "image": [f"{row}.png" for row in range(COUNT)],
            "caption": [None if row == 3 else caption for row, caption in enumerate(captions)],
            "family": [f"f{row // 2}" for row in range(COUNT)],
        }
    )
    return RecommendationData("squares", catalogue, NO_INTERACTIONS, "f" * 64, None, folder)


@pytest.fixture(scope="module")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Run]:
    runs = str(tmp_path_factory.mktemp("runs"))
    settings = OmegaConf.create({"runs": runs, "seed": 0, "data": {"name": "squares", "family": "family"}})
    return lambda: create_run("caption", settings)


@pytest.fixture(scope="module")
def checkpoint(data: RecommendationData, make_run: Callable[[], Run]) -> Path:
    """The folder of a captioner that has learned from all items, seeing half of the patches in a step."""
    run = make_run()
    obtain(config(patch_share=0.5), data, run, 0, CPU)
    return run.path / "checkpoints" / "llava_small"


def items_of(data: RecommendationData, settings: CaptionerConfig) -> list[Item]:
    return [item for item, reason in read_items(data, range(COUNT), settings, images=True) if reason is None]


def texts(captioner: LlavaSmall, items: list[Item]) -> list[str]:
    return [caption.text for caption in captioner.caption(items)]


def weights(captioner: LlavaSmall) -> list[dict[str, torch.Tensor]]:
    return [dict(model.network.named_parameters()) for model in captioner.models]


def test_it_learns_to_name_what_it_sees(
    data: RecommendationData, make_run: Callable[[], Run], checkpoint: Path
) -> None:
    settings = config(path=str(checkpoint))
    captioner = obtain(settings, data, make_run(), 0, CPU)
    assert captioner.name == "llava_small:llava_small"
    items = items_of(data, settings)
    assert len(items) == COUNT - 1  # the broken picture
    captions = captioner.caption(items)
    assert [caption.text for caption in captions] == [f"a {NAMES[item.row % 3]} square. plain." for item in items]
    assert {caption.tokens for caption in captions} == {6}  # a, colour, square, two full stops, plain
    assert {caption.prompt_tokens for caption in captions} == {1 + 4}  # beginning, four patches
    assert texts(captioner, items[7:8]) == texts(captioner, items)[7:8]  # alone as among others


def test_it_learns_through_a_q_former(data: RecommendationData, make_run: Callable[[], Run]) -> None:
    run = make_run()
    settings = config(connector="qformer", queries=2)
    trained = obtain(settings, data, run, 0, CPU)
    items = items_of(data, settings)
    assert texts(trained, items) == [f"a {NAMES[item.row % 3]} square. plain." for item in items]
    loaded = obtain(config(path=str(run.path / "checkpoints" / "llava_small")), data, make_run(), 0, CPU)
    assert loaded.caption(items) == trained.caption(items)
    assert {caption.prompt_tokens for caption in loaded.caption(items)} == {1 + 2}  # beginning, queries


def test_a_cpu_computes_in_float32_whatever_units_it_has(data: RecommendationData, make_run: Callable[[], Run]) -> None:
    floats: set[torch.dtype] = set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            floats.update(one.dtype for one in tree_leaves(result) if isinstance(one, torch.Tensor))
            return result

    with Watch():
        obtain(config(training_precision="auto", epochs=1), data, make_run(), 0, CPU)
    assert torch.float32 in floats
    assert not floats & {torch.bfloat16, torch.float16}


@pytest.mark.parametrize(("least", "told"), [(9, True), (0, False)])
def test_epochs_that_a_floor_of_steps_overrides_are_told(
    least: int, told: bool, data: RecommendationData, make_run: Callable[[], Run]
) -> None:
    run = make_run()
    obtain(config(epochs=1, least_steps=least), data, run, 0, CPU)
    notes = [note for note in run.manifest["notes"] if "captioner.epochs=1 has no effect" in note]
    assert len(notes) == told and all("captioner.least_steps=9" in note for note in notes)


def test_captions_are_cut_at_max_tokens(
    data: RecommendationData, make_run: Callable[[], Run], checkpoint: Path
) -> None:
    settings = config(path=str(checkpoint), max_tokens=2)
    captions = obtain(settings, data, make_run(), 0, CPU).caption(items_of(data, settings)[:2])
    assert [(caption.text, caption.tokens) for caption in captions] == [("a red", 2), ("a green", 2)]


def test_cross_fitting_keeps_an_item_and_its_family_from_the_model_that_captions_it(
    data: RecommendationData, make_run: Callable[[], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(folds=3, cross_fit=True, epochs=1)
    read: list[list[int]] = []
    original = llava_small._read_pictures

    def spy(data: RecommendationData, rows: list[int], settings: CaptionerConfig) -> Any:
        found = original(data, rows, settings)
        read.append(found[0])
        return found

    monkeypatch.setattr(llava_small, "_read_pictures", spy)
    run = make_run()
    captioner = obtain(settings, data, run, 0, CPU)
    folds = fold_of_items(data, 3, 0, "family")
    for fold, rows in enumerate(read):
        assert rows == [row for row in range(COUNT) if folds[row] != fold and row not in (3, 4)]
    assert sorted(path.name for path in (run.path / "checkpoints").iterdir()) == [f"llava_small-{k}" for k in range(3)]
    alone = [LlavaSmall("", [model], None, settings, 0) for model in captioner.models]
    items = items_of(data, settings)
    assert texts(captioner, items) == [texts(alone[folds[item.row]], [item])[0] for item in items]

    read.clear()  # not cross-fitted: the first fold is unseen, by the same model that captions it when cross-fitted
    single = obtain(config(folds=3, epochs=1), data, make_run(), 0, CPU)
    assert read == [[row for row in range(COUNT) if folds[row] != 0 and row not in (3, 4)]]
    assert all(torch.equal(value, weights(captioner)[0][name]) for name, value in weights(single)[0].items())


@pytest.mark.parametrize("connector", ["mlp", "qformer"])
def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(
    connector: str, data: RecommendationData, make_run: Callable[[], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(
        connector=connector, queries=3, epochs=4, dropout=0.2, patch_share=0.5
    )  # 28 examples in batches of 10: 12 steps
    unbroken = obtain(settings, data, make_run(), 0, CPU)
    run = make_run()
    original = small_training._loss

    def killed(*arguments: Any) -> Any:
        if arguments[5] == 7:  # the step; the last state was kept after six
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(small_training, "_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        obtain(settings, data, run, 0, CPU)
    before = run.manifest["captioner_training_seconds"]["llava_small"]
    steps: list[int] = []
    monkeypatch.setattr(small_training, "_loss", lambda *a: (steps.append(a[5]), original(*a))[1])
    resumed = obtain(settings, data, run, 0, CPU)
    assert steps == list(range(6, 12))
    assert run.manifest["captioner_training_seconds"]["llava_small"] > before > 0
    assert all(torch.equal(value, weights(unbroken)[0][name]) for name, value in weights(resumed)[0].items())
    steps.clear()
    again = obtain(settings, data, run, 0, CPU)  # finished: nothing is trained
    assert steps == []
    assert all(torch.equal(value, weights(unbroken)[0][name]) for name, value in weights(again)[0].items())
    other = obtain(settings, data, make_run(), 1, CPU)
    embeddings = "model.language_model.embed_tokens.weight"
    assert not torch.equal(weights(other)[0][embeddings], weights(unbroken)[0][embeddings])


def test_the_checkpoint_is_an_ordinary_hugging_face_folder(data: RecommendationData, checkpoint: Path) -> None:
    processor = AutoProcessor.from_pretrained(checkpoint)
    model = AutoModelForImageTextToText.from_pretrained(checkpoint).eval()
    items = items_of(data, config())[:3]
    turns = [[{"role": "user", "content": [{"type": "image", "image": item.image}]}] for item in items]
    inputs = processor.apply_chat_template(turns, tokenize=True, return_dict=True, return_tensors="pt")
    tokens = model.generate(**inputs, max_new_tokens=8, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    captions = processor.batch_decode(tokens, skip_special_tokens=True)
    assert captions == [f"a {colour} square. plain." for colour in COLOURS]


def test_a_language_model_can_be_a_llama_checkpoint_with_its_own_subwords(
    data: RecommendationData, make_run: Callable[[], Run], tmp_path: Path
) -> None:
    folder = tmp_path / "llama"
    subwords = Tokenizer(models.BPE())  # with capitals, and without image, padding and beginning tokens
    subwords.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    subwords.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["</s>"], initial_alphabet=alphabet)
    subwords.train_from_iterator(data.catalogue["caption"][5:], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=subwords, eos_token="</s>")
    tokenizer.save_pretrained(folder)
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=24,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=64,
            bos_token_id=None,
            eos_token_id=0,
        )
    )
    llama.save_pretrained(folder)
    settings = config(language_model=str(folder), epochs=0)
    network = obtain(settings, data, make_run(), 0, CPU).models[0].network
    taken = network.state_dict()
    for name, value in llama.state_dict().items():  # the image token has the last row of the embeddings
        assert torch.equal(value, taken[name.replace("model.", "model.language_model.", 1)][: len(value)])
    assert network.config.image_token_index == len(tokenizer)
    settings = config(language_model=str(folder))
    items = items_of(data, settings)
    captioner = obtain(settings, data, make_run(), 0, CPU)
    assert texts(captioner, items) == [f"A {NAMES[item.row % 3]} square. Plain." for item in items]


def test_unusable_settings_are_named_in_one_line(
    data: RecommendationData, make_run: Callable[[], Run], tmp_path: Path
) -> None:
    cases = {
        "patch_size=7": config(patch_size=7),
        "heads=3": config(heads=3),
        "nowhere": config(path=str(tmp_path / "nowhere")),
    }
    for expected, settings in cases.items():
        with pytest.raises(UserError, match=expected) as error:
            obtain(settings, data, make_run(), 0, CPU)
        assert "\n" not in str(error.value)
    bare = RecommendationData("bare", data.catalogue.remove_columns("caption"), NO_INTERACTIONS, "f", None, tmp_path)
    with pytest.raises(UserError, match="bare has no reference captions"):
        obtain(config(), bare, make_run(), 0, CPU)
    unreadable = RecommendationData("lost", data.catalogue, NO_INTERACTIONS, "f", None, tmp_path / "elsewhere")
    with pytest.raises(UserError, match="no item of data set lost has both"):
        obtain(config(), unreadable, make_run(), 0, CPU)
