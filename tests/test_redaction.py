import base64

import pytest

from recbench.redaction import hide, hide_in_address, redacted, without_secrets


def test_a_secret_is_found_in_every_form():
    key = 'sk-a/b+c"d e'
    hide(key)
    coded = base64.b64encode(key.encode()).decode()
    for form in (key, "sk-a%2Fb%2Bc%22d%20e", "sk-a%2Fb%2Bc%22d+e", 'sk-a/b+c\\"d e', coded):
        assert without_secrets(f"<{form}>").rstrip("=>") == "<[hidden]"


def test_short_secrets_are_whole_words_and_placeholders_are_none():
    hide("cat")
    hide("EMPTY")
    hide("secret")
    assert without_secrets("a cat in an EMPTY box, secretly: secret!") == "a cat in an EMPTY box, secretly: [hidden]!"


@pytest.mark.parametrize(
    "text, shown",
    [
        ("http://me:pw@host:80/v1", "http://[hidden]@host:80/v1"),
        ("url='https://me:p/w#1@host/v1'", "url='https://[hidden]@host/v1'"),
        ("http://token@host", "http://[hidden]@host"),
        (
            "http://host/v1?api-key=a.b&x=1&X-Amz-Signature=ab",
            "http://host/v1?api-key=[hidden]&x=1&X-Amz-Signature=[hidden]",
        ),
        ("http://localhost:8000/v1/@x mail me@host", "http://localhost:8000/v1/@x mail me@host"),
    ],
)
def test_addresses(text, shown):
    assert redacted(text) == shown and redacted(shown) == shown


def test_the_password_of_a_proxy():
    hide_in_address("http://me:hunter%402@proxy:3128")
    assert without_secrets("hunter%402 hunter@2 proxy") == "[hidden] [hidden] proxy"


def test_long_texts_take_no_time():
    for text in ("a." * 200_000, "a://" * 100_000, "a://b:c" * 60_000, "?a" * 200_000, "?" + "a" * 400_000):
        assert redacted(text) == text
