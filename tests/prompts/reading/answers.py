"""Reads answers, and folds their events into one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count

from openedai.contract.chat import Tool
from openedai.contract.generate import TextDelta
from openedai.prompts.reading.call_events import CallEvent
from openedai.prompts.reading.tool_calls import ToolCallReader

Answer = tuple[str, list[tuple[str, str]], bool]
"""The text, (name, arguments) of each call, and whether there are calls and all are complete."""


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


def numbered_ids() -> Callable[[], str]:
    """Ids of calls by their index: call_0, call_1, …"""
    numbers = count()
    return lambda: f"call_{next(numbers)}"


def call_reader(tools: Sequence[Tool], parallel: bool = True) -> ToolCallReader:
    return ToolCallReader(tools, parallel, numbered_ids())


def read(tools: Sequence[Tool], chunks: Iterable[str], parallel: bool = True) -> Answer:
    reader = call_reader(tools, parallel)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    text, calls = fold(events + reader.flush())
    return text, calls, reader.has_complete_calls
