"""Answers with calls: what a reader made of them, in one value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from openedai.contract.chat import Tool
from openedai.contract.generate import TextDelta, ToolCallDelta
from openedai.prompts.reading.call_events import CallEvent
from openedai.prompts.reading.tool_calls import CallReader

Answer = tuple[str, list[tuple[str, str]], bool]
"""The text, (name, arguments) of each call, and whether every call is whole."""


def fold(events: Iterable[CallEvent]) -> tuple[str, list[tuple[str, str]]]:
    """The text and the calls, after a check that the events follow the contract."""
    text, calls = "", list[tuple[str, str]]()
    for event in events:
        if isinstance(event, TextDelta):
            assert event.text
            text += event.text
        elif event.name:
            assert (event.index, event.id) == (len(calls), f"call_{len(calls)}")
            calls.append((event.name, event.arguments))
        else:
            assert (event.index, event.id) == (len(calls) - 1, "")
            assert event.arguments
            calls[-1] = (calls[-1][0], calls[-1][1] + event.arguments)
    return text, calls


def reader(tools: Sequence[Tool], parallel: bool = True) -> CallReader:
    numbers = count()
    return CallReader(tools, parallel, lambda: f"call_{next(numbers)}")


def read(tools: Sequence[Tool], pieces: Iterable[str], parallel: bool = True) -> Answer:
    calls = reader(tools, parallel)
    events: list[ToolCallDelta | TextDelta] = []
    for piece in pieces:
        events += calls.feed(piece)
    text, made = fold(events + calls.flush())
    return text, made, calls.called
