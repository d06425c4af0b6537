"""An OpenAI-compatible server (vLLM, SGLang, llama.cpp): pictures as data URLs, many requests at once, retries."""

import base64
import io
import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from recbench.captioning.http import Failure, back_off, post
from recbench.captioning.interface import Caption, Item, NoCaption
from recbench.captioning.prompts import fill_prompt
from recbench.errors import UserError
from recbench.schema import CaptionerConfig

WRONG_SETTINGS = (401, 403, 404)  # the key, the address or the model: the next item would fare no better
JPEG_QUALITY = 95


class EndpointCaptioner:
    """Asks `<captioner.url>/chat/completions`, `captioner.concurrency` items at a time; answers keep their order."""

    reads_images = True

    def __init__(self, config: CaptionerConfig, seed: int) -> None:
        """Read the API key, if any, from the environment.

        Raises:
            UserError: no address, no model, or the environment variable of the key is not set.
        """
        if not config.url or not config.model:
            lacking = "url=http://HOST:PORT/v1" if not config.url else "model=NAME"
            raise UserError(f"captioner=endpoint needs captioner.{lacking}")
        if not config.url.startswith(("http://", "https://")):
            raise UserError(f"captioner.url={config.url}: expected an address such as http://localhost:8000/v1")
        self.headers = {"Content-Type": "application/json"}
        if config.key_variable:
            if not os.environ.get(config.key_variable):
                raise UserError(
                    f"captioner.key_variable={config.key_variable}: the environment has no such variable; export it"
                )
            self.headers["Authorization"] = f"Bearer {os.environ[config.key_variable]}"
        self.config, self.seed = config, seed
        self.url = config.url.rstrip("/") + "/chat/completions"
        self.name = f"endpoint:{config.model}"
        self.answered = False  # whether the server has ever answered, be it with an error

    def caption(self, items: Sequence[Item]) -> list[Caption | NoCaption]:
        """One answer an item; none for an item that failed after all retries, or that the server refused.

        Raises:
            UserError: the server refuses the key, the model or the address, or cannot be reached at all.
        """
        stop = threading.Event()
        pool = ThreadPoolExecutor(self.config.concurrency)
        try:
            answers = list(pool.map(lambda item: self._ask(item, stop), items))
        finally:  # after an interrupt or a refusal, nothing waits for its next try
            stop.set()
            pool.shutdown(cancel_futures=True)
        unreachable = [answer for answer in answers if isinstance(answer, Failure) and answer.status is None]
        if len(unreachable) == len(items) and (len(items) > 1 or not self.answered):
            raise UserError(
                f"captioner.url={self.config.url}: none of {len(items)} items was answered, {unreachable[0].reason}; "
                "start the server, or give its address"
            )
        return [NoCaption(answer.reason) if isinstance(answer, Failure) else answer for answer in answers]

    def _ask(self, item: Item, stop: threading.Event) -> Caption | Failure:
        """The item's caption after as many tries as it takes, or why the last one failed."""
        body = json.dumps(self._request(item)).encode()
        attempt = 0
        while not stop.is_set():
            received = post(self.url, body, self.headers, self.config.timeout)
            answer = received if isinstance(received, Failure) else read_answer(received)
            if isinstance(answer, Caption):
                self.answered = True
                return answer
            self.answered |= answer.status is not None
            if answer.status in WRONG_SETTINGS:
                stop.set()
                raise UserError(f"captioner.url={self.config.url}: the server answers {answer.reason}")
            if not answer.again or attempt == self.config.retries:
                return answer
            stop.wait(back_off(self.config.back_off, attempt, answer.wait))
            attempt += 1
        return Failure("stopped", None, True)

    def _request(self, item: Item) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "text", "text": fill_prompt(self.config.prompt, item)}]
        if item.image is not None:
            content.insert(0, {"type": "image_url", "image_url": {"url": data_url(item.image)}})
        request = {
            "model": self.config.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self.config.max_tokens,
            "temperature": self.config.temperature,
        }
        if self.config.temperature > 0:
            request["seed"] = self.seed * 1_000_003 + item.row  # so that items do not all draw alike
        return request


def data_url(image: Image.Image) -> str:
    """The picture as a JPEG in a data URL."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def read_answer(body: bytes) -> Caption | Failure:
    """The text of the first choice and the tokens used; a body that is no such answer may be better next time."""
    try:
        answer = json.loads(body)
        text = answer["choices"][0]["message"]["content"]
        usage = answer.get("usage") or {}
        tokens, prompt_tokens = (int(usage.get(name) or 0) for name in ("completion_tokens", "prompt_tokens"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return Failure("an answer without a caption", status=200, again=True)
    if not isinstance(text, str) or not text.strip():
        return Failure("an empty answer", status=200, again=False)
    return Caption(text, tokens, prompt_tokens)
