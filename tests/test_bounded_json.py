"""JSON is parsed unless it has too many values; what is in strings does not count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openedai.bounded_json import MAX_VALUES, TooManyValues, read_json

PIECE = 1 << 16


@pytest.mark.parametrize(
    ("item", "most"),
    [
        ("1", MAX_VALUES - 4),
        ("50256", MAX_VALUES - 4),
        ('"a"', MAX_VALUES - 4),
        ("[]", MAX_VALUES // 5),
        ("{}", MAX_VALUES // 5),
        ('{"a":1}', MAX_VALUES // 9),
        ("[" * 100 + "]" * 100, MAX_VALUES // 401),
    ],
)
def test_the_most_values(item: str, most: int) -> None:
    assert len(read_json("[" + ",".join([item] * (most - 1)) + "]")) == most - 1
    for text in ("[" + ",".join([item] * (most + 2)) + "]", "[" + f"{item}," * (most + 2)):
        with pytest.raises(TooManyValues):
            read_json(text.encode())


def test_members() -> None:
    most = MAX_VALUES // 5
    assert len(read_json(json.dumps({str(key): 0 for key in range(most - 1)}))) == most - 1
    with pytest.raises(TooManyValues):
        read_json(json.dumps({str(key): 0 for key in range(most + 1)}))


@pytest.mark.parametrize("convert", [str, str.encode, lambda text: bytearray(text, "utf-8")])
def test_strings_do_not_count(convert: Any) -> None:
    text = '{"text": "' + 'a, [b]: {c}\\n\\"d\\", \\u00e9é; ' * 100_000 + '"}'
    assert read_json(convert(text)) == json.loads(text)


@pytest.mark.parametrize("before", range(PIECE - 4, PIECE))
@pytest.mark.parametrize("end", ['\\\\"', '\\\\\\"x"', '\\n"', '\\u005c"', 'x"', '\\"\\\\"'])
def test_strings_end_where_a_parser_says(end: str, before: int) -> None:
    """The end of the string is at, before and after the end of a piece of the text."""
    text = '"' + "x" * before + end
    many = "1," * (MAX_VALUES + 1)
    assert read_json(f"[{text}, 1]") == json.loads(f"[{text}, 1]")
    with pytest.raises(TooManyValues):
        read_json(f"[{text},{many}1]")
    inside = f"[{text[:-1]}{many}{'y' * 99}]".replace("]", '"]')
    assert read_json(inside) == json.loads(inside)


@pytest.mark.parametrize("text", ["", "[1", '"', "NaN", "[" * 5000, '"\ud800"', "\\", '"\\'])
def test_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_json(text)
    with pytest.raises(ValueError, match=r".+"):
        read_json(" " * MAX_VALUES + text)


def test_the_beginning_of_a_text() -> None:
    assert read_json('{"a": "b', allow_partial="trailing-strings") == {"a": "b"}
    assert read_json('{"a": 1, "b": "c', allow_partial="on") == {"a": 1}
