"""The events of a run's stream, as they are stored and as they are sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from openedai.api.openai.assistants.objects import (
    message_object,
    run_object,
    step_object,
    thread_object,
)
from openedai.http.exchange import Exchange
from openedai.http.respond import EventStream, first_frame
from openedai.serving.assistants.keeping import AssistantKeeping
from openedai.store.assistants.messages import Message
from openedai.store.assistants.runs import Run
from openedai.store.assistants.steps import Step
from openedai.store.assistants.threads import Thread

# Sent while there is no event, so that the client sees that the stream has started.
_WAITING = b": waiting\n\n"
_DONE = b"event: done\ndata: [DONE]\n\n"
# The stream ends after one of these.
_LAST = frozenset(
    f"thread.run.{status}".encode()
    for status in ("requires_action", "completed", "incomplete", "failed", "cancelled", "expired")
)


def event(name: str, data: Any) -> bytes:
    """An event as it is stored: its name, a space, and its data."""
    return b"%b %b" % (name.encode(), msgspec.json.encode(data))


def thread_event(thread: Thread) -> bytes:
    return event("thread.created", thread_object(thread))


def run_event(run: Run, name: str | None = None) -> bytes:
    """The event of a run, named after its status."""
    return event(f"thread.run.{name or run.status}", run_object(run))


def step_event(step: Step, name: str | None = None) -> bytes:
    return event(f"thread.run.step.{name or step.fields.status}", step_object(step))


def message_event(message: Message, name: str | None = None) -> bytes:
    name = name or message.fields.status
    return event(f"thread.message.{name}", message_object(message))


def step_delta(step: Step, call: dict[str, Any]) -> bytes:
    """A part of a tool call."""
    delta = {"step_details": {"type": "tool_calls", "tool_calls": [call]}}
    data = {"id": step.id, "object": "thread.run.step.delta", "delta": delta}
    return event("thread.run.step.delta", data)


def content_delta(message: Message, index: int, part: dict[str, Any]) -> bytes:
    """The event for an addition to the part of the content with this index."""
    delta = {"content": [{"index": index, **part}]}
    data = {"id": message.id, "object": "thread.message.delta", "delta": delta}
    return event("thread.message.delta", data)


async def event_stream(
    keeping: AssistantKeeping, exchange: Exchange, run: Run, after: int, headers: dict[str, str]
) -> EventStream:
    """The events of a run after the number `after`, up to its end or to its next tool calls."""
    frames = _frames(keeping, run, after)
    return EventStream(exchange, await first_frame(frames), frames, headers)


async def _frames(keeping: AssistantKeeping, run: Run, after: int) -> AsyncGenerator[bytes, None]:
    first = True
    async with aclosing(keeping.follow(run, after)) as groups:
        async for events in groups:
            sent, ended = _sent(events)
            if ended:
                yield sent + _DONE
                return
            if sent or first:
                yield sent or _WAITING
                first = False
    # It ended without an event: nobody worked on it.
    ended_run = await keeping.find_run(run.owner, run.thread, run.id)
    yield _frame(run_event(ended_run)) + _DONE


def _sent(events: list[bytes]) -> tuple[bytes, bool]:
    """The frames of events up to the last one of the stream, and whether that was among them."""
    frames = []
    for one in events:
        frames.append(_frame(one))
        if one[: one.index(b" ")] in _LAST:
            return b"".join(frames), True
    return b"".join(frames), False


def _frame(kept: bytes) -> bytes:
    name, _, data = kept.partition(b" ")
    return b"event: %b\ndata: %b\n\n" % (name, data)
