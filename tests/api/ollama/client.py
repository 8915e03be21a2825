"""Ollama's official client: answers that are the same whole and streamed."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import pytest
from ollama import ChatResponse, Client, GenerateResponse

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
HELLO = [{"role": "user", "content": "one two three"}]
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])

P = TypeVar("P", ChatResponse, GenerateResponse)


def chat(client: Client, stream: bool, **body: Any) -> ChatResponse:
    """The answer, folded if it is streamed; each line is checked."""
    body = {"model": "echo", "messages": HELLO, **body}
    if not stream:
        return check_time(client.chat(**body, stream=False))
    *parts, last = (check_time(part) for part in client.chat(**body, stream=True))
    assert [part.done for part in parts] == [False] * len(parts)
    assert last.message.content == ""
    for part in parts:
        assert (part.done_reason, part.total_duration, part.eval_count) == (None, None, None)
        assert part.message.role == "assistant"
    last.message.content = "".join(part.message.content or "" for part in parts)
    last.message.thinking = "".join(p.message.thinking or "" for p in parts) or None
    last.message.tool_calls = [c for p in parts for c in p.message.tool_calls or ()] or None
    last.logprobs = [item for part in parts for item in part.logprobs or ()] or None
    return last


def generate(client: Client, stream: bool, **body: Any) -> GenerateResponse:
    body = {"model": "echo", "prompt": "one two three", **body}
    if not stream:
        return check_time(client.generate(**body, stream=False))
    *parts, last = (check_time(part) for part in client.generate(**body, stream=True))
    last.response = "".join(part.response or "" for part in parts)
    last.thinking = "".join(part.thinking or "" for part in parts) or None
    return last


def check_time(part: P) -> P:
    """The part, whose time has Ollama's notation."""
    assert MOMENT.fullmatch(part.created_at or "")
    return part
