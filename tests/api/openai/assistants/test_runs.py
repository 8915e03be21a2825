"""Assistants, threads and runs, by the official client; all types are validated strictly."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from openai import AssistantEventHandler, BadRequestError, NotFoundError, OpenAI
from openai.types.beta import AssistantStreamEvent
from openai.types.beta.threads import Message
from pydantic import TypeAdapter

from openedai.store.store import Store
from tests.api.openai.assistants.made import assistant, texts, thread
from tests.support import Running, fetch, occupancy, wait_until

# The official client calls all of it deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WORDS = " ".join(f"w{number}" for number in range(40))
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
TIME: Any = {"type": "function", "function": {"name": "get_time"}}
EVENT: Any = TypeAdapter(AssistantStreamEvent)


def test_a_run_answers_a_thread(client: OpenAI) -> None:
    asst = assistant(client, instructions="Be brief.", name="me", metadata={"a": "b"})
    id = thread(client, "one", "two three")
    run = client.beta.threads.runs.create_and_poll(
        thread_id=id, assistant_id=asst, metadata={"c": "d"}, poll_interval_ms=20
    )
    assert (run.status, run.instructions, run.metadata) == ("completed", "Be brief.", {"c": "d"})
    assert run.usage is not None
    assert (run.usage.prompt_tokens, run.usage.completion_tokens) == (8, 2)
    assert run.completed_at
    assert run.started_at
    assert run.expires_at is None
    assert texts(client, id) == ["two three", "two three", "one"]
    (made,) = client.beta.threads.messages.list(id, run_id=run.id)
    assert (made.role, made.run_id, made.assistant_id, made.status) == (
        "assistant",
        run.id,
        asst,
        "completed",
    )
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=id)
    assert step.step_details.type == "message_creation"
    assert step.step_details.message_creation.message_id == made.id
    assert step.usage is not None
    assert (step.status, step.usage.to_dict()) == ("completed", run.usage.to_dict())
    again = client.beta.threads.runs.steps.retrieve(step.id, thread_id=id, run_id=run.id)
    assert again.to_dict() == step.to_dict()
    changed = client.beta.threads.runs.update(run.id, thread_id=id, metadata={"e": "f"})
    assert changed.metadata == {"e": "f"}
    assert [one.id for one in client.beta.threads.runs.list(id)] == [run.id]


def test_a_run_in_a_new_thread(client: OpenAI) -> None:
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant(client),
        thread={"messages": [{"role": "user", "content": "hello"}], "metadata": {"a": "b"}},
        poll_interval_ms=20,
    )
    assert run.status == "completed"
    assert client.beta.threads.retrieve(run.thread_id).metadata == {"a": "b"}
    assert texts(client, run.thread_id) == ["hello", "hello"]
    empty = client.beta.threads.create_and_run_poll(
        assistant_id=assistant(client, instructions="say this"), poll_interval_ms=20
    )
    assert texts(client, empty.thread_id) == ["say this"]


def test_what_a_run_says_otherwise_than_its_assistant(client: OpenAI) -> None:
    asst = assistant(client, model="echo", instructions="first", temperature=0.5)
    id = thread(client, "a")
    run = client.beta.threads.runs.create_and_poll(
        thread_id=id,
        assistant_id=asst,
        model="reveal",
        instructions="second",
        additional_instructions="third",
        additional_messages=[
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
        top_p=0.25,
        max_completion_tokens=500,
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={"type": "json_object"},
        poll_interval_ms=20,
    )
    assert run.status == "completed", run.last_error
    request = json.loads(texts(client, id)[0])
    prompt = request["prompt"]
    assert [(one["role"], one["content"]) for one in prompt["messages"]] == [
        ("system", "second\n\nthird"),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ]
    assert (prompt["call_required"], prompt["parallel_calls"]) == (True, False)
    assert [tool["name"] for tool in prompt["tools"]] == ["get_weather"]
    assert request["sampling"]["temperature"] == 0.5
    assert request["sampling"]["top_p"] == 0.25
    assert request["max_tokens"] == 500
    assert request["constraint"]["type"] == "json_object"
    assert (run.model, run.temperature, run.tool_choice) == ("reveal", 0.5, "required")


class Handler(AssistantEventHandler):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.seen: list[str] = []

    def on_event(self, event: AssistantStreamEvent) -> None:
        self.names.append(event.event)
        EVENT.validate_python(event.to_dict(), strict=True)

    def on_text_created(self, text: Any) -> None:
        self.seen.append("text created")

    def on_text_done(self, text: Any) -> None:
        self.seen.append(f"text {text.value}")

    def on_message_done(self, message: Message) -> None:
        self.seen.append("message done")

    def on_tool_call_created(self, tool_call: Any) -> None:
        self.seen.append(f"call {tool_call.function.name}")

    def on_tool_call_done(self, tool_call: Any) -> None:
        self.seen.append(f"done {tool_call.function.arguments}")


MESSAGE = [
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
]
BEGINNING = ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]


def once(names: list[str]) -> list[str]:
    """Without repeated deltas."""
    return [name for n, name in enumerate(names) if n == 0 or names[n - 1] != name]


def test_a_stream_with_an_event_handler(client: OpenAI) -> None:
    asst, id = assistant(client, model="steady"), thread(client, WORDS)
    with client.beta.threads.runs.stream(
        thread_id=id, assistant_id=asst, event_handler=Handler()
    ) as stream:
        assert "".join(stream.text_deltas) == WORDS
        run = stream.get_final_run()
        (message,) = stream.get_final_messages()
        (step,) = stream.get_final_run_steps()
    assert once(stream.names) == [*BEGINNING, *MESSAGE, "thread.run.completed"]
    assert stream.names.count("thread.message.delta") == 40
    assert stream.seen == ["text created", f"text {WORDS}", "message done"]
    kept = client.beta.threads.runs.retrieve(run.id, thread_id=id)
    assert kept.to_dict() == run.to_dict()
    (listed,) = client.beta.threads.messages.list(id, run_id=run.id)
    assert listed.to_dict() == message.to_dict()
    assert step.id == client.beta.threads.runs.steps.list(run.id, thread_id=id).data[0].id


def test_a_stream_in_a_new_thread(client: OpenAI) -> None:
    with client.beta.threads.create_and_run_stream(
        assistant_id=assistant(client),
        thread={"messages": [{"role": "user", "content": "hi"}]},
        event_handler=Handler(),
    ) as stream:
        stream.until_done()
    assert stream.names == ["thread.created", *BEGINNING, *MESSAGE, "thread.run.completed"]


def test_functions_are_called_and_answered(client: OpenAI) -> None:
    asst = assistant(client, model="calls", tools=[WEATHER, TIME])
    id = thread(client, "weather?")
    run = client.beta.threads.runs.create_and_poll(
        thread_id=id, assistant_id=asst, poll_interval_ms=20
    )
    assert run.status == "requires_action"
    assert run.required_action is not None
    calls = run.required_action.submit_tool_outputs.tool_calls
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("get_weather", '{"city": "Paris"}'),
        ("get_time", "{}"),
    ]
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=id)
    assert (step.status, step.type) == ("in_progress", "tool_calls")
    with pytest.raises(BadRequestError, match="while a run"):
        client.beta.threads.messages.create(id, role="user", content="more")
    with pytest.raises(BadRequestError, match="already has an active run"):
        client.beta.threads.runs.create(id, assistant_id=asst)
    with pytest.raises(BadRequestError, match="expected tool outputs"):
        client.beta.threads.runs.submit_tool_outputs(
            run.id, thread_id=id, tool_outputs=[{"tool_call_id": calls[0].id, "output": "a"}]
        )
    outputs: Any = [{"tool_call_id": call.id, "output": f"out {n}"} for n, call in enumerate(calls)]
    again = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=id, tool_outputs=outputs, poll_interval_ms=20
    )
    assert again.status == "requires_action"  # the model always calls
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=id, order="asc").data
    assert [one.status for one in steps] == ["completed", "in_progress"]
    details = steps[0].step_details
    assert details.type == "tool_calls"
    assert [one.function.output for one in details.tool_calls if one.type == "function"] == [
        "out 0",
        "out 1",
    ]
    cancelled = client.beta.threads.runs.cancel(run.id, thread_id=id)
    assert (cancelled.status, cancelled.required_action) == ("cancelled", None)
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=id, order="asc").data
    assert [one.status for one in steps] == ["completed", "cancelled"]
    with pytest.raises(BadRequestError, match="Cannot cancel run with status 'cancelled'"):
        client.beta.threads.runs.cancel(run.id, thread_id=id)
    with pytest.raises(BadRequestError, match="do not accept tool outputs"):
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=id, tool_outputs=outputs)


def test_streams_of_calls_and_of_their_outputs(client: OpenAI) -> None:
    asst, id = assistant(client, tools=[WEATHER]), thread(client, "weather?")
    choice: Any = {"type": "function", "function": {"name": "get_weather"}}
    with client.beta.threads.runs.stream(
        thread_id=id, assistant_id=asst, tool_choice=choice, event_handler=Handler()
    ) as stream:
        run = stream.get_final_run()
        (step,) = stream.get_final_run_steps()
    assert once(stream.names) == [
        *BEGINNING,
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.run.step.delta",
        "thread.run.requires_action",
    ]
    assert stream.seen == ["call get_weather", 'done {"city":""}']
    assert step.step_details.type == "tool_calls"
    assert run.required_action is not None
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    with client.beta.threads.runs.submit_tool_outputs_stream(
        run_id=run.id,
        thread_id=id,
        tool_outputs=[{"tool_call_id": call.id, "output": "sunny and warm"}],
        event_handler=Handler(),
    ) as stream:
        done = stream.get_final_run()
    assert once(stream.names) == [
        "thread.run.step.completed",
        "thread.run.queued",
        "thread.run.in_progress",
        *MESSAGE,
        "thread.run.completed",
    ]
    assert done.id == run.id
    assert texts(client, id)[0] == "sunny and warm"
    # A later run of the thread reads the call and its output.
    later = client.beta.threads.runs.create_and_poll(
        thread_id=id,
        assistant_id=assistant(client, model="reveal"),
        additional_messages=[{"role": "user", "content": "and now?"}],
        poll_interval_ms=20,
    )
    assert later.status == "completed"
    messages = json.loads(texts(client, id)[0])["prompt"]["messages"]
    assert [one["role"] for one in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert messages[2]["tool_call_id"] == messages[1]["tool_calls"][0]["id"] == call.id


def test_a_text_before_calls(client: OpenAI) -> None:
    asst, id = assistant(client, model="said-and-called", tools=[WEATHER, TIME]), thread(client)
    client.beta.threads.messages.create(id, role="user", content="hi")
    with client.beta.threads.runs.stream(
        thread_id=id, assistant_id=asst, event_handler=Handler()
    ) as stream:
        run = stream.get_final_run()
    assert run.status == "requires_action"
    assert once(stream.names)[:10] == [*BEGINNING, *MESSAGE]
    assert texts(client, id)[0].strip() == "Wait."


def test_limits_of_tokens(client: OpenAI) -> None:
    asst, id = assistant(client), thread(client, "one two three four")
    cut = client.beta.threads.runs.create_and_poll(
        thread_id=id, assistant_id=asst, max_completion_tokens=2, poll_interval_ms=20
    )
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_completion_tokens"
    (message,) = client.beta.threads.messages.list(id, run_id=cut.id)
    assert (message.status, texts(client, id)[0]) == ("incomplete", "one two")
    assert message.incomplete_details is not None
    assert message.incomplete_details.reason == "max_tokens"
    client.beta.threads.messages.create(id, role="user", content="five six")
    kept = client.beta.threads.runs.create_and_poll(
        thread_id=id,
        assistant_id=assistant(client, model="reveal"),
        max_prompt_tokens=6,
        poll_interval_ms=20,
    )
    assert kept.status == "completed"
    messages = json.loads(texts(client, id)[0])["prompt"]["messages"]
    assert [one["content"] for one in messages] == ["one two", "five six"]
    exceeded = client.beta.threads.runs.create_and_poll(
        thread_id=id, assistant_id=asst, max_prompt_tokens=1, poll_interval_ms=20
    )
    assert exceeded.incomplete_details is not None
    assert exceeded.incomplete_details.reason == "max_prompt_tokens"


def test_truncation(client: OpenAI) -> None:
    id = thread(client, *(f"number {n}" for n in range(9)))
    reveal = assistant(client, model="reveal")
    last = client.beta.threads.runs.create_and_poll(
        thread_id=id,
        assistant_id=reveal,
        truncation_strategy={"type": "last_messages", "last_messages": 2},
        poll_interval_ms=20,
    )
    assert last.truncation_strategy is not None
    assert last.truncation_strategy.last_messages == 2
    messages = json.loads(texts(client, id)[0])["prompt"]["messages"]
    assert [one["content"] for one in messages] == ["number 7", "number 8"]
    client.beta.threads.messages.delete(
        client.beta.threads.messages.list(id).data[0].id, thread_id=id
    )
    fits = client.beta.threads.runs.create_and_poll(
        thread_id=id, assistant_id=assistant(client, model="small"), poll_interval_ms=20
    )
    assert (fits.status, texts(client, id)[0]) == ("completed", "number 8")
    never = client.beta.threads.runs.create_and_poll(
        thread_id=thread(client, WORDS),
        assistant_id=assistant(client, model="small"),
        poll_interval_ms=20,
    )
    assert never.status == "failed"
    assert never.last_error is not None
    assert never.last_error.code == "invalid_prompt"


def test_an_engine_that_fails(client: OpenAI) -> None:
    asst, id = assistant(client, model="fails-later"), thread(client, "one two three four")
    with client.beta.threads.runs.stream(
        thread_id=id, assistant_id=asst, event_handler=Handler()
    ) as stream:
        run = stream.get_final_run()
    assert (run.status, run.last_error is None) == ("failed", False)
    assert stream.names[-3:] == [
        "thread.message.incomplete",
        "thread.run.step.failed",
        "thread.run.failed",
    ]
    assert run.last_error is not None
    assert run.last_error.code == "server_error"
    (message,) = client.beta.threads.messages.list(id, run_id=run.id)
    assert message.incomplete_details is not None
    assert message.incomplete_details.reason == "run_failed"


def test_cancelling_while_it_answers(server: Running, client: OpenAI) -> None:
    asst, id = assistant(client, model="slow"), thread(client, "a b")
    with client.beta.threads.runs.stream(
        thread_id=id, assistant_id=asst, event_handler=Handler()
    ) as stream:
        for event in stream:
            if event.event == "thread.message.delta":
                break
        run = stream.current_run
        assert run is not None
        answer = client.beta.threads.runs.cancel(run.id, thread_id=id)
        assert answer.status in ("cancelling", "cancelled")
        assert stream.get_final_run().status == "cancelled"
    assert stream.names[-3:] == [
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
    ]
    wait_until(lambda: occupancy(server, "slow") == (0, 0))
    (message,) = client.beta.threads.messages.list(id, run_id=run.id)
    assert message.status == "incomplete"
    assert message.incomplete_details is not None
    assert message.incomplete_details.reason == "run_cancelled"
    assert client.beta.threads.runs.retrieve(run.id, thread_id=id).cancelled_at


def test_a_deleted_thread_ends_its_run(server: Running, client: OpenAI) -> None:
    asst, id = assistant(client, model="endless"), thread(client, "a")
    run = client.beta.threads.runs.create(id, assistant_id=asst)
    wait_until(lambda: occupancy(server, "endless")[0] == 1)
    assert client.beta.threads.delete(id).deleted
    wait_until(lambda: occupancy(server, "endless") == (0, 0))
    with pytest.raises(NotFoundError, match="No thread found"):
        client.beta.threads.runs.retrieve(run.id, thread_id=id)


def test_a_run_expires_that_waits_too_long(server: Running, client: OpenAI) -> None:
    asst, id = assistant(client, tools=[WEATHER]), thread(client, "a")
    run = client.beta.threads.runs.create_and_poll(
        thread_id=id, assistant_id=asst, tool_choice="required", poll_interval_ms=20
    )
    assert run.status == "requires_action"
    assert run.expires_at is not None
    in_database(server, "update runs set expires_at=1 where id=$1", run.id)
    expired = client.beta.threads.runs.retrieve(run.id, thread_id=id)
    assert (expired.status, expired.required_action) == ("expired", None)
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=id)
    assert step.status == "expired"
    client.beta.threads.messages.create(id, role="user", content="again")
    assert (
        client.beta.threads.runs.create_and_poll(
            thread_id=id, assistant_id=asst, poll_interval_ms=20
        ).status
        == "completed"
    )


def in_database(server: Running, statement: str, *args: Any) -> None:
    """Run a statement in a connection of its own."""

    async def scenario() -> None:
        store = Store(server.app.state.services.settings.data)
        try:
            async with (await store.database()).write() as query:
                await query(statement, *args)
        finally:
            await store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("headers", [{}, {"openai-beta": "assistants=v1"}, {"openai-beta": "x"}])
def test_the_header_of_the_second_version(server: Running, headers: dict[str, str]) -> None:
    refused = fetch(f"{server.url}/v1/assistants", headers=headers)
    error = json.loads(refused.body)["error"]
    assert (refused.status, error["code"], error["param"]) == (400, "invalid_beta", None)
    assert "OpenAI-Beta: assistants=v2" in error["message"]
    taken = fetch(f"{server.url}/v1/assistants", headers={"openai-beta": "x, assistants=v2"})
    assert taken.status == 200


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"model": "nothing"}, "model"),
        ({"tools": [{"type": "code_interpreter"}]}, "tools[0].type"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].function.name"),
        ({"temperature": 3}, "temperature"),
        ({"name": "n" * 257}, "name"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"tool_resources": {"code_interpreter": {"file_ids": ["file-1"]}}},
            "tool_resources.code_interpreter",
        ),
        ({"tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}}}, "vector_store_id"),
    ],
)
def test_assistants_that_are_refused(client: OpenAI, options: Any, param: str) -> None:
    with pytest.raises((BadRequestError, NotFoundError)) as raised:
        assistant(client, **options)
    if options.get("tools") != [{"type": "retrieval"}]:
        assert raised.value.param == param


def test_what_is_left_out(server: Running, client: OpenAI) -> None:
    made = client.beta.assistants.with_raw_response.create(
        model="echo", tools=[WEATHER, {"type": "code_interpreter"}]
    )
    assert "code_interpreter" in made.headers["x-openedai-warning"]
    assert [tool.type for tool in made.parse().tools] == ["function"]


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"assistant_id": "asst_nothing"}, "assistant_id"),
        ({"model": "nothing"}, "model"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"max_prompt_tokens": 0}, "max_prompt_tokens"),
        ({"truncation_strategy": {"type": "last_messages"}}, "truncation_strategy.last_messages"),
        ({"include": ["x"]}, "include[0]"),
        (
            {"additional_messages": [{"role": "user", "content": "a", "attachments": [{}]}]},
            "additional_messages[0].attachments[0].file_id",
        ),
    ],
)
def test_runs_that_are_refused(client: OpenAI, options: Any, param: str) -> None:
    asst, id = assistant(client), thread(client, "a")
    with pytest.raises((BadRequestError, NotFoundError)) as raised:
        client.beta.threads.runs.create(id, **{"assistant_id": asst, **options})
    if "include" not in options:
        assert raised.value.param == param
    assert list(client.beta.threads.runs.list(id)) == []
