"""Chat completions as servers really send them."""

import json
import time

import pytest

from recbench.captioning.answers import UNFINISHED, read_answer
from recbench.captioning.http import Failure
from recbench.captioning.interface import Caption


def completion(message, finish_reason="stop", usage=None):
    return json.dumps({"choices": [{"message": message, "finish_reason": finish_reason}], "usage": usage}).encode()


@pytest.mark.parametrize(
    "content, caption",
    [
        ("<think>It is red.\n\nSo</think>\n\na red square", "a red square"),
        ("It is red. So\n</think>\n\na red square", "a red square"),  # the template wrote the opening
        ("<think>\n\n</think>\n\na red square", "a red square"),
        ("◁think▷red?◁/think▷a red square", "a red square"),
        ("<thinking>a</thinking>a red square<|im_end|>", "a red square"),
        (
            "<|channel|>analysis<|message|>red?<|end|><|start|>assistant<|channel|>final<|message|>a red square",
            "a red square",
        ),
        ("<|begin_of_box|>a red square<|end_of_box|>", "a red square"),
        ([{"type": "text", "text": "a red "}, {"type": "text", "text": "square"}], "a red square"),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "no"}]},
                {"type": "text", "text": "a red square"},
            ],
            "a red square",
        ),
        ("a < b and c > d", "a < b and c > d"),
        ("a red square<think>was it?</think>", "a red square"),
        ("<think>a</think>no<think>b</think>a red square", "a red square"),
        ("a red\nsquare", "a red\nsquare"),
    ],
)
def test_the_caption_in_an_answer(content, caption):
    answer = read_answer(completion({"content": content}).replace(b"\\n", b"\n"))
    assert isinstance(answer, Caption) and answer.text.strip() == caption


@pytest.mark.parametrize(
    "body, reason, again",
    [
        (completion({"content": "<think>It is"}, "length"), UNFINISHED, False),
        (completion({"content": "<think>a</think><think>It is"}), UNFINISHED, False),
        (completion({"content": None, "reasoning_content": "It is"}, "length"), UNFINISHED, False),
        (completion({"content": "<think>It is red</think>"}), "an empty answer", False),
        (completion({"content": None}), "an empty answer", False),
        (completion({"content": []}), "an empty answer", False),
        (completion({"content": None, "refusal": "I can\u001b[1mnot"}), "the model refuses: I can\\x1b[1mnot", False),
        (completion({"content": None}, "content_filter"), "the server's filter took the answer out", False),
        (
            completion({"content": None, "tool_calls": [{}]}, "tool_calls"),
            "the model called a tool instead of answering",
            False,
        ),
        (completion({"content": "x" * 20_001}), "an answer of 20,001 letters, no caption", False),
        (b'{"error": {"message": "overloaded", "code": 502}}', "the server answers with an error: overloaded", True),
        (b'{"choices": []}', "an answer without a caption", True),
        (b'{"choices": [null]}', "an answer without a caption", True),
        (b'{"choices": {"0": 1}}', "an answer without a caption", True),
        (b"[]", "an answer without a caption", True),
        (b"<html>", "an answer that is no JSON", True),
        (b"\xff\xfe\xfd", "an answer that is no JSON", True),
        (b"[" * 200_000, "an answer that is no JSON", True),
        (b'{"choices": ' + b"[" * 5000 + b"]" * 5000 + b"}", "an answer", True),
    ],
)
def test_no_caption_and_why(body, reason, again):
    answer = read_answer(body)
    assert isinstance(answer, Failure) and answer.reason.startswith(reason) and answer.again is again


@pytest.mark.parametrize("tokens", ["1e999", "NaN", "-3", '"7"', "true", "null", "9" * 400, "[]", "2147483648"])
def test_numbers_of_tokens_that_cannot_be_are_unknown(tokens):
    body = b'{"choices": [{"message": {"content": "x"}}], "usage": {"completion_tokens": %s}}' % tokens.encode()
    assert read_answer(body) == Caption("x", 0, 0)


def test_an_answer_cut_at_max_tokens_is_kept_and_marked():
    answer = read_answer(completion({"content": "a red"}, "length", {"completion_tokens": 2, "prompt_tokens": 3.0}))
    assert answer == Caption("a red", 2, 3, cut=True)


@pytest.mark.parametrize("piece", ["<think>", "</think>", "<|channel|>", "<|channel|>final", "word ", "<|a", "◁think▷"])
def test_a_megabyte_of_anything_takes_no_time(piece):
    started = time.monotonic()
    assert isinstance(read_answer(completion({"content": piece * (1_000_000 // len(piece))})), Failure)
    assert time.monotonic() - started < 1
