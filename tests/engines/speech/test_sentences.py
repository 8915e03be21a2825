"""Texts to sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.speech.sentences import (
    CLAUSE_PAUSE,
    PARAGRAPH_PAUSE,
    SENTENCE_PAUSE,
    sentences,
)


def texts(text: str, first: int = 200, longest: int = 200) -> list[str]:
    return [one.text for one in sentences(text, first=first, longest=longest)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith met Mr. Lee. They spoke.", ["Dr. Smith met Mr. Lee.", "They spoke."]),
        ("J. K. Rowling wrote it. Yes.", ["J. K. Rowling wrote it.", "Yes."]),
        ("It was 3.5 km. We ran.", ["It was 3.5 km.", "We ran."]),
        ('"Stop!" He ran.', ['"Stop!"', "He ran."]),
        ("It works, e.g. here. Good.", ["It works, e.g. here.", "Good."]),
        ("Wait... what? Yes… Now.", ["Wait... what?", "Yes…", "Now."]),
        ("A title\nA line", ["A title", "A line"]),
        ("他来了。她走了!", ["他来了。", "她走了!"]),
        ("no end", ["no end"]),
    ],
)
def test_sentences_end_where_people_pause(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_pauses_follow_the_structure() -> None:
    found = sentences("One. Two.\n\nThree, " + "four " * 20, first=60, longest=60)
    assert [(one.text[:5], one.pause) for one in found] == [
        ("One.", SENTENCE_PAUSE),
        ("Two.", PARAGRAPH_PAUSE),
        ("Three", CLAUSE_PAUSE),
        ("four ", PARAGRAPH_PAUSE),
    ]


def test_long_sentences_are_divided_between_clauses() -> None:
    clause = "and it went on and on without an end in sight"
    found = texts(", ".join([clause] * 5), longest=100)
    assert found == [f"{clause}, {clause},", f"{clause}, {clause},", clause]


def test_the_first_part_can_be_shorter() -> None:
    found = texts("word " * 60, first=40, longest=200)
    assert len(found[0]) <= 40
    assert max(map(len, found[1:])) > 150


@given(st.text(st.sampled_from("ab .,!?\n;'\"。—"), max_size=400))
def test_nothing_is_lost_and_nothing_is_too_long(text: str) -> None:
    found = texts(text, first=20, longest=50)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(0 < len(one) <= 50 for one in found)
