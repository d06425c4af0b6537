import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from recbench.captioning import http
from recbench.captioning.http import LONGEST_WAIT, Failure, back_off, post, retry_after


def test_back_off_doubles_with_jitter():
    for attempt in range(6):
        waits = [back_off(0.5, attempt, 0.0) for _ in range(200)]
        assert all(0.25 * 2**attempt <= wait <= 0.75 * 2**attempt for wait in waits)
        assert len(set(waits)) > 100
    assert back_off(0.5, 2000, 0.0) == LONGEST_WAIT
    assert back_off(0.5, 0, 7.0) == 7.0  # never before the server asked


@pytest.mark.parametrize(
    "value, seconds", [(None, 0), ("", 0), ("3", 3), ("1.5", 1.5), ("-1", 0), ("soon", 0), ("nan", 0), ("1e9", 1e9)]
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after(value) == seconds


def test_retry_after_as_a_date():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < retry_after(later) <= 30
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    for broken in ("Wed, 99 Oct 2015", "Wed, 21 Oct 99999999 07:28:00 GMT", ";", "-inf"):
        assert retry_after(broken) == 0


def test_who_asks_for_more_than_five_minutes_is_not_waited_for(serve):
    server = serve(lambda number, body: (429, {"Retry-After": "999999"}, "busy"))
    answer = post(server.url, b"{}", {}, 5)
    assert isinstance(answer, Failure) and not answer.again
    assert (
        answer.reason == "HTTP 429 Too Many Requests, and asks to wait 999,999 seconds, more than the 300 waited: busy"
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "place", ["http://me:pw@127.0.0.1:{port}/there?key=abc#x", "/v1/", "file:///etc/passwd", "//["]
)
def test_no_redirect_is_followed(status, place, serve):
    other = serve(lambda number, body: (200, {}, "stolen"))
    place = place.format(port=other.url.rpartition(":")[2].partition("/")[0])
    server = serve(lambda number, body: (status, {"Location": place}, ""))
    answer = post(server.url, b"{}", {"Authorization": "Bearer k"}, 5)
    assert isinstance(answer, Failure) and (answer.status, answer.again) == (status, False)
    assert len(server.requests) == 1 and other.requests == []
    shown = place.replace("me:pw@", "").partition("?")[0]
    assert f": it sends the request on to {shown}; no redirect is followed" in answer.reason
    assert "pw" not in answer.reason and "abc" not in answer.reason


def test_a_closed_port_is_worth_another_try():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answer = post(f"http://127.0.0.1:{closed.getsockname()[1]}/v1", b"{}", {}, 5)
    assert isinstance(answer, Failure) and answer.status is None and answer.again
    assert answer.reason.startswith("the connection failed (")


@pytest.mark.parametrize(
    "status, again", [(400, False), (401, False), (404, False), (408, True), (429, True), (500, True), (503, True)]
)
def test_which_errors_are_worth_another_try(status, again, serve):
    server = serve(lambda number, body: (status, {"Retry-After": "9"}, "because\nof this"))
    answer = post(server.url, b"{}", {}, 5)
    assert isinstance(answer, Failure)
    assert (answer.status, answer.again, answer.wait) == (status, again, 9)
    assert answer.reason.startswith(f"HTTP {status} ") and answer.reason.endswith(": because of this")


def raw_server(reply):
    """A server that reads a request and lets `reply(connection)` do the rest; returns its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_one():
        connection, _ = listener.accept()
        with connection, listener:
            received = b""
            while not received.endswith(b"{}"):  # what is left unread turns the end into a reset
                received += connection.recv(65536)
            reply(connection)

    threading.Thread(target=serve_one, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_an_answer_that_trickles_ends_at_the_timeout():
    def trickle(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(60):
            try:
                connection.sendall(b" ")
            except OSError:
                return
            time.sleep(0.05)

    started = time.monotonic()
    answer = post(raw_server(trickle), b"{}", {}, 0.4)
    assert answer == Failure("no answer within 0.4 seconds", None, True)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("sent", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"])
def test_half_an_answer_is_worth_another_try(sent):
    answer = post(raw_server(lambda connection: connection.sendall(sent)), b"{}", {}, 5)
    assert isinstance(answer, Failure) and answer.status is None and answer.again, answer


def test_an_answer_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(http, "LARGEST_ANSWER", 1000)
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    answer = post(raw_server(lambda connection: connection.sendall(head + b"x" * 5000)), b"{}", {}, 5)
    assert isinstance(answer, Failure) and "too large" in answer.reason


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "first, drip",
    [
        (b"", b"H"),  # a status line without end
        (HEAD, b"X-A: b\r\n"),  # headers without end
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n"),  # trailers without end
        (b"HTTP/1.1 500 No\r\n\r\n", b" "),
    ],
)
def test_whatever_trickles_ends_at_the_timeout(first, drip):
    def trickle(connection):
        connection.sendall(first)
        for _ in range(60):
            try:
                connection.sendall(drip)
            except OSError:
                return
            time.sleep(0.05)

    started = time.monotonic()
    answer = post(raw_server(trickle), b"{}", {}, 0.4)
    assert isinstance(answer, Failure) and answer.again
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: -5\r\n\r\n{",
        HEAD + b"Content-Length: 10\r\nContent-Length: 3\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        HEAD + b"X: y\r\n" * 200 + b"\r\n{}",
        HEAD + b"X: " + b"y" * 100_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 999 \xff\xfe\x1b[31m\r\n\r\n",
        b"\x00" * 1000,
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
def test_no_protocol_error_is_raised(sent):
    answer = post(raw_server(lambda connection: connection.sendall(sent)), b"{}", {}, 5)
    assert isinstance(answer, bytes | Failure)
    assert isinstance(answer, bytes) or ("\x1b" not in answer.reason and len(answer.reason) < 500)


def test_an_error_is_told_by_its_message(serve):
    said = {"error": {"message": "no such model\n" + "x" * 5000, "code": 3}}
    server = serve(lambda number, body: (400, {}, json.dumps(said)))
    answer = post(server.url, b"{}", {}, 5)
    assert isinstance(answer, Failure) and answer.reason.startswith("HTTP 400 Bad Request: no such model x")
    assert len(answer.reason) < 300
