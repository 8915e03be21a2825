"""Where a JSON value ends, wherever the text is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.prompts.reading.json_pieces import JsonEnd, is_object, object_text
from tests.prompts.reading.cuts import PLACES, cut

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def scan(pieces: list[str]) -> tuple[int, JsonEnd]:
    """How many characters belong to the value."""
    end, length = JsonEnd(), 0
    for piece in pieces:
        length += end.feed(piece)
    return length, end


@given(st.lists(VALUES) | st.dictionaries(st.text(), VALUES) | st.text(), st.text(), PLACES)
def test_the_end_is_found(value: Any, rest: str, places: list[int]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    length, end = scan(cut(text + rest, places))
    assert length == len(text)
    assert end.ended
    assert not end.failed


@pytest.mark.parametrize(
    ("text", "length"), [("[1, x]", 4), ('{"a\nb"}', 3), ("[1}", 2), ("<", 0), ("1,]", 2)]
)
def test_what_is_no_json_fails(text: str, length: int) -> None:
    for pieces in ([text], list(text)):
        found, end = scan(pieces)
        assert (found, end.failed, end.ended) == (length, True, False)


@given(st.lists(VALUES))
def test_a_value_that_is_cut_has_no_end(value: Any) -> None:
    text = json.dumps(value)[:-1]
    length, end = scan([text])
    assert (length, end.failed, end.ended) == (len(text), False, False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('{"a": 1}', '{"a": 1}'),
        (r'"{\"a\": 1}"', '{"a": 1}'),
        ("null", "{}"),
        ('"null"', "{}"),
        ('"a"', ""),
        ("[]", ""),
        ("", ""),
        (r'"\x"', ""),
    ],
)
def test_objects_in_strings(value: str, text: str) -> None:
    assert object_text(value) == text


def test_objects() -> None:
    assert is_object('{"a": 123456789012345678901234567890}')
    assert not is_object('{"a": NaN}')
    assert not is_object('{"a":' * 100_000)
