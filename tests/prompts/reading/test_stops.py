"""Stop strings are found wherever the text is split, and no other text is lost or delayed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.prompts.reading.stops import StopFilter
from tests.prompts.reading.chunks import POSITIONS, all_splits, split_at

TEXTS = st.text("ab\n", max_size=60)
STOPS = st.lists(st.text("ab\n", min_size=1, max_size=5), max_size=4)


def read(stops: list[str], chunks: list[str]) -> tuple[str, str | None]:
    reader = StopFilter(stops)
    text = "".join(reader.feed(chunk) for chunk in chunks)
    return text + reader.flush(), reader.found


def expected(stops: list[str], text: str) -> tuple[str, str | None]:
    """By trying every prefix of the text: the first that ends with a stop string."""
    for end in range(1, len(text) + 1):
        matches = [stop for stop in stops if text[:end].endswith(stop)]
        if matches:
            longest = max(matches, key=len)
            return text[: end - len(longest)], longest
    return text, None


@given(STOPS, TEXTS, POSITIONS)
def test_the_text_ends_before_the_first_stop(
    stops: list[str], text: str, positions: list[int]
) -> None:
    assert read(stops, split_at(text, positions)) == expected(stops, text)


@given(STOPS, TEXTS)
def test_only_the_possible_start_of_a_stop_is_held_back(stops: list[str], text: str) -> None:
    reader, released = StopFilter(stops), ""
    for index, character in enumerate(text):
        released += reader.feed(character)
        if reader.found is not None:
            break
        held = text[len(released) : index + 1]
        assert not held or any(stop.startswith(held) for stop in stops)


@pytest.mark.parametrize(
    ("stops", "text", "answer", "found"),
    [
        (["\n\n"], "one\ntwo\n\nthree", "one\ntwo", "\n\n"),
        (["###", "User:"], "Hi. User: and ###", "Hi. ", "User:"),
        (["aab"], "aaab", "a", "aab"),
        (["abab", "bc"], "ababc", "", "abab"),
        (["END"], "never EN", "never EN", None),
        (["é🙂"], "caffé🙂 late", "caff", "é🙂"),
        ([], "unchanged", "unchanged", None),
    ],
)
def test_examples(stops: list[str], text: str, answer: str, found: str | None) -> None:
    for chunks in all_splits(text):
        assert read(stops, chunks) == (answer, found)


def test_no_text_after_a_stop() -> None:
    reader = StopFilter(["."])
    assert reader.feed("One. Two.") == "One"
    assert reader.feed(" Three.") == ""
    assert reader.flush() == ""
    assert reader.found == "."


def test_ordinary_text_is_not_held_back() -> None:
    reader = StopFilter(["\nUser:"])
    assert reader.feed("Hello") == "Hello"
    assert reader.feed("\nUse") == ""
    assert reader.feed("ful") == "\nUseful"


@pytest.mark.parametrize(
    ("text", "answer"),
    [("One. Two.", "One."), ("One! Two.", "One"), ("One! Two", "One"), ("One", "One")],
)
def test_a_stop_may_be_kept(text: str, answer: str) -> None:
    for chunks in all_splits(text):
        reader = StopFilter([".", "!"], kept=["."])
        assert "".join(map(reader.feed, chunks)) + reader.flush() == answer
