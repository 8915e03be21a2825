"""Stop strings: found wherever the text is cut, and nothing else is lost or delayed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.prompts.reading.stops import StopText
from tests.prompts.reading.cuts import PLACES, cut, every_cut

TEXTS = st.text("ab\n", max_size=60)
STOPS = st.lists(st.text("ab\n", min_size=1, max_size=5), max_size=4)


def read(stops: list[str], pieces: list[str]) -> tuple[str, str | None]:
    reader = StopText(stops)
    said = "".join(reader.feed(piece) for piece in pieces)
    return said + reader.flush(), reader.found


def expected(stops: list[str], text: str) -> tuple[str, str | None]:
    """By trying every beginning of the text: the first that ends with a stop string."""
    for end in range(1, len(text) + 1):
        whole = [stop for stop in stops if text[:end].endswith(stop)]
        if whole:
            longest = max(whole, key=len)
            return text[: end - len(longest)], longest
    return text, None


@given(STOPS, TEXTS, PLACES)
def test_the_text_ends_in_front_of_the_first_stop(
    stops: list[str], text: str, places: list[int]
) -> None:
    assert read(stops, cut(text, places)) == expected(stops, text)


@given(STOPS, TEXTS)
def test_only_what_may_begin_a_stop_is_held_back(stops: list[str], text: str) -> None:
    reader, said = StopText(stops), ""
    for index, character in enumerate(text):
        said += reader.feed(character)
        if reader.found is not None:
            break
        held = text[len(said) : index + 1]
        assert not held or any(stop.startswith(held) for stop in stops)


@pytest.mark.parametrize(
    ("stops", "text", "said", "found"),
    [
        (["\n\n"], "one\ntwo\n\nthree", "one\ntwo", "\n\n"),
        (["###", "User:"], "Hi. User: and ###", "Hi. ", "User:"),
        (["aab"], "aaab", "a", "aab"),
        (["abab", "bc"], "ababc", "", "abab"),
        (["END"], "never EN", "never EN", None),
        (["é🙂"], "caffé🙂 late", "caff", "é🙂"),
        ([], "as it is", "as it is", None),
    ],
)
def test_examples(stops: list[str], text: str, said: str, found: str | None) -> None:
    for pieces in every_cut(text):
        assert read(stops, pieces) == (said, found)


def test_after_a_stop_nothing_is_said() -> None:
    reader = StopText(["."])
    assert reader.feed("One. Two.") == "One"
    assert reader.feed(" Three.") == ""
    assert reader.flush() == ""
    assert reader.found == "."


def test_ordinary_text_is_said_at_once() -> None:
    reader = StopText(["\nUser:"])
    assert reader.feed("Hello") == "Hello"
    assert reader.feed("\nUse") == ""
    assert reader.feed("ful") == "\nUseful"
