"""The end of a JSON value is found, wherever the text is split."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.prompts.reading.json_scanner import JsonScanner, is_object, object_text
from tests.prompts.reading.chunks import POSITIONS, split_at

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def scan(chunks: list[str]) -> tuple[int, JsonScanner]:
    """The number of characters that belong to the value, and the scanner."""
    scanner, length = JsonScanner(), 0
    for chunk in chunks:
        length += scanner.feed(chunk)
    return length, scanner


@given(st.lists(VALUES) | st.dictionaries(st.text(), VALUES) | st.text(), st.text(), POSITIONS)
def test_the_end_is_found(value: Any, rest: str, positions: list[int]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    length, scanner = scan(split_at(text + rest, positions))
    assert length == len(text)
    assert scanner.ended
    assert not scanner.failed


@pytest.mark.parametrize(
    ("text", "length"), [("[1, x]", 4), ('{"a\nb"}', 3), ("[1}", 2), ("<", 0), ("1,]", 2)]
)
def test_invalid_json_fails(text: str, length: int) -> None:
    for chunks in ([text], list(text)):
        found, scanner = scan(chunks)
        assert (found, scanner.failed, scanner.ended) == (length, True, False)


@given(st.lists(VALUES))
def test_a_truncated_value_has_no_end(value: Any) -> None:
    text = json.dumps(value)[:-1]
    length, scanner = scan([text])
    assert (length, scanner.failed, scanner.ended) == (len(text), False, False)


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
def test_object_text(value: str, text: str) -> None:
    assert object_text(value) == text


def test_objects() -> None:
    assert is_object('{"a": 123456789012345678901234567890}')
    assert not is_object('{"a": NaN}')
    assert not is_object('{"a":' * 100_000)
