"""Captioners that load a checkpoint folder: `text` and `llava`, on tiny ones that the fixtures build and save."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlavaForConditionalGeneration

from recbench.captioning.checkpoints import answer_lengths
from recbench.captioning.interface import Caption, Item, NoCaption
from recbench.captioning.llava import LlavaCaptioner
from recbench.captioning.table import read_rows
from recbench.captioning.text import TextCaptioner, short_name
from recbench.errors import UserError
from recbench.schema import CaptionerConfig

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
TITLES = ["red square", "a", "green", "blue square describe it .", "word3 word4 word5 red", "it it it"]


def items():
    pictures = [Image.new("RGB", (20 + 3 * row, 24), (40 * row, 255 - 40 * row, 90)) for row in range(6)]
    return [Item(row, f"i{row}", TITLES[row], "", {}, pictures[row]) for row in range(6)]


def text_captioner(folder, **keys):
    return TextCaptioner(CaptionerConfig(path=str(folder), prompt="{title}", max_tokens=6, **keys), 0, CPU)


def llava_captioner(folder, **keys):
    keys = {"prompt": "describe {title}", "max_tokens": 6, **keys}
    return LlavaCaptioner(CaptionerConfig(path=str(folder), **keys), 0, CPU)


def greedy(model, ids, pixels=None):
    """One token after the other by the definition: the most probable after all before it, until </s> (2)."""
    written = []
    for _ in range(6):
        inputs = {"input_ids": torch.tensor([ids + written])} | ({} if pixels is None else {"pixel_values": pixels})
        with torch.no_grad():
            token = int(model(**inputs).logits[0, -1].argmax())
        if token == 2:
            break
        written.append(token)
    return written


def test_text_writes_the_most_probable_words(text_checkpoint):
    captioner = text_captioner(text_checkpoint)
    assert captioner.name == "text:text" and not captioner.reads_images
    answers = captioner.caption(items())
    tokenizer = AutoTokenizer.from_pretrained(text_checkpoint)
    model = AutoModelForCausalLM.from_pretrained(text_checkpoint)
    for item, answer in zip(items(), answers, strict=True):
        prompt = tokenizer(item.title)["input_ids"]
        written = greedy(model, prompt)
        expected = tokenizer.decode(written, skip_special_tokens=True)
        assert answer == Caption(expected, len(written), len(prompt))
    assert len({answer.text for answer in answers}) > 3  # the prompt matters


def test_llava_writes_the_most_probable_words(llava_checkpoint):
    captioner = llava_captioner(llava_checkpoint)
    assert captioner.name == "llava:llava" and captioner.reads_images
    answers = captioner.caption(items())
    processor = captioner.processor
    model = LlavaForConditionalGeneration.from_pretrained(llava_checkpoint).eval()
    for item, answer in zip(items(), answers, strict=True):
        # as the template says: beginning, four patches of the picture, the prompt, the answer's opening word
        words = ["<s>", *["<image>"] * 4, "describe", *item.title.split(), "a"]
        ids = processor.tokenizer.convert_tokens_to_ids(words)
        pixels = processor.image_processor(images=item.image, return_tensors="pt")["pixel_values"]
        written = greedy(model, ids, pixels)
        assert answer == Caption(processor.tokenizer.decode(written, skip_special_tokens=True), len(written), len(ids))


def test_the_picture_matters(llava_checkpoint):
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for _ in range(6)]
    same_title = [Item(row, "i", "a", "", {}, picture) for row, picture in enumerate(noise)]
    assert len({answer.text for answer in llava_captioner(llava_checkpoint).caption(same_title)}) > 1


@pytest.mark.parametrize("kind", ["text", "llava"])
def test_a_caption_does_not_depend_on_the_batch(kind, text_checkpoint, llava_checkpoint):
    captioner = text_captioner(text_checkpoint) if kind == "text" else llava_captioner(llava_checkpoint)
    together = captioner.caption(items())
    alone = [captioner.caption([item])[0] for item in items()]
    assert together == alone
    assert captioner.caption(items()[::-1])[::-1] == together


@pytest.mark.parametrize("kind", ["text", "llava"])
def test_sampling_is_settled_by_seed_and_row(kind, text_checkpoint, llava_checkpoint):
    make, folder = (text_captioner, text_checkpoint) if kind == "text" else (llava_captioner, llava_checkpoint)
    captioner = make(folder, temperature=5.0)
    before = torch.get_rng_state()
    first = captioner.caption(items())
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's draws move
    torch.manual_seed(9)
    assert captioner.caption(items()) == first
    captioner.seed = 1
    assert captioner.caption(items()) != first
    assert make(folder).caption(items()) != first


def test_a_chat_template_is_used_where_there_is_one(text_checkpoint, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(text_checkpoint)
    tokenizer.chat_template = "<s>{% for m in messages %} describe {{ m['content'] }}{% endfor %} it"
    AutoModelForCausalLM.from_pretrained(text_checkpoint).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (answer,) = text_captioner(tmp_path).caption(items()[:1])
    assert answer.prompt_tokens == 5  # <s> describe red square it
    plain = text_captioner(text_checkpoint)
    plain.prompt = "<s> describe {title} it"
    assert plain.caption(items()[:1]) == [answer]


def test_without_a_chat_template_the_prompt_stands_after_the_picture(llava_checkpoint):
    captioner = llava_captioner(llava_checkpoint)
    captioner.processor.chat_template = None
    (answer,) = captioner.caption(items()[:1])
    assert answer.prompt_tokens == 4 + 3  # patches, describe red square
    captioner.prompt = "describe <image> {title}"  # its own place is kept
    (moved,) = captioner.caption(items()[:1])
    assert moved.prompt_tokens == answer.prompt_tokens


def test_a_title_cannot_be_a_picture_or_the_end(llava_checkpoint, text_checkpoint):
    plain, marked = ([Item(0, "i", title, "", {}, items()[1].image)] for title in ("red", "<image> red <image> </s>"))
    for captioner in (llava_captioner(llava_checkpoint), text_captioner(text_checkpoint)):
        assert captioner.caption(marked) == captioner.caption(plain)


def test_prompts_that_cannot_be_read_are_named(text_checkpoint):
    long, empty = (Item(row, "i", title, "", {}, None) for row, title in ((0, "red " * 400), (1, "")))
    captioner = text_captioner(text_checkpoint)
    good = captioner.caption(items()[:1])
    # 128 positions, six of them for the answer
    expected = [NoCaption("the prompt is longer than the 122 tokens that the model reads"), *good]
    assert captioner.caption([long, items()[0], empty]) == [*expected, NoCaption("the prompt is empty")]
    assert captioner.caption([empty]) == [NoCaption("the prompt is empty")]


def test_answers_end_at_the_first_end_token():
    settings = GenerationConfig(eos_token_id=[2, 5])
    tokens = torch.tensor([[4, 2, 0, 0], [4, 4, 4, 4], [2, 4, 2, 0], [4, 4, 5, 2]])
    assert answer_lengths(tokens, settings) == [1, 4, 0, 2]
    assert answer_lengths(tokens, GenerationConfig(eos_token_id=None)) == [4] * 4


@pytest.mark.parametrize("dtype, expected", [("auto", torch.float32), ("bfloat16", torch.bfloat16)])
def test_dtype(dtype, expected, llava_checkpoint):
    captioner = llava_captioner(llava_checkpoint, dtype=dtype)
    assert captioner.model.dtype == expected
    assert len(captioner.caption(items()[:2])) == 2


@pytest.mark.parametrize(
    "keys, words",
    [
        ({"device_map": "auto"}, "captioner.device_map=auto needs the package accelerate: pip install accelerate"),
        ({"four_bit": True}, "captioner.four_bit=true needs the package"),
    ],
)
def test_missing_packages_are_named(keys, words, llava_checkpoint, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=words):
        llava_captioner(llava_checkpoint, **keys)


def test_four_bits_need_a_gpu(llava_checkpoint, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with pytest.raises(UserError, match="four_bit=true needs a CUDA GPU, and the device is cpu"):
        llava_captioner(llava_checkpoint, four_bit=True)


def test_what_cannot_be_loaded_is_told_in_one_line(text_checkpoint, tmp_path):
    with pytest.raises(UserError, match="has no processor of images and texts"):
        llava_captioner(text_checkpoint)
    with pytest.raises(UserError, match=r"captioner\.path=.* cannot be loaded as AutoProcessor") as caught:
        llava_captioner(tmp_path)
    assert "\n" not in str(caught.value)


def test_names_do_not_tell_where_a_folder_lies():
    assert short_name("llava-hf/llava-1.5-7b-hf") == "llava-hf/llava-1.5-7b-hf"
    assert short_name("/home/me/models/llava/") == "llava"
    assert short_name("../llava") == short_name("./llava") == short_name("~/llava") == "llava"


def test_a_run_with_llava_and_a_fallback_of_text(shop, llava_checkpoint, text_checkpoint, workspace):
    given = ["captioner=llava", f"captioner.path={llava_checkpoint}", "captioner.max_tokens=5"]
    given += ["captioner.fallback=text", f"captioner.fallback_path={text_checkpoint}", "captioner.batch_size=4"]
    run = workspace.made("caption", *shop.overrides, *given)
    rows = read_rows(run.path / "captions.parquet")
    counts = run.metrics["origins"]
    assert counts["model"] == sum(row.captioner == "llava:llava" and row.origin == "model" for row in rows)
    assert counts["fallback"] + counts["skipped"] >= 6 and counts["fallback"] >= 5
    assert {row.captioner for row in rows if row.origin == "fallback"} == {"text:text"}
    hashes = {row.prompt_hash for row in rows if row.origin != "skipped"}
    assert len(hashes) == 2
