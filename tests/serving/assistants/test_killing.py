"""Runs whose servers are killed in generations and between tool calls: each ends, and its readers
see each event once; on both databases.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from openedai.serving.assistants.keeping import AssistantKeeping, new_job
from openedai.serving.services import Services
from openedai.store.assistants.messages import Message, MessageFields
from openedai.store.assistants.runs import WORKING, Run, RunFields
from openedai.store.assistants.steps import Step, StepFields
from openedai.store.assistants.threads import ThreadFields
from tests.serving.servers import SHORT_LEASE, app_of, process, ready, running

WORDS = " ".join(f"w{number}" for number in range(60))
TOOL = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}


async def begin(keeping: AssistantKeeping, number: int, *, stream: bool, call: bool = False) -> Run:
    """A queued run, as a request would make it."""
    content = [{"type": "text", "text": {"value": f"{number} {WORDS}", "annotations": []}}]
    question = MessageFields(created_at=1, role="user", content=content)
    thread = await keeping.create_thread(
        "me", ThreadFields(), [Message(f"msg_{number}", "", None, question)]
    )
    run = Run(
        id=f"run_{number}",
        thread=thread.id,
        owner="me",
        created_at=1.0,
        expires_at=4e9,
        status="queued",
        job=new_job(),
        streamed=int(stream),
        fields=RunFields(
            assistant="asst_1",
            model="wide",
            instructions="",
            caller="me",
            truncation={"type": "auto", "last_messages": None},
            tools=[TOOL] if call else [],
            tool_choice="required" if call else "auto",
        ),
    )
    first = b'thread.run.created {"id":"%b"}' % run.id.encode()
    await keeping.begin(run, [], [first])
    return run


async def read(keeping: AssistantKeeping, run: Run) -> list[bytes]:
    """All events of a run, as a reader gets them while it is made."""
    return [event async for events in keeping.follow(run, -1) for event in events]


async def until_events(keeping: AssistantKeeping, run: Run, number: int) -> None:
    async for events in keeping.follow(run, number):
        if events:
            return


async def ended(keeping: AssistantKeeping, run: Run) -> Run:
    while True:
        found = await keeping.find_run(run.owner, run.thread, run.id)
        if found.status not in WORKING:
            return found
        await asyncio.sleep(0.05)


async def messages_of(keeping: AssistantKeeping, run: Run) -> list[tuple[str, str]]:
    """The status and the text of each message that a run has made."""
    return [
        (one.fields.status, "".join(part["text"]["value"] for part in one.fields.content))
        for one in await keeping.messages.all(run.thread)
        if one.run == run.id
    ]


async def steps_of(keeping: AssistantKeeping, run: Run) -> list[tuple[str, str, str | None]]:
    """The type, the status and the error's code of each step of a run."""
    steps = [step.fields for step in await keeping.steps.all(run.thread)]
    return [(step.type, step.status, step.error_code) for step in steps]


async def begun(keeping: AssistantKeeping, run: Run) -> str:
    """The id of the run's message, as soon as one is in progress."""
    while True:
        for message in await keeping.messages.all(run.thread):
            if message.run == run.id:
                assert (message.fields.status, message.fields.content) == ("in_progress", [])
                assert await steps_of(keeping, run) == [("message_creation", "in_progress", None)]
                return message.id
        await asyncio.sleep(0.02)


async def until(keeping: AssistantKeeping, run: Run, status: str) -> Run:
    while True:
        found = await keeping.find_run(run.owner, run.thread, run.id)
        if found.status == status:
            return found
        await asyncio.sleep(0.02)


def test_a_server_is_killed(tmp_path: Path, database_url: str) -> None:
    async def scenario() -> None:
        services: Services = app_of(tmp_path, database_url).state.services
        keeping = services.assistants
        calling = await begin(keeping, 5, stream=False, call=True)
        server = ready(process(tmp_path, database_url))
        with server:
            async with asyncio.timeout(60):
                await answer_call(keeping, calling)
                whole = [await begin(keeping, number, stream=False) for number in range(3)]
                streams = [await begin(keeping, number, stream=True) for number in range(3, 5)]
                unwanted = await begin(keeping, 6, stream=False)
                readers = [asyncio.create_task(read(keeping, run)) for run in streams * 3]
                await until(keeping, calling, "in_progress")
                messages = [await begun(keeping, run) for run in (*whole, unwanted)]
                for run in streams:
                    await until_events(keeping, run, 8)
            server.kill()
        assert (await keeping.cancel("me", unwanted.thread, unwanted.id)).status == "cancelling"
        async with running(tmp_path, database_url, SHORT_LEASE), asyncio.timeout(60):
            seen = [await reader for reader in readers]
            ends = [await ended(keeping, run) for run in whole]
            await until(keeping, unwanted, "cancelled")
            await until(keeping, calling, "completed")
        for number, run in enumerate(ends):
            assert run.status == "completed"
            assert await messages_of(keeping, run) == [("completed", f"{number} {WORDS}")]
            assert await steps_of(keeping, run) == [("message_creation", "completed", None)]
        for id, run in zip(messages, (*whole, unwanted), strict=True):
            assert (await keeping.messages.find(run.thread, id)).run == run.id
        assert await messages_of(keeping, unwanted) == [("incomplete", "")]
        assert await steps_of(keeping, unwanted) == [("message_creation", "cancelled", None)]
        assert await messages_of(keeping, calling) == [("completed", WORDS)]
        assert await steps_of(keeping, calling) == [
            ("tool_calls", "completed", None),
            ("message_creation", "completed", None),
        ]
        for reader in range(len(streams)):
            assert seen[reader] == seen[reader + 2] == seen[reader + 4]
            check_broken_off(seen[reader])
        for run in streams:
            assert (await ended(keeping, run)).status == "failed"
            assert await messages_of(keeping, run) == [("incomplete", "")]
            failed = ("message_creation", "failed", "server_error")
            assert await steps_of(keeping, run) == [failed]
        await services.store.close()

    asyncio.run(scenario())


async def answer_call(keeping: AssistantKeeping, run: Run) -> None:
    """Wait for a run's tool call, and give it an output."""
    (call,) = (await until(keeping, run, "requires_action")).fields.calls
    outputs = {call["id"]: WORDS}
    await keeping.submit("me", run.thread, run.id, outputs, lambda step, run: (), streamed=False)


def check_broken_off(events: list[bytes]) -> None:
    """Fails unless these are the events of a run whose server has died."""
    names = [event.partition(b" ")[0].decode() for event in events]
    assert names.count("thread.message.created") == names.count("thread.run.created") == 1
    assert names[-1] == "thread.run.failed"
    last = msgspec.json.decode(events[-1].partition(b" ")[2])
    assert last["last_error"]["code"] == "server_error"


def test_a_run_that_nobody_works_on_any_more(tmp_path: Path, database_url: str) -> None:
    """All its attempts have ended, or it is cancelled after its server has died."""

    async def scenario() -> None:
        services: Services = app_of(tmp_path, database_url).state.services
        keeping, database = services.assistants, await services.store.database()
        failed, cancelled = [await begin(keeping, number, stream=False) for number in range(2)]
        for run in (failed, cancelled):
            message, step = started(run)
            async with database.write() as query:
                await keeping.messages.put(query, message, is_new=True)
                await keeping.steps.put(query, step)
        async with database.write() as query:
            await keeping.fail(query, failed.id, "It has failed five times.")
        await keeping.cancel("me", cancelled.thread, cancelled.id)
        for run, status, code in (
            (failed, "failed", "server_error"),
            (cancelled, "cancelled", None),
        ):
            assert await messages_of(keeping, run) == [("incomplete", "")]
            (*_, message) = await keeping.messages.all(run.thread)
            assert message.fields.incomplete_reason == f"run_{status}"
            assert await steps_of(keeping, run) == [("message_creation", status, code)]
        await services.store.close()

    asyncio.run(scenario())


def started(run: Run) -> tuple[Message, Step]:
    """A message that a run has begun, and its step."""
    fields = MessageFields(created_at=1, role="assistant", content=[], status="in_progress")
    message = Message(f"msg_of_{run.id}", run.thread, run.id, fields)
    made = {"type": "message_creation", "message_creation": {"message_id": message.id}}
    step = StepFields(created_at=1, assistant="asst_1", type="message_creation", details=made)
    return message, Step(f"step_of_{run.id}", run.thread, run.id, step)
