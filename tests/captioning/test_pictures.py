"""Several pictures of an item, and frames of what moves: which are read, and what captioners make of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image
from transformers import LlavaForConditionalGeneration

from recbench.captioning import frames, small_training
from recbench.captioning.frames import can_read_videos, places, read_frames
from recbench.captioning.images import UnreadableImageError
from recbench.captioning.interface import Item
from recbench.captioning.items import read_items
from recbench.captioning.llava import LlavaCaptioner
from recbench.captioning.llava_small import obtain
from recbench.captioning.pictures import read_pictures
from recbench.captioning.small_model import build_model, caption_losses, normalised, prompt_tokens
from recbench.captioning.small_training import Examples
from recbench.captioning.table import read_rows
from recbench.captioning.word_tokenizer import train_word_tokenizer
from recbench.data.dataset import RecommendationData
from recbench.data.image_paths import locate_image
from recbench.data.interactions import NO_INTERACTIONS
from recbench.errors import UserError
from recbench.runs import create_run
from recbench.schema import CaptionerConfig

CPU = torch.device("cpu")
PIXELS = 50_000_000
RED, GREEN, BLUE, GREY = (220, 30, 30), (30, 200, 30), (30, 30, 220), (90, 90, 90)


def plain(path: Path, colour: tuple[int, int, int]) -> None:
    Image.new("RGB", (20, 16), colour).save(path)


def animation(path: Path, count: int) -> None:
    """Frame k is grey of level 20 k."""
    shown = [Image.new("RGB", (20, 16), (20 * k, 20 * k, 20 * k)) for k in range(count)]
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=100)


def levels(pictures: list[Image.Image]) -> list[int]:
    return [round(float(np.asarray(picture).mean()) / 20) for picture in pictures]


@given(frames=st.integers(1, 500), count=st.integers(1, 60))
def test_frames_are_spaced_as_evenly_as_whole_numbers_are(frames: int, count: int) -> None:
    found = places(frames, count)
    assert len(found) == min(frames, count) and found[0] == 0 and found[-1] < frames
    steps = np.diff([*found, frames])  # the last stands for what is left
    assert steps.min() >= 1 and steps.max() - steps.min() <= 1


def test_frames_of_an_animation(tmp_path: Path) -> None:
    animation(tmp_path / "moving.gif", 10)
    source = locate_image(tmp_path, "moving.gif")
    assert levels(read_frames(source, 4, PIXELS, None)) == [0, 2, 5, 7]
    assert levels(read_frames(source, 99, PIXELS, 1024)) == list(range(10))
    for count, read in ((0, [0]), (1, [0]), (2, [0, 5])):
        pictures, reasons = read_pictures([source], CaptionerConfig(frames=count))
        assert (levels(pictures), reasons) == (read, [])
        assert all(picture.mode == "RGB" and picture.size == (20, 16) for picture in pictures)
    plain(tmp_path / "still.gif", GREY)
    assert len(read_frames(locate_image(tmp_path, "still.gif"), 3, PIXELS, None)) == 1
    (tmp_path / "broken.gif").write_bytes((tmp_path / "moving.gif").read_bytes()[:60])
    for name, words in (("broken.gif", "the image file is"), ("none.gif", "missing")):
        with pytest.raises(UnreadableImageError, match=words):
            read_frames(locate_image(tmp_path, name), 3, PIXELS, None)
    with pytest.raises(UnreadableImageError, match="more than 100 pixels"):
        read_frames(source, 3, 100, None)


def test_of_a_list_the_first_that_can_be_read(tmp_path: Path) -> None:
    for name, colour in (("a.png", RED), ("c.png", GREEN), ("d.png", BLUE)):
        plain(tmp_path / name, colour)
    (tmp_path / "b.mp4").write_bytes(b"a video, say")
    animation(tmp_path / "e.gif", 4)
    names = ["none.png", "a.png", "b.mp4", "c.png", "d.png", "e.gif"]
    sources = [locate_image(tmp_path, name) for name in names]

    def read(**changes: int) -> tuple[list[tuple[int, ...]], list[str]]:
        pictures, reasons = read_pictures(sources, CaptionerConfig(**changes))  # type: ignore[arg-type]
        return [picture.getpixel((3, 3)) for picture in pictures], reasons  # type: ignore[misc]

    missing, video = "the image file is missing", "the image is a video, and captioner.frames is 0"
    assert read() == ([RED], [missing])
    assert read(pictures=2) == ([RED, GREEN], [missing, video])
    assert read(pictures=9) == ([RED, GREEN, BLUE, (0, 0, 0)], [missing, video])
    moving, _ = read_pictures(sources[3:], CaptionerConfig(pictures=3, frames=2))
    assert len(moving) == 1 + 1 + 2


@pytest.mark.skipif(not can_read_videos(), reason="PyAV is not installed: pip install recbench[video]")
@pytest.mark.parametrize("name, codec", [("clip.mp4", "mpeg4"), ("clip.mkv", "mpeg4")])
def test_frames_of_a_video(name: str, codec: str, tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 4
        for k in range(10):
            pixels = np.full((48, 64, 3), 20 * k, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    source = locate_image(tmp_path, name)
    assert levels(read_frames(source, 5, PIXELS, None)) == [0, 2, 4, 6, 8]
    assert len(read_frames(source, 99, PIXELS, None)) == 10
    assert read_frames(source, 1, PIXELS, 32)[0].size == (32, 24)
    with pytest.raises(UnreadableImageError, match="more than 100 pixels"):
        read_frames(source, 1, 100, None)
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\n" + name + "\n")  # opens no other file
    with pytest.raises(UnreadableImageError, match="the video file is broken"):
        read_frames(locate_image(tmp_path, "list.mp4"), 1, PIXELS, None)


# ---- the small LLaVA

SMALL: dict[str, Any] = {"image_size": 16, "patch_size": 8, "vision_layers": 1, "language_layers": 1, "width": 32}
SMALL |= {"heads": 2, "max_tokens": 8, "least_word_count": 1, "folds": 1, "least_steps": 0, "patch_share": 1.0}
CAPTIONS = torch.tensor([[5, 6, 7, 2], [8, 2, -1, -1], [9, 10, 11, 5]])


def small_model(connector: str) -> Any:
    torch.manual_seed(0)
    settings = CaptionerConfig(**SMALL, connector=connector, queries=3, pictures=2)
    model = build_model(settings, train_word_tokenizer(["one two three four five six seven"])).eval()
    for parameter in model.parameters():  # large enough that every input matters
        parameter.data.mul_(3)
    return model


def noise(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("connector, tokens", [("mlp", 4), ("qformer", 3)])
@torch.no_grad()
def test_tokens_of_several_pictures_stand_one_after_the_other(connector: str, tokens: int) -> None:
    model, pixels = small_model(connector), normalised(noise(6))
    losses = caption_losses(model, pixels, CAPTIONS)
    for row in range(3):
        words = CAPTIONS[row][CAPTIONS[row] >= 0]
        prompt = prompt_tokens(model, 1, 2)[0]
        assert prompt.tolist() == [1] + [4] * (2 * tokens)
        shown = pixels[2 * row : 2 * row + 2]
        logits = model(input_ids=torch.cat([prompt, words])[None], pixel_values=shown).logits[0]
        expected = torch.nn.functional.cross_entropy(logits[len(prompt) - 1 : -1], words, reduction="none")
        torch.testing.assert_close(losses[row, : len(words)], expected, rtol=1e-5, atol=1e-5)
    everything = torch.arange(4).repeat(6, 1)
    torch.testing.assert_close(caption_losses(model, pixels, CAPTIONS, everything), losses)
    swapped = caption_losses(model, pixels[[1, 0, 3, 2, 5, 4]], CAPTIONS)
    assert not torch.allclose(swapped, losses)  # their order counts


def test_captions_of_unequally_many_pictures_weigh_as_each_by_itself() -> None:
    model = small_model("mlp")
    pictures = (noise(6) * 255).to(torch.uint8)
    tokens = [[5, 6, 7, 2], [8, 2], [9, 10, 11, 5]]
    examples = Examples(pictures, tokens, [4, 2, 4], np.array([0, 3, 4, 6]))  # three pictures, one, two
    settings = CaptionerConfig(**SMALL, augmentation=0.0)
    loss = small_training._loss(model, examples, np.array([2, 0, 1]), settings, [0], 0, "float32", 1.0)
    total, pixels = 0.0, normalised(pictures.float() / 255)
    with torch.no_grad():
        for ids, shown in zip(tokens, (pixels[:3], pixels[3:4], pixels[4:]), strict=True):
            total += float(caption_losses(model, shown, torch.tensor([ids])).sum())
    assert float(loss.detach()) == pytest.approx(total / 10, rel=1e-5)


@pytest.fixture
def pairs(tmp_path: Path) -> RecommendationData:
    """Twelve items with a grey picture first; what their captions name shows in the second. Every third has a third."""
    plain(tmp_path / "grey.png", GREY)
    names = ["red", "green", "blue"]
    for name, colour in zip(names, (RED, GREEN, BLUE), strict=True):
        plain(tmp_path / f"{name}.png", colour)
    rows = [names[row // 2 % 3] for row in range(12)]
    lists = [["grey.png", f"{name}.png", *(["grey.png"] if row % 3 == 0 else [])] for row, name in enumerate(rows)]
    columns: dict[str, Any] = {"item": [f"i{row}" for row in range(12)], "title": [""] * 12, "text": [""] * 12}
    columns |= {"image": lists, "caption": [f"a {name} one" for name in rows]}
    return RecommendationData("pairs", datasets.Dataset.from_dict(columns), NO_INTERACTIONS, "f" * 64, None, tmp_path)


@pytest.mark.parametrize("pictures", [1, 3])
def test_the_small_llava_names_what_only_the_second_picture_shows(
    pictures: int, pairs: RecommendationData, tmp_path: Path
) -> None:
    training = {"epochs": 40, "training_batch": 6, "learning_rate": 5e-3}
    settings = CaptionerConfig(**{**SMALL, **training}, pictures=pictures)
    run = create_run(
        "caption",
        OmegaConf.create({"runs": str(tmp_path / "runs"), "seed": 0, "data": {"name": "pairs", "family": None}}),
    )
    captioner = obtain(settings, pairs, run, 0, CPU)
    items = [item for item, _ in read_items(pairs, range(12), settings, images=True)]
    captions = captioner.caption(items)
    right = sum(caption.text == pairs.catalogue[row]["caption"] for row, caption in enumerate(captions))
    assert right == 12 if pictures == 3 else right <= 4
    counts = [1 + 4 * min(pictures, len(pairs.catalogue[row]["image"])) for row in range(12)]
    assert [caption.prompt_tokens for caption in captions] == counts
    assert captioner.caption(items[5:6]) == captions[5:6]  # alone as among others
    if pictures == 3:
        folder = str(run.path / "checkpoints" / "llava_small")
        with pytest.raises(UserError, match="reads 21 tokens, and 4 pictures with a caption take 25") as caught:
            obtain(CaptionerConfig(path=folder, pictures=4, max_tokens=8), pairs, run, 0, CPU)
        assert "\n" not in str(caught.value)


# ---- checkpoints and servers


def item_of(*colours: tuple[int, int, int]) -> Item:
    shown = [Image.new("RGB", (20, 16), colour) for colour in colours]
    return Item(0, "i", "red square", "", {}, shown[0], tuple(shown[1:]))


def test_llava_reads_pictures_where_its_template_has_them(llava_checkpoint: Path) -> None:
    captioner = LlavaCaptioner(
        CaptionerConfig(path=str(llava_checkpoint), prompt="describe {title}", max_tokens=6), 0, CPU
    )
    item = item_of(RED, BLUE)
    answers = captioner.caption([item, item_of(GREEN)])
    model = LlavaForConditionalGeneration.from_pretrained(llava_checkpoint).eval()
    words = ["<s>", *["<image>"] * 8, "describe", "red", "square", "a"]
    ids = captioner.tokenizer.convert_tokens_to_ids(words)
    pixels = captioner.processor.image_processor(images=item.images, return_tensors="pt")["pixel_values"]
    written: list[int] = []
    while len(written) < 6:  # the most probable after all before it, until </s>
        with torch.no_grad():
            token = int(model(input_ids=torch.tensor([ids + written]), pixel_values=pixels).logits[0, -1].argmax())
        if token == 2:
            break
        written.append(token)
    assert answers[0].text == captioner.tokenizer.decode(written, skip_special_tokens=True)
    assert [answer.prompt_tokens for answer in answers] == [len(ids), len(ids) - 4]
    captioner.processor.chat_template = None
    assert captioner.caption([item])[0].prompt_tokens == 8 + 3


def test_a_template_with_a_place_for_one_picture_is_told(llava_checkpoint: Path) -> None:
    captioner = LlavaCaptioner(CaptionerConfig(path=str(llava_checkpoint), prompt="describe"), 0, CPU)
    captioner.template.template = "<s><image> describe"
    captioner.caption([item_of(RED)])
    with pytest.raises(UserError, match="does not read 2 pictures of an item .*places for 1") as caught:
        captioner.caption([item_of(RED, BLUE)])
    assert "\n" not in str(caught.value)


@pytest.fixture
def lists_shop(tmp_path: Path) -> tuple[Path, list[str]]:
    """Six items: two pictures, one of two missing, none, three pictures, an animation, and both missing."""
    for name, colour in (("a.png", RED), ("b.png", GREEN), ("c.png", BLUE)):
        plain(tmp_path / name, colour)
    animation(tmp_path / "d.gif", 4)
    cells = ["a.png| b.png", "none.png|c.png", "", "a.png|b.png|c.png", "d.gif", "none.png|gone.png"]
    lines = [f"i{row},Thing {row},{cell},a thing" for row, cell in enumerate(cells)]
    (tmp_path / "items.csv").write_text("item,title,image,caption\n" + "\n".join(lines) + "\n")
    rows = [f"u{user},i{(user + step) % 6}" for user in range(6) for step in range(4)]
    (tmp_path / "clicks.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    overrides = ["data=table", "data.name=lists", f"data.path={tmp_path / 'clicks.csv'}"]
    overrides += ["data.options.items_file=items.csv", "+data.options.item_columns.image=image"]
    return tmp_path, [*overrides, "+data.options.item_columns.caption=caption", "data.options.image_separator='|'"]


def test_a_server_is_sent_as_many_as_are_asked_for(
    lists_shop: Any, serve: Callable[..., Any], fresh_workspace: Any
) -> None:
    _, overrides = lists_shop
    server = serve(lambda number, body: (200, {}, "a square"))
    asked = ["captioner=endpoint", f"captioner.url={server.url}", "captioner.model=m", "captioner.concurrency=1"]
    run = fresh_workspace.made("caption", *overrides, *asked, "captioner.pictures=2", "captioner.frames=3")
    sent = [[part["type"] for part in body["messages"][0]["content"]] for body in server.requests]
    assert sent == [["image_url"] * count + ["text"] for count in (2, 1, 2, 3)]
    rows = read_rows(run.path / "captions.parquet")
    assert [row.unread for row in rows] == [0, 1, 0, 0, 0, 0]
    skipped = {entry["item"]: entry["reason"] for entry in json.loads((run.path / "skipped.json").read_text())}
    assert skipped == {"i2": "no image", "i5": "the image file is missing"}
    notes = " ".join(run.manifest["notes"])
    assert "1 pictures of 1 items cannot be read, and these are captioned from their others" in notes
    data = run.input_run("data")
    assert data.metrics["images"] == {"present": 7, "missing": 3, "items_without": 1}
    assert pq.read_table(data.path / "catalogue.parquet")["image"].to_pylist()[:3] == [
        ["a.png", "b.png"],
        ["none.png", "c.png"],
        None,
    ]

    server.requests.clear()
    run = fresh_workspace.made("caption", *overrides, *asked)  # one picture, and of an animation the first frame
    assert [len(body["messages"][0]["content"]) for body in server.requests] == [2] * 4


def test_a_column_of_lists_in_parquet_is_one_of_pictures(lists_shop: Any, fresh_workspace: Any) -> None:
    folder, overrides = lists_shop
    images = [["a.png", "b.png"], ["none.png", None], None, [], ["c.png"], ["a.png"]]
    table = {"item": [f"i{row}" for row in range(6)], "title": ["x"] * 6, "caption": ["a thing"] * 6}
    pq.write_table(pa.table({**table, "image": pa.array(images, pa.list_(pa.string()))}), folder / "items.parquet")
    given = [text for text in overrides if "separator" not in text and "items_file" not in text]
    run = fresh_workspace.made("data", *given, "data.options.items_file=items.parquet")
    assert run.metrics["images"] == {"present": 4, "missing": 1, "items_without": 2}


@pytest.mark.parametrize(
    "given, words",
    [
        (["captioner=text", "captioner.path=x", "captioner.pictures=2"], "captioner.pictures=2 has no effect here"),
        (["captioner=file", "captioner.path=x", "captioner.frames=2"], "captioner is file: leave it out"),
        (
            ["captioner=endpoint", "captioner.frames=2"],
            "clip.MP4 of item i2 is a video, which PyAV decodes: pip install",
        ),
        (["~data.options.item_columns.image", "captioner=file", "captioner.path=x"], "no column of pictures is mapped"),
    ],
)
def test_mistakes_are_one_line(
    given: list[str],
    words: str,
    lists_shop: Any,
    fresh_workspace: Any,
    refuse: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames.importlib.util, "find_spec", lambda name: None)
    folder, overrides = lists_shop
    items = (folder / "items.csv").read_text().replace("i2,Thing 2,,", "i2,Thing 2,clip.MP4,")
    (folder / "items.csv").write_text(items)
    if given[0].startswith("~"):
        given, overrides = given[1:], [text for text in overrides if "columns.image" not in text]
    result = fresh_workspace.stage("caption", *overrides, *given)
    refuse(result, words)
