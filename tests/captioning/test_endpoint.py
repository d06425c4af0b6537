"""The endpoint captioner against a real server that fails, stalls and hangs up."""

import base64
import io
import random
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recbench.captioning.endpoint import EndpointCaptioner, data_url
from recbench.captioning.images import open_image
from recbench.captioning.interface import Caption, CaptionerStoppedError, Item, NoCaption
from recbench.errors import UserError
from recbench.schema import CaptionerConfig


def config(server, **keys):
    given = {"kind": "endpoint", "url": server.url, "model": "m", "prompt": "{title}?", "timeout": 5.0}
    return CaptionerConfig(**{**given, "back_off": 0.005, "retries": 6, **keys})


def items(count):
    return [
        Item(row, f"i{row}", f"title {row}", "", {}, Image.new("RGB", (16, 16), (row, 0, 0))) for row in range(count)
    ]


def title(body):
    return body["messages"][0]["content"][-1]["text"].rstrip("?")


def test_what_is_sent(serve, monkeypatch):
    monkeypatch.setenv("TEST_KEY", "secret")
    server = serve(lambda number, body: (200, {}, "a red square"))
    captioner = EndpointCaptioner(config(server, key_variable="TEST_KEY", max_tokens=9), seed=0)
    assert captioner.name == "endpoint:m"
    assert captioner.caption(items(1)) == [Caption("a red square", 3, 7)]
    (body,) = server.requests
    picture, text = body["messages"][0]["content"]
    assert (body["model"], body["max_tokens"], body["temperature"], "seed" in body) == ("m", 9, 0, False)
    assert text == {"type": "text", "text": "title 0?"}
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert server.headers[0]["Authorization"] == "Bearer secret"


def test_a_data_url_is_the_picture():
    pixels = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    encoded = data_url(Image.fromarray(pixels)).partition(",")[2]
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))
    assert np.abs(decoded.astype(int) - pixels).mean() < 4


def test_what_a_picture_tells_beside_its_pixels_is_not_sent(tmp_path):
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "secret place", "secret person"
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 20)).save(path, exif=exif, comment=b"secret comment", xmp=b"<x>secret xmp</x>")
    assert path.read_bytes().count(b"secret") == 4
    sent = base64.b64decode(data_url(open_image(path)).partition(",")[2])
    assert b"secret" not in sent


def test_a_key_that_ends_on_the_way_keeps_what_was_answered(serve):
    server = serve(lambda number, body: (200, {}, "x") if number < 3 else (401, {}, "expired"))
    captioner = EndpointCaptioner(config(server, concurrency=1), seed=0)
    with pytest.raises(CaptionerStoppedError, match="HTTP 401 .* --resume latest") as stopped:
        captioner.caption(items(6))
    assert [isinstance(answer, Caption) for answer in stopped.value.answers] == [True] * 3 + [False] * 3
    assert all(answer.again for answer in stopped.value.answers[3:])


def test_sampling_sends_a_seed_of_the_item(serve):
    server = serve(lambda number, body: (200, {}, "x"))
    EndpointCaptioner(config(server, temperature=0.7), seed=1).caption(items(3))
    assert len({body["seed"] for body in server.requests}) == 3


def test_a_server_that_fails_and_stalls_loses_and_doubles_nothing(serve):
    # Of all requests 30% fail (with 429, 500, 503, by hanging up or with nonsense), 5% stall beyond the timeout.
    random_numbers = random.Random(0)
    seen = []

    def answer(number, body):
        draw = random_numbers.random()
        if draw < 0.05:
            time.sleep(0.6)
            return 200, {}, "too late"
        if draw < 0.35:
            return [(429, {"Retry-After": "0.01"}, ""), (500, {}, ""), (503, {}, "busy"), None][number % 4]
        seen.append(title(body))
        return 200, {}, f"caption of {title(body)}"

    server = serve(answer)
    asked = items(120)
    answers = EndpointCaptioner(config(server, timeout=0.3, retries=12), seed=0).caption(asked)
    assert [answer.text for answer in answers] == [f"caption of {item.title}" for item in asked]
    assert sorted(seen) == sorted(item.title for item in asked)  # no item is asked again once it has its caption
    assert len(server.requests) > 140


def test_no_more_requests_at_once_than_asked_for(serve):
    def answer(number, body):
        time.sleep(0.03)
        return 200, {}, "x"

    server = serve(answer)
    EndpointCaptioner(config(server, concurrency=3), seed=0).caption(items(12))
    assert server.most_busy == 3


def test_an_item_that_fails_for_good_is_named(serve):
    server = serve(lambda number, body: (500, {}, "poison") if title(body) == "title 2" else (200, {}, "x"))
    answers = EndpointCaptioner(config(server, retries=3), seed=0).caption(items(4))
    assert answers[2] == NoCaption("HTTP 500 Internal Server Error: poison", again=True)
    assert [isinstance(answer, Caption) for answer in answers] == [True, True, False, True]
    assert sum(title(body) == "title 2" for body in server.requests) == 4  # once, and three retries


def test_a_refused_item_is_not_asked_again(serve):
    server = serve(lambda number, body: (400, {}, "no such picture"))
    (answer,) = EndpointCaptioner(config(server), seed=0).caption(items(1))
    assert answer == NoCaption("HTTP 400 Bad Request: no such picture") and len(server.requests) == 1


def test_retry_after_is_honoured(serve):
    server = serve(lambda number, body: (429, {"Retry-After": "0.3"}, "") if number == 0 else (200, {}, "x"))
    started = time.monotonic()
    EndpointCaptioner(config(server), seed=0).caption(items(1))
    assert time.monotonic() - started >= 0.3


def test_nonsense_is_asked_again_and_silence_is_not(serve, monkeypatch):
    answers = iter(["", "x"])
    server = serve(lambda number, body: (200, {}, next(answers)))
    assert EndpointCaptioner(config(server), seed=0).caption(items(1)) == [NoCaption("an empty answer")]
    broken = iter([b"{", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": "good"}}]}'])
    monkeypatch.setattr("recbench.captioning.endpoint.post", lambda *_: next(broken))
    assert EndpointCaptioner(config(server), seed=0).caption(items(1)) == [Caption("good", 0, 0)]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_model_ends_the_run_at_once(status, serve):
    server = serve(lambda number, body: (status, {}, "no"))
    with pytest.raises(UserError, match=f"the server answers HTTP {status} "):
        EndpointCaptioner(config(server, concurrency=2), seed=0).caption(items(50))
    assert len(server.requests) <= 4


def test_no_server_at_all_ends_the_run(serve):
    server = serve(lambda number, body: (200, {}, "x"))
    captioner = EndpointCaptioner(config(server, retries=1), seed=0)
    server.close()
    with pytest.raises(UserError, match=r"none of 3 items was answered, the connection failed .* start the server"):
        captioner.caption(items(3))


def test_who_asks_for_it_goes_on_without_a_server(serve):
    server = serve(lambda number, body: (200, {}, "x"))
    captioner = EndpointCaptioner(config(server, retries=0, most_failures=0), seed=0)
    server.close()
    answers = captioner.caption(items(20))
    assert len(answers) == 20 and all(isinstance(answer, NoCaption) and answer.again for answer in answers)


def test_no_key(monkeypatch):
    monkeypatch.delenv("TEST_KEY", raising=False)
    with pytest.raises(UserError, match="TEST_KEY: the environment has no such variable"):
        EndpointCaptioner(CaptionerConfig(url="http://localhost/v1", model="m", key_variable="TEST_KEY"), seed=0)


def test_the_key_is_written_nowhere(serve, shop, workspace, monkeypatch):
    monkeypatch.setenv("TEST_KEY", "very-secret")
    server = serve(lambda number, body: (200, {}, "a square"))
    given = [f"captioner.url={server.url}", "captioner.model=m", "captioner.key_variable=TEST_KEY"]
    run = workspace.made("caption", *shop.overrides, "captioner=endpoint", *given)
    files = [path for path in Path(run.path).rglob("*") if path.is_file()]
    assert files and not any(b"very-secret" in path.read_bytes() for path in files)
