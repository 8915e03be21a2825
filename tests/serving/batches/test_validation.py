"""The lines of input files, whole and in every division into chunks."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openedai.serving.batches.lines import LineSplitter
from openedai.serving.batches.validation import MAX_LINES, Validator

CHAT = "/v1/chat/completions"
LIMIT = 200


def split(data: bytes, sizes: list[int], limit: int = LIMIT) -> list[tuple[int, bytes | None]]:
    splitter = LineSplitter(limit)
    lines: list[tuple[int, bytes | None]] = []
    start = 0
    for size in sizes:
        lines += splitter.feed(data[start : start + size])
        start += size
    return [*lines, *splitter.feed(data[start:]), *splitter.end()]


def expected(data: bytes) -> list[tuple[int, bytes | None]]:
    lines = enumerate(data.split(b"\n"), 1)
    kept = ((n, line.removeprefix(b"\xef\xbb\xbf") if n == 1 else line) for n, line in lines)
    return [(n, line) for n, line in kept if line.strip()]


@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b" ", b"\xef\xbb\xbf"]), max_size=30),
    st.lists(st.integers(1, 9), max_size=20),
)
def test_lines_do_not_depend_on_chunks(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)
    assert split(data, sizes) == expected(data)


@given(st.integers(0, 30), st.lists(st.integers(1, 9), max_size=20))
def test_a_line_that_is_too_long_is_none_and_takes_no_memory(length: int, sizes: list[int]) -> None:
    data = b"a\n" + b"x" * length + b"\nb"
    lines = dict(split(data, sizes, limit=10))
    assert lines.get(2) == (None if length > 10 or not length else b"x" * length)
    assert (lines[1], lines[3], 2 in lines) == (b"a", b"b", length > 0)


def validated(lines: list[bytes]) -> Validator:
    validator = Validator(CHAT)
    for number, line in enumerate(lines, 1):
        validator.add(number, line)
    validator.end()
    return validator


def request(**changes: Any) -> dict[str, Any]:
    return {"custom_id": "a", "method": "POST", "url": CHAT, "body": {"model": "m"}, **changes}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(request(), json_values)))
def test_any_object_is_a_request_or_has_an_error(members: dict[str, Any]) -> None:
    validator = validated([json.dumps(members).encode()])
    body = members.get("body")
    good = (
        isinstance(members.get("custom_id"), str)
        and members["custom_id"] != ""
        and members.get("method") == "POST"
        and members.get("url") == CHAT
        and isinstance(body, dict)
        and body.get("stream") in (None, False)
        and isinstance(body.get("model"), str | None)
    )
    assert (not validator.errors) == good
    assert all(error.line == 1 and error.message for error in validator.errors)


@given(st.binary(max_size=40))
def test_any_bytes_have_an_error(line: bytes) -> None:
    (error,) = validated([line]).errors
    assert error.code in ("invalid_json_line", "missing_required_parameter")


@given(st.lists(st.sampled_from("abcdé"), min_size=1, max_size=30))
def test_each_id_that_comes_again_is_an_error(ids: list[str]) -> None:
    errors = validated([json.dumps(request(custom_id=id)).encode() for id in ids]).errors
    again = [n for n, id in enumerate(ids, 1) if id in ids[: n - 1]]
    assert [error.line for error in errors] == again
    assert {error.code for error in errors} <= {"duplicate_custom_id"}


def test_too_many_lines() -> None:
    validator = Validator(CHAT)
    number = 0
    while not validator.full:
        number += 1
        validator.add(number, json.dumps(request(custom_id=str(number))).encode())
    assert number == MAX_LINES + 1
    assert [error.code for error in validator.errors] == ["too_many_tasks"]


def test_reading_ends_after_many_errors() -> None:
    validator = Validator(CHAT)
    while not validator.full:
        validator.add(validator.lines + 1, b"{")
    assert validator.lines == len(validator.errors) == 100


def test_a_model_may_be_left_out() -> None:
    bodies = random.Random(1).sample([{}, {"model": "m"}, {"model": "m"}, {"model": None}], 4)
    lines = [request(custom_id=str(n), body=body) for n, body in enumerate(bodies)]
    validator = validated([json.dumps(line).encode() for line in lines])
    assert (validator.errors, validator.model) == ([], "m")
