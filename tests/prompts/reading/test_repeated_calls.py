"""Answers whose calls go on without end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.contract.chat import Chat, Tool
from openedai.contract.generate import TextDelta, ToolCallDelta
from openedai.prompts.reading.answer import ChatReader
from tests.prompts.reading.answers import fold, numbered_ids

CHAT = Chat(messages=(), tools=(Tool(name="f"), Tool(name="g")), call_required=True)
ARGUMENTS = st.sampled_from(["{}", '{"a": 1}', '{"a": 12}', '{"a": {"b": "}"}}'])
CALLS = st.lists(st.tuples(st.sampled_from(["f", "g"]), ARGUMENTS), min_size=1, max_size=6)


def written(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>\n'


def answer(text: str, size: int, max_calls: int = 16) -> tuple[list[tuple[str, str]], str]:
    """The calls that are read, and the finish reason of an answer that a limit truncated."""
    reader = ChatReader(CHAT, (), new_id=numbered_ids(), max_calls=max_calls)
    events: list[TextDelta | ToolCallDelta] = []
    for start in range(0, len(text), size):
        deltas = reader.feed(text[start : start + size])
        events += [one for one in deltas if isinstance(one, (TextDelta, ToolCallDelta))]
        if reader.done:
            break
    rest = [one for one in reader.end() if isinstance(one, (TextDelta, ToolCallDelta))]
    return fold([*events, *rest])[1], reader.finish_reason(truncated=True)


@given(CALLS, st.integers(1, 200), st.integers(1, 8))
def test_the_answer_ends_before_a_call_that_equals_the_last(
    calls: list[tuple[str, str]], size: int, max_calls: int
) -> None:
    text = "".join(written(*call) for call in calls)
    equal = [at for at in range(1, len(calls)) if calls[at] == calls[at - 1]]
    end = min([*equal, max_calls, len(calls)])
    found, reason = answer(text, size, max_calls)
    assert found == calls[:end]
    assert reason == ("tool_calls" if end < len(calls) else "length")


@pytest.mark.parametrize("size", [1, 1000])
def test_a_call_that_is_cut_is_not_lost(size: int) -> None:
    text = (
        written("f", json.dumps({"a": "long"}))
        + '<tool_call>\n{"name": "f", "arguments": {"a": "lo'
    )
    found, reason = answer(text, size)
    assert [name for name, _ in found] == ["f", "f"]
    assert found[1][1] == '{"a": "lo'
    assert reason == "length"
