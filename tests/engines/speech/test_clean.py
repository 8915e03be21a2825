"""What is spoken of a text."""

from __future__ import annotations

import time
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.speech.clean import spoken_text
from openedai.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good morning 😀👍🏽!", "Good morning !"),
        ("👩‍👩‍👧 family ❤️", "family"),
        ("See https://www.example.com/docs/get-started?x=1#top.", None),
        ("Write to ann.lee@mail.example.org now", None),
        ("Read example.com today", "Read example dot com today"),
        ("# Title\n\n- one\n* two\n> three", "Title\n\none\ntwo\nthree"),
        ("**Bold**, *light*, `code` and ~~old~~ text", "Bold, light, code and old text"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ("[the page](https://example.com/a_b) ![pic](x.png)", "the page pic"),
        ("say [it](/h'aI/) so", "say it so"),
        ("<p>Hello <b>there</b></p> 1 < 2", "Hello there 1 < 2"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b\n\n1, 2"),
        ("x\x00y\u200bz\ufeff", "x yz"),
        ("no!!!!!!!! way......", "no! way."),
        ("1½ cups, 5 km², ﬁne", "1 1/2 cups, 5 km squared, fine"),
        ("٣٤٥", "345"),
        ("café Łódź", "café Łódź"),
        ("Nguyễn", "Nguyen"),
        ("It costs 12345678901234567890", "It costs 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0"),
        ("iPhone 手机 case", "iPhone case"),
        ("π is 3.14", "is 3.14"),
    ],
)
def test_texts_as_they_are_read(text: str, expected: str | None) -> None:
    spoken = spoken_text(text, latin_only=True)
    if expected is not None:
        assert spoken == expected


def test_addresses_are_words() -> None:
    spoken = spoken_text(
        "See https://www.example.com/docs/get-started?x=1#top. Write to ann.lee@example.org!",
        latin_only=True,
    )
    assert spoken == (
        "See example dot com slash docs slash get started. Write to ann dot lee at example dot org!"
    )


@pytest.mark.parametrize("text", ["😀", "...", "---", "你好，世界", "Привет, мир", "```\n```", "$"])
def test_texts_that_cannot_be_spoken_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as failed:
        spoken_text(text, latin_only=True)
    assert (failed.value.code, failed.value.param) == ("invalid_value", "input")


def test_other_scripts_remain_for_voices_that_read_them() -> None:
    assert spoken_text("Привет 😀 **мир**", latin_only=False) == "Привет мир"


@given(st.text(max_size=300))
def test_any_text_is_cleaned_or_refused(text: str) -> None:
    try:
        spoken = spoken_text(text, latin_only=True)
    except InvalidRequest:
        return
    assert not any(
        unicodedata.category(char) in ("So", "Cs", "Cf") for char in spoken if char not in "°©®"
    )


@pytest.mark.parametrize(
    "unit",
    ["** ", "a.", "[", "[a](", "<a", "`", "_a ", "www.", "a@", "|", "1,", "a-", "```\n", " ", "\n"],
)
def test_no_text_takes_long(unit: str) -> None:
    started = time.process_time()
    with suppress(InvalidRequest):
        spoken_text(unit * (32_768 // len(unit)), latin_only=True)
    assert time.process_time() - started < 2
