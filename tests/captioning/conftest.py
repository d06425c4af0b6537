"""A small shop with pictures, some of them broken in every way; tiny checkpoints; a server that answers as told."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

COLOURS = {"red": (200, 30, 30), "green": (20, 160, 60), "blue": (30, 60, 200)}


class Shop(NamedTuple):
    """A table data set of 20 items as overrides, and what is known of it."""

    folder: Path
    overrides: list[str]
    items: list[str]
    colours: list[str]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Twenty items, every second with a reference caption; six pictures are unusable, four odd."""
    folder = tmp_path_factory.mktemp("shop")
    items = [f"i{number:02d}" for number in range(20)]
    colours = [list(COLOURS)[number % 3] for number in range(20)]
    lines = ["item,title,image,colour,caption"]
    for number, (item, colour) in enumerate(zip(items, colours, strict=True)):
        image = "" if item == "i11" else f"{item}.jpg" if item in ("i03", "i05", "i08", "i12", "i17") else f"{item}.png"
        image = f"{item}.gif" if item == "i09" else image
        if image and item != "i17":
            draw_picture(folder / image, item, COLOURS[colour])
        caption = f"a {colour} square" if number % 2 == 0 else ""
        lines.append(f"{item},Square {number},{image},{colour},{caption}")
    (folder / "items.csv").write_text("\n".join(lines) + "\n")
    rows = [f"u{user},{items[(user * 3 + step) % 20]}" for user in range(8) for step in range(4)]
    (folder / "clicks.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    overrides = ["data=table", "data.name=shop", f"data.path={folder / 'clicks.csv'}", "data.attributes=[colour]"]
    overrides += ["data.options.items_file=items.csv", "threads=1"]
    overrides += [f"+data.options.item_columns.{name}={name}" for name in ("image", "colour", "caption")]
    return Shop(folder, overrides, items, colours)


def draw_picture(path: Path, item: str, colour: tuple[int, int, int]) -> None:
    """The item's picture with its fault or oddity."""
    picture = Image.new("RGB", (32, 24), colour)
    if item == "i06":
        picture.resize((3, 1)).save(path)
    elif item == "i09":
        frames = [Image.new("RGB", (16, 16), colour), Image.new("RGB", (16, 16), "black")]
        frames[0].save(path, save_all=True, append_images=frames[1:])
    elif item == "i12":
        picture.convert("CMYK").save(path)
    elif item == "i15":
        picture.convert("RGBA").save(path)
    elif item == "i14":
        Image.new("1", (10_000, 10_000)).save(path)  # 100 megapixels in some kilobytes
    elif item == "i08":
        path.write_text("not found\n")
    elif item == "i03":
        picture.resize((400, 300)).save(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])
    elif item == "i05":
        path.write_bytes(b"")
    else:
        picture.save(path)


class Server:
    """An OpenAI-compatible server on localhost; `answer(request number, body)` decides what it does.

    It returns (status, headers, text): 200 with a text is a chat completion of it, bytes are the body as they are; None
    hangs up without an answer.
    """

    def __init__(self, answer: Callable[[int, dict[str, Any]], tuple[int, dict[str, str], Any] | None]) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.busy = self.most_busy = 0
        lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    server.requests.append(body)
                    server.headers.append(dict(self.headers))
                    number = len(server.requests) - 1
                    server.busy += 1
                    server.most_busy = max(server.most_busy, server.busy)
                try:
                    said = server.answer(number, body)
                finally:
                    with lock:
                        server.busy -= 1
                if said is None:
                    self.connection.close()
                    return
                status, headers, text = said
                if status == 200 and isinstance(text, str):
                    usage = {"completion_tokens": len(text.split()), "prompt_tokens": 7}
                    text = json.dumps({"choices": [{"message": {"content": text}}], "usage": usage})
                payload = text if isinstance(text, bytes) else text.encode()
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(payload)))
                    self.end_headers()
                    self.wfile.write(payload)
                except OSError:
                    pass  # the client has given up

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Server]]:
    """Start servers that end with the tests of a module."""
    servers: list[Server] = []

    def start(answer: Callable[[int, dict[str, Any]], tuple[int, dict[str, str], Any] | None]) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


VOCABULARY = ("<pad>", "<s>", "</s>", "<unk>", "<image>", "a", "red", "green", "blue", "square", "describe", "it", ".")


@pytest.fixture(scope="session")
def word_tokenizer() -> Any:
    """A tokenizer of a dozen words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*VOCABULARY, *(f"word{number}" for number in range(19))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **special, extra_special_tokens={"image_token": "<image>"}
    )
    return made


def _language_config(vocabulary: int) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


@pytest.fixture(scope="session")
def text_checkpoint(tmp_path_factory: pytest.TempPathFactory, word_tokenizer: Any) -> Path:
    """A LLaMA of a few thousand weights, drawn large enough that its words differ between prompts."""
    import torch
    from transformers import LlamaForCausalLM

    folder = tmp_path_factory.mktemp("checkpoints") / "text"
    torch.manual_seed(0)
    model = LlamaForCausalLM(_language_config(len(word_tokenizer)))
    _spread(model)
    model.save_pretrained(folder)
    word_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def llava_checkpoint(tmp_path_factory: pytest.TempPathFactory, word_tokenizer: Any) -> Path:
    """A LLaVA with a CLIP tower for pictures of 16 pixels; its chat template is that of LLaVA-1.5."""
    import torch
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = tmp_path_factory.mktemp("checkpoints") / "llava"
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=_language_config(len(word_tokenizer)),
        image_token_index=word_tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    _spread(model)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    template = (
        "{{ bos_token }}{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<image>{% else %} {{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %} a{% endif %}"
    )
    processor = LlavaProcessor(
        image_processor=pictures,
        tokenizer=word_tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=template,
        num_additional_image_tokens=1,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _spread(model: Any) -> None:
    """Larger weights than a fresh model's, under which every prompt gets the same words."""
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
