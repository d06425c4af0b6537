"""A chat completion as servers really send it: the caption in it, or why there is none."""

import json
import re
from typing import Any

from recbench.captioning.http import LONGEST_REASON, Failure
from recbench.captioning.interface import Caption
from recbench.console.visible import for_people

LONGEST_CAPTION = 20_000  # letters; a server that sends more has not kept to max_tokens
MOST_TOKENS = 2**31 - 1  # what a column of 32 bits holds
# How models mark what they think before they answer; a chat template may have written the opening itself.
_OPENED = re.compile(r"<(?:think|thinking|reasoning)>|◁think▷|\[THINK\]|<\|channel\|>\s{0,9}analysis", re.IGNORECASE)
_CLOSED = re.compile(
    r"</(?:think|thinking|reasoning)>|◁/think▷|\[/THINK\]|<\|channel\|>\s{0,9}final[^<]{0,99}<\|message\|>",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"<\|[A-Za-z_]{1,30}\|>")  # <|im_end|>, <|begin_of_box|>: tokens that a server left in
UNFINISHED = "the answer ends within the model's thinking; raise captioner.max_tokens, or have the server turn it off"


def read_answer(body: bytes) -> Caption | Failure:
    """The text of the first choice and the tokens used; a body that is no such answer may be better next time.

    What a model thinks aloud is taken out, and is no caption alone. An answer that ended at max_tokens is kept, as a
    caption that is cut. Whatever the body is, nothing is raised.
    """
    try:
        answer = json.loads(body, strict=False)  # line breaks within texts, as models' servers leave them
    except (ValueError, RecursionError):
        return Failure("an answer that is no JSON", status=200, again=True)
    if not isinstance(answer, dict):
        return Failure("an answer without a caption", status=200, again=True)
    choice = _first(answer.get("choices"))
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return Failure(_error(answer) or "an answer without a caption", status=200, again=True)
    ended = choice.get("finish_reason")
    text = _text(message.get("content"))
    if text is None or not text.strip():
        return _empty(message, ended)
    caption = _without_thinking(text)
    if caption is None:
        return Failure(UNFINISHED, status=200, again=False)
    if not caption.strip():
        return Failure("an empty answer", status=200, again=False)
    if len(caption) > LONGEST_CAPTION:
        return Failure(f"an answer of {len(caption):,} letters, no caption", status=200, again=False)
    usage = answer.get("usage")
    tokens, prompt_tokens = (_count(usage, name) for name in ("completion_tokens", "prompt_tokens"))
    return Caption(caption, tokens, prompt_tokens, cut=ended == "length")


def _first(choices: Any) -> Any:
    return choices[0] if isinstance(choices, list) and choices else None


def _text(content: Any) -> str | None:
    """Content that is a text, or a list of parts of which some are texts."""
    if isinstance(content, list):
        parts = [part if isinstance(part, str) else _part(part) for part in content]
        return "".join(parts)
    return content if isinstance(content, str) else None


def _part(part: Any) -> str:
    """The text of a part of the type text; nothing of pictures, thinking and what else there is."""
    if not isinstance(part, dict) or part.get("type", "text") not in ("text", "output_text"):
        return ""
    return part["text"] if isinstance(part.get("text"), str) else ""


def _empty(message: dict[str, Any], ended: Any) -> Failure:
    """Why a message has no text."""
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        return Failure(f"the model refuses: {for_people(refusal, LONGEST_REASON)}", status=200, again=False)
    if ended == "content_filter":
        return Failure("the server's filter took the answer out", status=200, again=False)
    if message.get("tool_calls") or message.get("function_call"):
        return Failure("the model called a tool instead of answering", status=200, again=False)
    thought = message.get("reasoning_content") or message.get("reasoning")
    if ended == "length" and thought:
        return Failure(UNFINISHED, status=200, again=False)
    return Failure("an empty answer", status=200, again=False)


def _without_thinking(text: str) -> str | None:
    """What stands behind the last thought, or before the first where that is nothing; None where one has no end."""
    closed = [found.end() for found in _CLOSED.finditer(text)]
    after = text[closed[-1] :] if closed else text
    if _OPENED.search(after):
        return None
    opened = _OPENED.search(text)
    if closed and opened and not after.strip():
        after = text[: opened.start()]
    return _CONTROL.sub("", after)


def _error(answer: dict[str, Any]) -> str | None:
    """The error that a server tells with status 200, as gateways do."""
    error = answer.get("error")
    said = error.get("message") if isinstance(error, dict) else error
    return f"the server answers with an error: {for_people(said, LONGEST_REASON)}" if isinstance(said, str) else None


def _count(usage: Any, name: str) -> int:
    """A number of tokens; 0 where what stands there cannot be one."""
    value = usage.get(name) if isinstance(usage, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return 0
    return int(value)
