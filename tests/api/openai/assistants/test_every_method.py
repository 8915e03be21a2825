"""Every method of the official clients for assistants, synchronous and asynchronous, and every
callback of their event handlers.
"""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from openai import AssistantEventHandler, AsyncAssistantEventHandler, OpenAI

from tests.api.openai.every_method import CLIENTS, Kind, Recorded, done, in_stream, methods, play
from tests.support import Running

# The official client calls all of it deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WEATHER = {"type": "function", "function": {"name": "get_weather"}}
SEARCH = {"type": "file_search"}
HELLO = {"role": "user", "content": "Hello there."}
ASKED = {"messages": [HELLO]}


@pytest.mark.parametrize("kind", CLIENTS)
def test_every_method_of_assistants(server: Running, kind: Kind) -> None:
    async def scenario(client: Any) -> None:
        assistants = Recorded(client.beta.assistants)
        made = (await done(assistants.create(model="echo", name="first"))).id
        assert (await done(assistants.update(made, name="second"))).name == "second"
        assert (await done(assistants.retrieve(made))).name == "second"
        assert made in [one.id for one in (await done(assistants.list())).data]
        assert (await done(assistants.delete(made))).deleted
        assert assistants.called == methods(client.beta.assistants)

    play(kind, server, scenario)


@pytest.mark.parametrize("kind", CLIENTS)
def test_every_method_of_threads(server: Running, kind: Kind) -> None:
    async def scenario(client: Any) -> None:
        threads = Recorded(client.beta.threads)
        made = await done(client.beta.assistants.create(model="echo", tools=[WEATHER]))
        asst = {"assistant_id": made.id}
        thread = (await done(threads.create(metadata={"a": "b"}))).id
        assert (await done(threads.update(thread, metadata={"c": "d"}))).metadata == {"c": "d"}
        assert (await done(threads.retrieve(thread))).metadata == {"c": "d"}
        await messages_of(threads, thread)
        await runs_of(threads, thread, asst)
        await calls_of(threads, thread, asst)
        run = await done(threads.create_and_run(**asst, thread=ASKED))
        done_run = await done(threads.runs.poll(run.id, thread_id=run.thread_id))
        assert done_run.status == "completed"
        run = await done(threads.create_and_run_poll(**asst, thread=ASKED))
        assert run.status == "completed"
        await in_stream(threads.create_and_run_stream(**asst, thread=ASKED), said_hello)
        assert (await done(threads.delete(thread))).deleted
        assert threads.called == methods(client.beta.threads)

    play(kind, server, scenario)


async def said_hello(stream: Any) -> None:
    (message,) = await done(stream.get_final_messages())
    assert message.content[0].text.value == "Hello there."


async def messages_of(threads: Any, thread: str) -> None:
    """Leaves one message in the thread."""
    messages, kept = threads.messages, {"thread_id": thread}
    first = (await done(messages.create(**kept, role="user", content="First."))).id
    changed = await done(messages.update(first, **kept, metadata={"a": "b"}))
    assert changed.metadata == {"a": "b"}
    assert (await done(messages.retrieve(first, **kept))).metadata == {"a": "b"}
    await done(messages.create(**kept, **HELLO))
    listed = (await done(messages.list(**kept, order="asc"))).data
    assert [one.content[0].text.value for one in listed] == ["First.", "Hello there."]
    assert (await done(messages.delete(first, **kept))).deleted


async def runs_of(threads: Any, thread: str, asst: dict[str, str]) -> None:
    runs, kept = threads.runs, {"thread_id": thread}
    run = (await done(runs.create(**kept, **asst))).id
    assert (await done(runs.poll(run, **kept, poll_interval_ms=20))).status == "completed"
    changed = await done(runs.update(run, **kept, metadata={"a": "b"}))
    assert (changed.metadata, changed.status) == ({"a": "b"}, "completed")
    assert (await done(runs.retrieve(run, **kept))).metadata == {"a": "b"}
    (step,) = (await done(runs.steps.list(run, **kept))).data
    same = await done(runs.steps.retrieve(step.id, **kept, run_id=run))
    assert same.to_dict() == step.to_dict()
    assert (await done(runs.create_and_poll(**kept, **asst))).status == "completed"
    await in_stream(runs.stream(**kept, **asst), said_hello)
    await in_stream(runs.create_and_stream(**kept, **asst), said_hello)
    assert len((await done(runs.list(**kept))).data) == 4


async def calls_of(threads: Any, thread: str, asst: dict[str, str]) -> None:
    """The same call of a tool thrice, whose output is sent in each way, and a fourth's end."""
    runs, kept = threads.runs, {"thread_id": thread}

    async def called() -> dict[str, Any]:
        run = await done(runs.create_and_poll(**kept, **asst, tool_choice="required"))
        (call,) = run.required_action.submit_tool_outputs.tool_calls
        output = {"tool_call_id": call.id, "output": "Hello there."}
        return {**kept, "run_id": run.id, "tool_outputs": [output]}

    run = await done(runs.submit_tool_outputs(**await called()))
    assert (await done(runs.poll(run.id, **kept))).status == "completed"
    run = await done(runs.submit_tool_outputs_and_poll(**await called()))
    assert run.status == "completed"
    await in_stream(runs.submit_tool_outputs_stream(**await called()), said_hello)
    left = await called()
    assert (await done(runs.cancel(left["run_id"], **kept))).status == "cancelled"


def handler(kind: Kind) -> Any:
    """An event handler of the client; `seen` has the names of the callbacks that were called."""
    seen: list[str] = []

    def callback(name: str) -> Any:
        def called(self: Any, *_: Any) -> None:
            seen.append(name)

        async def called_later(self: Any, *_: Any) -> None:
            seen.append(name)

        return called if kind is OpenAI else called_later

    base: Any = AssistantEventHandler if kind is OpenAI else AsyncAssistantEventHandler
    callbacks = {name: callback(name) for name in dir(base) if name.startswith("on_")}
    return type("Handler", (base,), {"seen": seen, **callbacks})()


def seen_by(handling: Any) -> list[str]:
    """The callbacks in the order of their first calls, without `on_event`: it is for each event."""
    assert "on_event" in handling.seen
    return [name for name in dict.fromkeys(handling.seen) if name != "on_event"]


ANSWERED = [
    "on_message_created",
    "on_text_created",
    "on_text_delta",
    "on_message_delta",
    "on_text_done",
    "on_message_done",
]
CALLED = ["on_run_step_created", "on_tool_call_created", "on_run_step_delta"]
SEEN: list[tuple[Any, list[str]]] = [
    ("none", ["on_run_step_created", *ANSWERED, "on_run_step_done", "on_end"]),
    (WEATHER, [*CALLED, "on_tool_call_delta", "on_tool_call_done", "on_end"]),
    (SEARCH, [*CALLED, "on_tool_call_done", "on_run_step_done", *ANSWERED, "on_end"]),
]


@pytest.mark.parametrize("kind", CLIENTS)
def test_every_callback(server: Running, kind: Kind) -> None:
    """But the one for images, which no assistant makes here."""

    async def scenario(client: Any) -> None:
        made = await done(client.beta.assistants.create(model="echo", tools=[WEATHER, SEARCH]))
        asked = {"assistant_id": made.id, "thread": ASKED}
        stream = client.beta.threads.create_and_run_stream
        for choice, callbacks in SEEN:
            handling = handler(kind)
            await in_stream(stream(**asked, tool_choice=choice, event_handler=handling), to_the_end)
            assert seen_by(handling) == callbacks
        handling = handler(kind)
        slow = stream(**asked, model="endless", event_handler=handling, timeout=1.5)
        with pytest.raises(httpx2.ReadTimeout):
            await in_stream(slow, to_the_end)
        assert seen_by(handling) == ["on_timeout", "on_exception", "on_end"]
        run = handling.current_run
        await done(client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id))

    play(kind, server, scenario)


async def to_the_end(stream: Any) -> None:
    await done(stream.until_done())
