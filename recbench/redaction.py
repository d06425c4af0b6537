"""Secrets stay out of what is written: an API key, a user name and password or a token in an address.

`hide` names a secret to this process; `without_secrets` takes all that were named out of a text, `redacted` also what
looks like one in an address. Messages, logs, manifests, configs and reports go through them.
"""

import base64
import json
import re
import threading
import urllib.parse

HIDDEN = "[hidden]"
SHORTEST = 4  # letters: what is shorter is no secret, and would be found in every other word
WHOLE_WORD = 8  # a shorter secret counts only where no letter or digit touches it
PLACEHOLDERS = ("empty", "none", "null", "dummy", "test")  # what people give to servers that ask for no key
_USER = re.compile(
    r"""(\b[a-z][a-z0-9+.-]{0,20}://)(?:[^\s/?#@'"]{0,300}|[^\s/?#@:'"]{1,100}:(?!\d+[/?#])[^\s@]{0,300})@""",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"""([?&;][\w.-]{0,40}(?:key|token|secret|passw|pwd|sig|auth|credential)[\w.-]{0,40}=)[^\s&#;'"\[]+""",
    re.IGNORECASE,
)
_lock = threading.Lock()
_forms: set[str] = set()
_known: re.Pattern[str] | None = None


def hide(secret: str) -> None:
    """Take `secret` out of everything that this process writes from now on, also as base64, in an address or in JSON.

    Placeholders such as EMPTY, and what is shorter than four letters, are no secrets.
    """
    global _known
    if len(secret) < SHORTEST or secret.lower() in PLACEHOLDERS:
        return
    forms = {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret), json.dumps(secret)[1:-1]}
    forms.add(base64.b64encode(secret.encode()).decode().rstrip("="))
    with _lock:
        _forms.update(form for form in forms if len(form) >= SHORTEST)
        _known = re.compile("|".join(map(_pattern, sorted(_forms, key=len, reverse=True))))


def hide_in_address(address: str) -> None:
    """Hide the user name's password in an address such as a proxy's."""
    found = re.match(r"(?:[a-z][a-z0-9+.-]*://)?([^/?#]*)@", address, re.IGNORECASE)
    if found:
        hide(found[1])
        password = found[1].partition(":")[2]
        hide(password)
        hide(urllib.parse.unquote(password))


def without_secrets(text: str) -> str:
    """The text with every secret that `hide` was given as `[hidden]`."""
    return text if _known is None else _known.sub(HIDDEN, text)


def redacted(text: str) -> str:
    """The text without known secrets, and without user names, passwords and tokens in addresses.

    >>> redacted("http://me:pass@host/v1?api_key=abc&x=1 and ftp://host")
    'http://[hidden]@host/v1?api_key=[hidden]&x=1 and ftp://host'
    """
    text = without_secrets(text)
    text = _USER.sub(rf"\1{HIDDEN}@", text) if "://" in text and "@" in text else text
    return _TOKEN.sub(rf"\1{HIDDEN}", text) if "=" in text else text


def has_secrets(text: str) -> bool:
    """Whether an address in the text has a user name, a password or a token."""
    return redacted(text) != text


def _pattern(secret: str) -> str:
    escaped = re.escape(secret)
    return escaped if len(secret) >= WHOLE_WORD else rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"
