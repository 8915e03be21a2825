"""The parts of a text that are scored, and disguised texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.moderation.windows import WINDOW_CHARACTERS, undisguised, windows

SENTENCE = "The quick brown fox jumps over the lazy dog."


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("I will k1ll you", "I will kill you"),
        ("y0u are 5tup1d!", "you are stupid!"),
        ("$tupid", "stupid"),
        ("he11", "hell"),
        ("k i l l them", "kill them"),
        ("h-a-t-e", "hate"),
        ("stuuuuupid", "stuupid"),
        ("h\u200bate", "hate"),
        ("ｈａｔｅ", "hate"),
    ],
)
def test_disguises_are_taken_off(text: str, plain: str) -> None:
    assert undisguised(text) == plain


@pytest.mark.parametrize(
    "text",
    ["In 1945 the war ended.", "10km", "a b test", "It costs $5 or 3€!", "wait... ok", SENTENCE],
)
def test_plain_texts_stay(text: str) -> None:
    assert undisguised(text) == text
    assert windows(text) == [text]


def test_long_texts_are_divided_between_sentences() -> None:
    text = " ".join(f"{number} of them. {SENTENCE}" for number in range(40))
    parts = windows(text)
    assert len(parts) > 1
    assert all(part.endswith(".") and len(part) <= WINDOW_CHARACTERS for part in parts)
    assert " ".join(parts) == text


def test_fewer_sentences_are_put_together_where_that_is_asked_for() -> None:
    long = "word " * 50 + "end."
    text = f"{SENTENCE} {SENTENCE} {long} {SENTENCE}"
    assert windows(text, joined=100) == [f"{SENTENCE} {SENTENCE}", long, SENTENCE]


def test_a_disguised_window_is_scored_as_it_is_too() -> None:
    assert windows("k1ll him") == ["k1ll him", "kill him"]


@pytest.mark.parametrize("text", ["a" * 5000, "猫" * 5000, "a b " * 900, "\n" * 4000 + "x"])
def test_windows_are_short_whatever_the_text_is(text: str) -> None:
    assert max(map(len, windows(text))) <= WINDOW_CHARACTERS


def test_texts_of_nothing_have_a_window() -> None:
    assert windows("") == [""]
    assert windows(" \n ") == [" \n "]


@given(st.text(max_size=2000))
def test_nothing_of_a_text_is_lost(text: str) -> None:
    found = "".join("".join(windows(text)).split())
    seen = set(found)
    assert {letter for letter in "".join(text.split()) if letter.isalnum()} <= seen
