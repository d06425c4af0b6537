"""An OpenAI-compatible server (vLLM, SGLang, llama.cpp): pictures as data URLs, many requests at once, retries."""

import base64
import io
import ipaddress
import json
import os
import threading
import urllib.parse
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

from PIL import Image

from recbench.captioning.answers import read_answer
from recbench.captioning.http import AGAIN, Failure, back_off, post
from recbench.captioning.interface import Caption, CaptionerStoppedError, Item, NoCaption
from recbench.captioning.prompts import fill_prompt
from recbench.console.progress import say
from recbench.errors import UserError
from recbench.redaction import hide, hide_in_address, without_secrets
from recbench.schema import CaptionerConfig

# The key, the address or the model, and every redirect: the next item would fare no better.
WRONG_SETTINGS = (401, 403, 404, *range(300, 400))
JPEG_QUALITY = 95
TOLD_WAIT = 10.0  # seconds; shorter pauses that a server asks for need no word
NOT_ASKED = "not asked: the captioner stopped before"
STOPPED = Failure(NOT_ASKED, None, True)


class EndpointCaptioner:
    """Asks `<captioner.url>/chat/completions`, `captioner.concurrency` items at a time; answers keep their order."""

    reads_images = True

    def __init__(self, config: CaptionerConfig, seed: int) -> None:
        """Read the API key, if any, from the environment; it is hidden in everything that is written from now on.

        Raises:
            UserError: no address, no model, or the environment variable of the key is not set or holds no key.
        """
        if not config.url or not config.model:
            lacking = "url=http://HOST:PORT/v1" if not config.url else "model=NAME"
            raise UserError(f"captioner=endpoint needs captioner.{lacking}")
        if not config.url.startswith(("http://", "https://")):
            raise UserError(f"captioner.url={config.url}: expected an address such as http://localhost:8000/v1")
        for proxy in urllib.request.getproxies().values():
            hide_in_address(proxy)
        self.headers = {"Content-Type": "application/json"}
        if config.key_variable:
            self.headers["Authorization"] = _authorization(config.key_variable)
            _warn_of_plain_http(config.url)
        self.config, self.seed = config, seed
        self.url = config.url.rstrip("/") + "/chat/completions"
        self.name = f"endpoint:{config.model}"
        self._lock = threading.Lock()
        self._failed = 0  # items in a row, in the order in which they came back, up to now
        self._captioned = self._answered = False  # any item; any request, be it with an error
        self._connections = 0  # requests of this batch that were answered
        self._told: set[str] = set()  # what has been said once

    def caption(self, items: Sequence[Item]) -> list[Caption | NoCaption]:
        """One answer an item; none for an item that failed after all retries, or that the server refused.

        Raises:
            UserError: the server refuses the key, the model or the address before it has captioned anything here.
            CaptionerStoppedError: it does so later, or `captioner.most_failures` items in a row have failed.
        """
        stop, self._connections = _Stop(), 0
        pool = ThreadPoolExecutor(self.config.concurrency)
        try:
            answers = list(pool.map(lambda item: self._answer(item, stop), items))
        finally:  # after an interrupt or a refusal, nothing waits for its next try
            stop.set()
            pool.shutdown(cancel_futures=True)
        if stop.reason is None and self._unreachable(answers):
            stop.because(
                f"captioner.url={self.config.url}: none of {len(items)} items was answered, {answers[-1].reason}; "  # type: ignore[union-attr]
                "start the server, or give its address; recbench caption --resume latest then goes on"
            )
        if stop.reason is None:
            return answers
        if stop.mistake:
            if not self._captioned:
                raise UserError(stop.reason)
            stop.reason += "; set it right, then recbench caption --resume latest asks for what is missing"
        raise CaptionerStoppedError(stop.reason, answers)

    def _answer(self, item: Item, stop: "_Stop") -> Caption | NoCaption:
        """The item's caption or why there is none; keeps count of failures in a row."""
        if stop.is_set():
            return NoCaption(NOT_ASKED, again=True)
        answer = self._ask(item, stop)
        with self._lock:
            if isinstance(answer, Caption):
                self._failed, self._captioned = 0, True
                return answer
            if answer is STOPPED:
                return NoCaption(NOT_ASKED, again=True)
            self._failed += 1
            most = self.config.most_failures
            if answer.status in WRONG_SETTINGS:
                stop.because(f"captioner.url={self.config.url}: the server answers {answer.reason}", mistake=True)
            elif most and self._failed >= most:
                stop.because(self._many_failed(answer.reason))
        lasting = answer.status is not None and answer.status < 500 and answer.status not in (*WRONG_SETTINGS, *AGAIN)
        return NoCaption(answer.reason, again=answer.again or not lasting)

    def _ask(self, item: Item, stop: "_Stop") -> Caption | Failure:
        """The item's caption after as many tries as it takes, or why the last one failed."""
        body = json.dumps(self._request(item)).encode()
        attempt = 0
        while not stop.is_set():
            received = post(self.url, body, self.headers, self.config.timeout)
            answer = received if isinstance(received, Failure) else read_answer(received)
            if not isinstance(answer, Failure) or answer.status is not None:
                with self._lock:
                    self._answered, self._connections = True, self._connections + 1
            if isinstance(answer, Caption):
                return replace(answer, text=without_secrets(answer.text))
            if not answer.again or attempt == self.config.retries:
                return answer
            wait = back_off(self.config.back_off, attempt, answer.wait)
            self._tell(answer, wait)
            stop.wait(wait)
            attempt += 1
        return STOPPED

    def _tell(self, failure: Failure, wait: float) -> None:
        """Say once that no answer came, and once that the server asks for patience: both may take minutes."""
        kind = "wait" if failure.wait >= TOLD_WAIT else "retry"
        with self._lock:
            if kind in self._told:
                return
            self._told.add(kind)
        asked = f" after {wait:.0f} seconds, as the server wishes" if kind == "wait" else ""
        say(f"{self.config.url}: {failure.reason}; asked again{asked}, an item up to {self.config.retries} times")

    def _many_failed(self, reason: str) -> str:
        return (
            f"captioner.url={self.config.url}: {self._failed} items in a row failed (captioner.most_failures), the "
            f"last with: {reason}; see to the server, then recbench caption --resume latest asks for what is missing "
            "(captioner.most_failures=0 would skip them all)"
        )

    def _unreachable(self, answers: Sequence[Caption | NoCaption]) -> bool:
        """Whether no connection was made for any item of a batch: one item alone may be what a server dies of."""
        if not self.config.most_failures:  # never stop, whatever fails
            return False
        lost = all(isinstance(answer, NoCaption) and answer.again for answer in answers)
        return lost and self._connections == 0 and (len(answers) > 1 or not self._answered)

    def _request(self, item: Item) -> dict[str, Any]:
        content: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": data_url(image)}} for image in item.images
        ]
        content.append({"type": "text", "text": fill_prompt(self.config.prompt, item)})
        request = {
            "model": self.config.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self.config.max_tokens,
            "temperature": self.config.temperature,
        }
        if self.config.temperature > 0:
            request["seed"] = self.seed * 1_000_003 + item.row  # so that items do not all draw alike
        return request


class _Stop(threading.Event):
    """Ends a batch, with the first reason for it."""

    reason: str | None = None
    mistake = False  # of the settings: the server cannot be asked like this

    def because(self, reason: str, mistake: bool = False) -> None:
        """Stop for a reason."""
        if self.reason is None:
            self.reason, self.mistake = reason, mistake
        self.set()


def _warn_of_plain_http(url: str) -> None:
    """Say so where a key would go through the internet unencrypted."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        near = not ipaddress.ip_address(host).is_global
    except ValueError:  # a name; one without a dot is of this network
        near = "." not in host or host.endswith((".local", ".internal", ".localhost"))
    if url.lower().startswith("http://") and not near:
        say(f"warning: captioner.url={url}: the key is sent unencrypted; give https:// where the server takes it")


def _authorization(variable: str) -> str:
    """The Authorization header: a key as it is given to bearers, or a whole `Basic ...`; hidden from now on."""
    key = os.environ.get(variable, "").strip()
    if not key:
        shown = variable if variable.isupper() else "the name given (not shown: it may be the key itself)"
        raise UserError(f"captioner.key_variable={shown}: the environment has no such variable; export it")
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"captioner.key_variable={variable}: its value has letters that no key has; export it anew")
    scheme, _, rest = key.partition(" ")
    known = rest.strip() if scheme.lower() in ("basic", "bearer") else ""
    hide(known or key)
    if scheme.lower() == "basic":
        with suppress(ValueError):
            hide_in_address(base64.b64decode(known).decode() + "@")
    return key if known else f"Bearer {key}"


def data_url(image: Image.Image) -> str:
    """The picture as a JPEG in a data URL."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
