"""Training files, line by line."""

from __future__ import annotations

import json

import pytest

from openedai.errors import InvalidRequest
from openedai.training.files import MAX_LINE, check_lines, examples_of, refuse_problems
from openedai.training.lines import Completion

USER, ANSWER = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
CHAT = json.dumps({"messages": [USER, ANSWER]}).encode()
COMPLETION = json.dumps({"prompt": "a", "completion": "b"}).encode()


def problem(lines: list[bytes]) -> str:
    with pytest.raises(InvalidRequest) as caught:
        refuse_problems(check_lines(lines, "supervised"), "training_file")
    assert (caught.value.code, caught.value.param) == ("invalid_file", "training_file")
    return caught.value.message


def test_a_valid_file() -> None:
    checked = check_lines([b"\xef\xbb\xbf" + CHAT, *[CHAT, b"\n"] * 9], "supervised")
    refuse_problems(checked, "training_file")
    assert (checked.examples, checked.bad) == (10, 0)


def test_lines_that_are_not_valid_are_named() -> None:
    message = problem([CHAT, b"{", b"", b'{"messages": []}', *[CHAT] * 10])
    assert "line 2: it is not valid JSON" in message
    assert "line 4: " in message


def test_only_some_problems_are_told() -> None:
    message = problem([b"{"] * 12)
    assert "line 5:" in message
    assert "line 6:" not in message
    assert "and 7 more lines" in message


def test_too_few_examples() -> None:
    assert "9 example(s)" in problem([CHAT] * 9)
    assert "0 example(s)" in problem([])


def test_two_types_of_examples() -> None:
    assert "line 3: chat and completion examples are mixed" in problem([CHAT, CHAT, COMPLETION])


def test_a_line_that_is_too_long() -> None:
    assert "line 1: it has more than" in problem([b" " * MAX_LINE + CHAT])


def test_examples() -> None:
    lines = [COMPLETION, b"", COMPLETION]
    assert [*examples_of(lines, "supervised")] == [Completion("a", "b")] * 2
