"""`recbench caption` with servers that redirect, echo the key, or are dead: nothing leaks, nothing paid for is lost."""

import base64
import json

import pytest

from recbench.captioning.table import read_rows
from recbench.runs import find_runs

pytestmark = pytest.mark.slow

KEY = "sk-Ab12/Cd34+Ef56"
FORMS = [KEY, KEY.replace("/", "%2F").replace("+", "%2B"), base64.b64encode(KEY.encode()).decode().rstrip("=")]


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("SERVER_KEY", KEY)
    return "captioner.key_variable=SERVER_KEY"


def endpoint(server, *more):
    quick = ["captioner.back_off=0.001", "captioner.retries=1", "captioner.timeout=5"]
    return ["captioner=endpoint", f"captioner.url={server.url}", "captioner.model=m", *quick, *more]


def leaks(root, result, secrets):
    """Files and streams that have a secret."""
    texts = {"out": result.out.encode(), "err": result.err.encode()}
    texts |= {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return [f"{secret} in {name}" for name, text in texts.items() for secret in secrets if secret.encode() in text]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_takes_the_key_nowhere(status, shop, serve, key, fresh_workspace, refuse):
    thief = serve(lambda number, body: (200, {}, "the thief's caption"))
    server = serve(lambda number, body: (status, {"Location": f"{thief.url}/chat?key={KEY}"}, ""))
    result = fresh_workspace.stage("caption", *shop.overrides, *endpoint(server, key))
    refuse(result, f"it sends the request on to {thief.url}/chat; no redirect is followed")
    assert thief.requests == [] and leaks(fresh_workspace.root, result, FORMS) == []


def test_a_key_that_the_server_echoes_is_in_no_file(shop, serve, key, fresh_workspace):
    def answer(number, body):
        said = FORMS[number % len(FORMS)]
        if number % 4 == 3:
            return 400, {}, json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).replace("/", "\\/")
        return (400, {}, f"<p>bad key {said}</p>") if number % 2 else (200, {}, f"a square, Bearer {said} :-)")

    server = serve(answer)
    result = fresh_workspace.stage("caption", *shop.overrides, *endpoint(server, key, "captioner.most_failures=0"))
    assert result.code == 0, result.err
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert leaks(fresh_workspace.root, result, FORMS) == []
    (run,) = find_runs(fresh_workspace.root, "caption")
    assert any("[hidden]" in (row.caption or "") for row in read_rows(run.path / "captions.parquet"))
    assert "[hidden]" in (run.path / "skipped.json").read_text()


ADDRESSES = [
    "http://me:hunter2@127.0.0.1:9/v1",
    "http://tok3n77@127.0.0.1:9/v1",
    "http://127.0.0.1:9/v1?api_key=hunter2",
]


MORE = [["--json"], ["--cfg"], ["-m", "seed=1,2"], ["--debug"], ["--estimate"]]


@pytest.mark.parametrize(
    "address, more", [(ADDRESSES[0], more) for more in MORE] + [(other, []) for other in ADDRESSES[1:]]
)
def test_an_address_with_a_password_is_refused_and_not_shown(address, more, shop, fresh_workspace):
    asked = ["captioner=endpoint", f"captioner.url='{address}'", "captioner.model=m", *more]
    result = fresh_workspace.stage("caption", *shop.overrides, *asked)
    assert leaks(fresh_workspace.root, result, ["hunter2", "tok3n77"]) == []
    assert not fresh_workspace.root.exists()
    if "--cfg" in more:
        assert result.code == 0 and "[hidden]" in result.out
    else:
        assert result.code == 2 and "no user name, password or token may stand in an address" in result.err


@pytest.mark.parametrize("given", ["sk-abc.def-0123", "0a1b2c3d4e5f0a1b2c3d4e5f"])
def test_a_key_given_for_the_name_of_its_variable_is_not_shown(given, shop, serve, fresh_workspace):
    server = serve(lambda number, body: (200, {}, "x"))
    result = fresh_workspace.stage("caption", *shop.overrides, *endpoint(server, f"captioner.key_variable={given}"))
    assert result.code == 2 and "it may be the key itself" in result.err
    assert leaks(fresh_workspace.root, result, [given]) == []


def test_the_password_of_a_proxy_is_not_shown(shop, serve, fresh_workspace, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:hunter22@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    server = serve(lambda number, body: (200, {}, "x"))
    result = fresh_workspace.stage("caption", *shop.overrides, *endpoint(server))
    assert result.code == 2 and server.requests == []
    assert leaks(fresh_workspace.root, result, ["hunter22", "bWU6aHVudGVyMjI"]) == []


DEAD = {
    "500": (500, {}, "no"),
    "429": (429, {"Retry-After": "0"}, "busy"),
    "429 for ever": (429, {"Retry-After": "999999"}, "busy"),
    "html": (200, {}, b"<html><h1>502 Bad Gateway</h1></html>"),
    "nested": (200, {}, b"[" * 100_000),
    "400": (400, {}, "images are not supported"),
}


@pytest.mark.parametrize("kind", DEAD)
def test_a_dead_server_stops_the_run_and_resuming_asks_again(kind, shop, serve, fresh_workspace):
    alive = False
    server = serve(lambda number, body: (200, {}, "a square") if alive else DEAD[kind])
    given = endpoint(server, "captioner.most_failures=5", "captioner.concurrency=2")
    result = fresh_workspace.stage("caption", *shop.overrides, *given)
    assert result.code == 2 and "Traceback" not in result.err
    (line,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert "5 items in a row failed (captioner.most_failures), the last with: " in line and "--resume latest" in line
    (run,) = find_runs(fresh_workspace.root, "caption")
    assert run.status == "failed"
    alive = True
    asked = len(server.requests)
    other = serve(lambda number, body: (200, {}, "a square"))  # at another address by now
    given = ["captioner.url=" + (other if kind == "html" else server).url]
    result = fresh_workspace.stage("caption", "--resume", "latest", "--json", *given)
    assert result.code == 0, result.err
    assert json.loads(result.out)["metrics"]["origins"] == {"model": 14, "fallback": 0, "skipped": 6}
    assert len(server.requests) - asked + len(other.requests) == 14


def test_a_server_that_dies_on_the_way_loses_nothing(shop, serve, fresh_workspace):
    # Six answers, then nothing but errors: what was answered is not asked again, within a shard and in whole ones.
    alive = True

    def answer(number, body):
        title = body["messages"][0]["content"][-1]["text"]
        if title.startswith("Square 1 "):
            return (503, {}, "") if not alive or number < 6 else (200, {}, title)
        return (200, {}, title) if number < 6 or len(server.requests) > 30 else (503, {}, "")

    server = serve(answer)
    given = ["captioner.most_failures=4", "captioner.concurrency=1", "captioner.batch_size=3", "captioner.shard_size=4"]
    prompt = "captioner.prompt='{title} ?'"
    result = fresh_workspace.stage("caption", *shop.overrides, *endpoint(server, *given, prompt, "captioner.retries=0"))
    assert result.code == 2, result
    answered = [body["messages"][0]["content"][-1]["text"] for body in server.requests[:6]]
    assert "Square 1 ?" in answered
    while len(server.requests) <= 30:
        server.requests.append({})
    before = len(server.requests)
    result = fresh_workspace.stage("caption", "--resume", "latest", "--json")
    assert result.code == 0, result.err
    asked_again = [body["messages"][0]["content"][-1]["text"] for body in server.requests[before:]]
    assert sorted(set(answered) & set(asked_again)) == ["Square 1 ?"]  # the one that had failed
    assert len(asked_again) == 14 - 5
    (run,) = find_runs(fresh_workspace.root, "caption")
    captions = {row.item: row.caption for row in read_rows(run.path / "captions.parquet") if row.caption}
    assert captions == {item: f"Square {int(item[1:])} ?" for item in captions} and len(captions) == 14


@pytest.mark.parametrize("status", [400, 503])
def test_a_small_catalogue_of_failures_is_not_done(status, shop, serve, fresh_workspace):
    alive = False
    server = serve(lambda number, body: (200, {}, "a square") if alive else (status, {}, ""))
    result = fresh_workspace.stage("caption", *shop.overrides, *endpoint(server))
    assert result.code == 2 and f"captioned none of 20 items, the last failed with: HTTP {status}" in result.err
    (run,) = find_runs(fresh_workspace.root, "caption")
    assert run.status == "failed"
    alive = True
    result = fresh_workspace.stage("caption", "--resume", "latest", "--json")
    assert json.loads(result.out)["metrics"]["origins"] == {"model": 14, "fallback": 0, "skipped": 6}


def test_reasons_without_end_are_summed(shop, serve, fresh_workspace, monkeypatch):
    monkeypatch.setattr("recbench.stages.caption.MOST_REASONS", 4)
    server = serve(lambda number, body: (400, {}, f"request {number}") if number else (200, {}, "a square"))
    run = fresh_workspace.made("caption", *shop.overrides, *endpoint(server, "captioner.most_failures=0"))
    assert len(run.metrics["reasons"]) == 5 and sum(run.metrics["reasons"].values()) == 19


def test_captions_that_were_cut_are_counted(shop, serve, fresh_workspace):
    body = {"choices": [{"message": {"content": "<think>hm</think> a red"}, "finish_reason": "length"}]}
    server = serve(lambda number, _: (200, {}, json.dumps(body).encode()))
    run = fresh_workspace.made("caption", *shop.overrides, *endpoint(server))
    assert run.metrics["cut_off"] == 14
    assert "14 of 20 captions end in mid-sentence at captioner.max_tokens=64" in " ".join(run.manifest["notes"])
    rows = read_rows(run.path / "captions.parquet")
    assert {row.caption for row in rows if row.cut} == {"a red"} and sum(row.cut for row in rows) == 14
