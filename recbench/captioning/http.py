"""One HTTP request that never raises, and how long to wait before the next try."""

import http.client
import json
import random
import re
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from recbench.console.visible import for_people
from recbench.redaction import redacted

LONGEST_WAIT = 300.0  # seconds; a server that asks for more is not waited for
AGAIN = (408, 409, 425, 429)  # and every 5xx: the same request may succeed later
LARGEST_ANSWER = 1 << 24  # bytes
LARGEST_ERROR = 1 << 16  # bytes of an error's body that are read, of which a line is told
LONGEST_REASON = 200  # letters of that line
_jitter = random.Random()  # when to ask again is no result


@dataclass(frozen=True)
class Failure:
    """A request without a usable answer."""

    reason: str  # on one line, without secrets
    status: int | None  # of HTTP; None: no answer came
    again: bool  # whether another try may succeed
    wait: float = 0.0  # seconds that the server asks to wait


def post(url: str, body: bytes, headers: dict[str, str], timeout: float) -> bytes | Failure:
    """Send `body` and return the answer's, within `timeout` seconds for all of it: connecting, sending, reading.

    No redirect is followed: headers with a key go to the host of `url` and to no other.
    """
    deadline = _Deadline(timeout)
    try:
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")
        opener = urllib.request.build_opener(_NoRedirects, _Http(deadline), _Https(deadline))
        with deadline:
            try:
                with opener.open(request, timeout=timeout) as response:
                    received = _read(response)
            except urllib.error.HTTPError as problem:
                with problem:
                    return _failure(problem)
            deadline.check()
            return received
    except (OSError, http.client.HTTPException, ValueError) as problem:  # URLError is an OSError
        reason = getattr(problem, "reason", problem)
        if deadline.over or isinstance(reason, TimeoutError):
            return Failure(f"no answer within {timeout:g} seconds", None, True)
        text = for_people(" ".join(str(reason).split()), LONGEST_REASON) or type(reason).__name__
        return Failure(f"the connection failed ({text})", None, True)


def back_off(first: float, attempt: int, asked: float) -> float:
    """Seconds before the try after `attempt` (counted from 0): doubling from `first`, times 0.5 to 1.5 at random.

    Never less than the server asked for, never more than five minutes. Without the chance, all that failed together
    would come again together.
    """
    return min(LONGEST_WAIT, max(asked, first * 2 ** min(attempt, 30) * _jitter.uniform(0.5, 1.5)))


def retry_after(value: str | None) -> float:
    """Seconds that a Retry-After header asks for, given as a number or as a date; 0 where it says nothing sensible."""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, IndexError, OverflowError, OSError):
            return 0.0
    return max(0.0, seconds) if seconds == seconds else 0.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Leaves 301, 302, 303, 307 and 308 to be told as errors, whatever address they name."""

    def http_error_302(self, *_: Any) -> None:
        """Do nothing, so that the next handler raises the answer as an error."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302  # type: ignore[assignment]


class _Deadline:
    """Ends a connection at a time, however slowly and in however many pieces the other side talks.

    A socket's own timeout begins anew with every byte, and reading a header takes as many as the server sends.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.over = False
        self._copy: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._copy is not None:
            self._copy.close()

    def check(self) -> None:
        """Raise TimeoutError where the time has passed: what was read then may be cut off."""
        if self.over:
            raise TimeoutError

    def watch(self, connected: socket.socket) -> socket.socket:
        """The socket itself; a copy of it is kept, since TLS takes the original away."""
        self._copy = connected.dup()
        if self.over:
            self._end()
        return connected

    def _end(self) -> None:
        self.over = True
        if self._copy is not None:
            with suppress(OSError):
                self._copy.shutdown(socket.SHUT_RDWR)  # of the connection, whoever else has it open


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self.deadline = deadline

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_watched, http.client.HTTPConnection, self.deadline), request)  # type: ignore[arg-type]


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self.deadline = deadline

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_watched, http.client.HTTPSConnection, self.deadline), request)  # type: ignore[arg-type]


def _watched(kind: Any, deadline: _Deadline, *arguments: Any, **keywords: Any) -> http.client.HTTPConnection:
    """A connection whose socket the deadline knows before a proxy's answer or a TLS handshake is read."""
    connection: Any = kind(*arguments, **keywords)
    connection._create_connection = lambda *where: deadline.watch(socket.create_connection(*where))
    return connection  # type: ignore[no-any-return]


def _read(response: http.client.HTTPResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := response.read1(1 << 16):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise http.client.HTTPException(f"the answer is too large, more than {LARGEST_ANSWER} bytes")
    if response.length:  # it said how long it would be
        raise http.client.IncompleteRead(b"".join(parts), response.length)
    return b"".join(parts)


def _failure(problem: urllib.error.HTTPError) -> Failure:
    reason = f"HTTP {problem.code} {for_people(problem.reason, LONGEST_REASON)}".rstrip()
    if 300 <= problem.code < 400:
        address = _without_query(problem.headers.get("Location") or "")
        where = f"sends the request on to {address}" if address else "names no other address"
        return Failure(f"{reason}: it {where}; no redirect is followed, lest a key go there", problem.code, False)
    said = _said(problem)
    again = problem.code in AGAIN or problem.code >= 500
    wait = retry_after(problem.headers.get("Retry-After"))
    if again and wait > LONGEST_WAIT:  # trying before then would be refused again
        reason += f", and asks to wait {for_people(f'{wait:,.0f}', 40)} seconds, more than the {LONGEST_WAIT:g} waited"
        again = False
    return Failure(reason + (f": {said}" if said else ""), problem.code, again, min(wait, LONGEST_WAIT))


def _said(problem: urllib.error.HTTPError) -> str:
    """What an error's body says, in one short line: the message in it where it is JSON."""
    try:
        body = problem.read(LARGEST_ERROR)
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    text = body.decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        text = _message(json.loads(body)) or text
    text = redacted(" ".join(text.split()))  # before it is cut: half a key is a secret, too
    if len(body) == LARGEST_ERROR:
        text = text[: LARGEST_ERROR // 2]
    return for_people(text, LONGEST_REASON)


def _message(answer: Any) -> str | None:
    """The message of an error as OpenAI's servers and FastAPI write it, or None."""
    for key in ("error", "detail", "message"):
        if isinstance(answer, dict) and key in answer:
            answer = answer[key]
    return answer if isinstance(answer, str) and answer.strip() else None


def _without_query(address: str) -> str:
    """An address without what may be secret in it: user name, password, query and fragment."""
    address = re.split(r"[?#]", address, maxsplit=1)[0]
    return for_people(re.sub(r"//[^/]*@", "//", address), LONGEST_REASON)
