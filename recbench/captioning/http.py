"""One HTTP request that never raises, and how long to wait before the next try."""

import http.client
import random
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 300.0  # seconds, whatever a server asks for
AGAIN = (408, 409, 425, 429)  # and every 5xx: the same request may succeed later
LARGEST_ANSWER = 1 << 24  # bytes
_jitter = random.Random()  # when to ask again is no result


@dataclass(frozen=True)
class Failure:
    """A request without a usable answer."""

    reason: str  # on one line
    status: int | None  # of HTTP; None: no answer came
    again: bool  # whether another try may succeed
    wait: float = 0.0  # seconds that the server asks to wait


def post(url: str, body: bytes, headers: dict[str, str], timeout: float) -> bytes | Failure:
    """Send `body` and return the answer's, within `timeout` seconds for all of it, give or take one packet's."""
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    deadline = time.monotonic() + timeout
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return _read(response, deadline)
    except urllib.error.HTTPError as problem:
        with problem:
            return _failure(problem)
    except TimeoutError:
        return Failure(f"no answer within {timeout:g} seconds", None, True)
    except (OSError, http.client.HTTPException) as problem:  # URLError is an OSError
        reason = getattr(problem, "reason", problem)
        if isinstance(reason, TimeoutError):
            return Failure(f"no answer within {timeout:g} seconds", None, True)
        text = " ".join(str(reason).split()) or type(reason).__name__
        return Failure(f"the connection failed ({text})", None, True)


def back_off(first: float, attempt: int, asked: float) -> float:
    """Seconds before the try after `attempt` (counted from 0): doubling from `first`, times 0.5 to 1.5 at random.

    Never less than the server asked for, never more than five minutes. Without the chance, all that failed together
    would come again together.
    """
    return min(LONGEST_WAIT, max(asked, first * 2 ** min(attempt, 30) * _jitter.uniform(0.5, 1.5)))


def retry_after(value: str | None) -> float:
    """Seconds that a Retry-After header asks for, given as a number or as a date; 0 where it says nothing."""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(LONGEST_WAIT, max(0.0, seconds)) if seconds == seconds else 0.0


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := response.read1(1 << 16):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise http.client.HTTPException("the answer is too large")
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length:  # it said how long it would be
        raise http.client.IncompleteRead(b"".join(parts), response.length)
    return b"".join(parts)


def _failure(problem: urllib.error.HTTPError) -> Failure:
    try:
        said = " ".join(problem.read(2000).decode("utf-8", "replace").split())[:200]
    except (OSError, http.client.HTTPException):
        said = ""
    reason = f"HTTP {problem.code} {problem.reason}" + (f": {said}" if said else "")
    again = problem.code in AGAIN or problem.code >= 500
    return Failure(reason, problem.code, again, retry_after(problem.headers.get("Retry-After")))
