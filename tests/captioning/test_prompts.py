import pytest

from recbench.captioning.interface import Item
from recbench.captioning.prompts import LONGEST_VALUE, check_prompt, fill_prompt, prompt_hash
from recbench.errors import UserError

HAT = Item(0, "h", "Red  hat", "Made of\nwool", {"brand": "Acme", "colour": ""}, None)


def test_placeholders_become_values():
    assert fill_prompt("Sell {title} by {brand}: {text}.", HAT) == "Sell Red hat by Acme: Made of wool."
    assert fill_prompt("{{title}} is {colour}", HAT) == "{title} is "


def test_values_are_not_read_as_templates():
    item = Item(0, "x", "{text} {0} {{", "secret", {}, None)
    assert fill_prompt("{title}", item) == "{text} {0} {{"


def test_long_values_are_cut():
    item = Item(0, "x", "x" * 5000, "", {}, None)
    assert fill_prompt("{title}!", item) == "x" * LONGEST_VALUE + "!"


def test_forbidden_words_leave_values_but_not_the_template():
    item = Item(0, "x", "a <image> b</s>", "", {}, None)
    assert fill_prompt("<image> {title}", item, ["<image>", "</s>"]) == "<image> a b"


@pytest.mark.parametrize(
    "template, words",
    [
        ("{brnd}", "{brnd}, which is no column of the catalogue: expected some of title, text, brand, colour"),
        ("{caption}", "{caption}, which is no column"),
        ("{}", "{}, which is no column"),
        ("{title.upper}", "{title.upper}, which is no column"),
        ("{title[0]}", "{title[0]}, which is no column"),
        ("{title!r}", "{title!r}: write {title}"),
        ("{title:>99999999}", "{title:>99999999}: write {title}"),
        ("{title", "cannot be read"),
        ("title}", "cannot be read"),
    ],
)
def test_mistakes_are_told_in_one_line(template, words):
    with pytest.raises(UserError) as caught:
        check_prompt(template, ["colour", "brand"])
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("captioner.prompt")


def test_a_good_template_passes():
    check_prompt("{title} {text} {brand} {{literal}}", ["brand"])


def test_the_hash_tells_templates_apart():
    # printf 'a' | sha256sum
    assert prompt_hash("a") == "ca978112ca1b"
    assert prompt_hash("a ") != prompt_hash("a")
