"""Endpoints that redirect, echo keys, stall, flood and answer nonsense: one process serves them all, by path."""

import base64
import json
import multiprocessing
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

KEY = "sk-T0rture/9f8e7d+Secret"
HEAD = b"HTTP/1.1 200 OK\r\n"
JSON = HEAD + b"Content-Type: application/json\r\n"
PATIENCE = 8.0  # seconds that a server which never ends goes on
Answer = Callable[["Handler"], None]


def completion(message: Any, reason: str = "stop", usage: str = '{"completion_tokens": 3}') -> bytes:
    """A chat completion of one message."""
    choices = json.dumps([{"index": 0, "message": message, "finish_reason": reason}])
    return f'{{"choices": {choices}, "usage": {usage}}}'.encode()


def said(text: Any, reason: str = "stop") -> bytes:
    """A chat completion of a text."""
    return completion({"role": "assistant", "content": text}, reason)


def body(payload: bytes, status: int = 200, **headers: str) -> Answer:
    """An answer with a body of known length."""

    def answer(handler: "Handler") -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(payload)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(payload)

    return answer


def raw(*parts: bytes) -> Answer:
    """These bytes, whatever HTTP would say to them, then the end."""
    return lambda handler: handler.wfile.writelines(parts)


def drip(first: bytes, again: bytes, pause: float = 0.05) -> Answer:
    """The first bytes, then the others again and again."""

    def answer(handler: "Handler") -> None:
        handler.wfile.write(first)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            handler.wfile.write(again)
            time.sleep(pause)

    return answer


def redirect(status: int, place: str) -> Answer:
    """To another place; `{thief}` is the address of a server that nobody should ask."""
    return lambda handler: body(b"", status, Location=place.replace("{thief}", handler.server.thief))(handler)


def echo(form: Callable[[str], str], status: int) -> Answer:
    """The Authorization header in a caption or in an error."""

    def answer(handler: "Handler") -> None:
        text = form(handler.headers.get("Authorization", "").removeprefix("Bearer "))
        body(said(f"a bag, {text} !") if status == 200 else text.encode(), status)(handler)

    return answer


def quoted(key: str) -> str:
    """The key as a part of an address."""
    from urllib.parse import quote

    return quote(key, safe="")


def coded(key: str) -> str:
    """The key as base64."""
    return base64.b64encode(key.encode()).decode()


# name -> answer to every request; by what recbench makes of it
LEAKS: dict[str, Answer] = {
    **{f"redirect {status} to another host": redirect(status, "{thief}/v1?key=1") for status in (301, 302, 303, 307)},
    "redirect 308 with a password": redirect(308, "http://me:hunter2@127.0.0.1:9/v1"),
    "redirect to a file": redirect(302, "file:///etc/passwd"),
    "redirect to nowhere": redirect(302, "//["),
    "redirect with the key": redirect(302, "{thief}/" + KEY),
    "refresh header": body(b"{}", 200, Refresh="0; url=http://127.0.0.1:9/"),
    "key in an error": echo(lambda key: f"bad key {key}", 400),
    "key in a JSON error": echo(lambda key: json.dumps({"error": {"message": f"no {key}"}}).replace("/", "\\/"), 401),
    "key behind 60 kB": echo(lambda key: " " * 65_000 + "x" * 530 + key, 500),
    "key in an address": echo(lambda key: f"http://x/?k={quoted(key)}", 400),
    "key as base64": echo(coded, 400),
}
CAPTIONS: dict[str, Answer] = {  # a caption, with nothing of the key or of thinking in it
    "key in a caption": echo(str, 200),
    "key as base64 in a caption": echo(coded, 200),
    "thinking": body(said("<think>SECRET thoughts</think>\n\na bag")),
    "thinking without its beginning": body(said("SECRET thoughts</think>a bag")),
    "harmony": body(said("<|channel|>analysis<|message|>SECRET<|end|><|channel|>final<|message|>a bag")),
    "parts": body(said([{"type": "thinking", "thinking": "SECRET"}, {"type": "text", "text": "a bag"}])),
    "cut at max_tokens": body(said("a bag and", "length")),
    "tokens 1e999": body(completion({"content": "a bag"}, usage='{"completion_tokens": 1e999}')),
    "tokens NaN": body(completion({"content": "a bag"}, usage='{"completion_tokens": NaN}')),
    "tokens of 400 digits": body(completion({"content": "a bag"}, usage=f'{{"completion_tokens": {"9" * 400}}}')),
    "tokens are a list": body(completion({"content": "a bag"}, usage="[1]")),
    "ESC and NUL": body(said("a\x1b[31m bag\x00\u202e")),
    "half a surrogate": body(said("a bag \ud800")),
}
FAILURES: dict[str, Answer] = {  # every item fails: the run stops, and is not done
    "500": body(b"no", 500),
    "429": body(b"busy", 429, Retry_After="0"),
    "429, back in eleven days": body(b"busy", 429, Retry_After="999999"),
    "429, back in the past": body(b"busy", 429, Retry_After="-5"),
    "429, back on no date": body(b"busy", 429, Retry_After="Wed, 99 Oct 20155"),
    "400 to all": body(b"this model reads no images", 400),
    "a web page": body(b"<html><h1>Welcome</h1></html>"),
    "nested JSON": body(b"[" * 200_000),
    "not UTF-8": body(b"\xff\xfe\xfa"),
    "nothing": body(b""),
    "no choices": body(b'{"choices": []}'),
    "choices are null": body(b'{"choices": null, "error": {"message": "overloaded"}}'),
    "content is null": body(completion({"content": None})),
    "a refusal": body(completion({"content": None, "refusal": "I cannot\x1b[2J"})),
    "a tool call": body(completion({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls")),
    "thinking without end": body(said("<think>hm", "length")),
    "a caption of a megabyte": body(said("word " * 200_000)),
    "an error of a megabyte": body(b"e" * 1_000_000, 500),
    "hangs up": raw(),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "zeros": raw(b"\0" * 4096),
    "reason with ESC": raw(b"HTTP/1.1 503 \x1b[31mno\r\n\r\n"),
    "length too long": raw(JSON + b"Content-Length: 100000\r\n\r\n" + said("a bag")),
    "length too short": raw(JSON + b"Content-Length: 5\r\n\r\n" + said("a bag")),
    "length below zero": raw(JSON + b"Content-Length: -1\r\n\r\n{"),
    "broken chunks": raw(JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
    "gzip that was not asked for": raw(JSON + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08"),
    "chunks without end": drip(JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\n[[\r\n"),
    "headers without end": drip(HEAD, b"X-A: b\r\n"),
    "a byte at a time": drip(JSON + b"Content-Length: 1000\r\n\r\n", b" "),
    "100 Continue without end": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a flood": drip(JSON + b"\r\n", b"[" * 1_000_000, 0.0),
}
BEHAVIOURS = {**LEAKS, **CAPTIONS, **FAILURES, "good": body(said("a bag"))}


class Handler(BaseHTTPRequestHandler):
    """Answers `/<number of the behaviour>/v1/chat/completions`, and keeps what it was asked."""

    server: Any

    def do_POST(self) -> None:
        """Answer as the path says; what comes to the thief is only written down."""
        received = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        number = self.path.split("/")[1]
        with (self.server.log / f"{number if number.isdecimal() else 'thief'}.jsonl").open("a") as log:
            log.write(json.dumps({"headers": dict(self.headers), "body": received.decode("latin-1")}) + "\n")
        self.close_connection = True
        if number.isdecimal():
            try:
                list(BEHAVIOURS.values())[int(number)](self)
            except OSError:  # the client has given up
                return

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def start(log: Path) -> tuple[BaseProcess, str]:
    """Start the process; its address. What each behaviour was asked lies in `log`, as does what the thief got."""
    log.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    address = f"http://127.0.0.1:{server.server_address[1]}"
    server.log, server.thief = log, f"{address}/thief"  # type: ignore[attr-defined]
    process = multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True)
    process.start()
    server.socket.close()
    return process, address
