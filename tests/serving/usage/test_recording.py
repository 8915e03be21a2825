"""What requests and jobs used is recorded, for whom and with its origin."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, NotFoundError, OpenAI

from openedai.config import ModelSpec, Price, Secret, Settings
from openedai.store.store import Store
from openedai.store.usage.records import UsageRecord
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings, wait_until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

HELLO: Any = [{"role": "user", "content": "one two three"}]
PRICES = {"echo": Price(input=1.0, output=2.0, image=0.25), "slow": Price(output=1e6)}


@pytest.fixture
def options(tmp_path: Path, database_url: str) -> Settings:
    tuned = ModelSpec(id="remote", engine="echo", options={"names": ["small"]}, prefix="far")
    return echo_settings(
        data=tmp_path,
        usage=True,
        prices=PRICES,
        models=(*ECHO_MODELS, tuned),
        database=Secret(database_url) if database_url else None,
    )


@pytest.fixture
def running(options: Settings) -> Iterator[Running]:
    """The test ends the server before it reads what was recorded."""
    thread = ServerThread(options)
    with thread as running:
        yield running


def recorded(server: Running) -> list[UsageRecord]:
    """All records, once the server has written them, in the order in which they were made."""
    usage = server.app.state.services.usage
    wait_until(lambda: not len(usage.writer), 20)
    settings: Settings = server.app.state.services.settings
    return records_of(settings.data, settings.database.reveal() if settings.database else "")


def records_of(folder: Path, database_url: str = "") -> list[UsageRecord]:
    async def read() -> list[UsageRecord]:
        store = Store(folder, database_url)
        names = UsageRecord.__struct_fields__
        sql = f"select {', '.join(names)} from usage_records order by id"
        rows = await (await store.database()).read(sql)
        await store.close()
        return [UsageRecord(**dict(zip(names, row, strict=True))) for row in rows]

    return asyncio.run(read())


def test_requests_of_clients(running: Running) -> None:
    before = int(time.time())
    with running.client() as client:
        whole = client.chat.completions.with_raw_response.create(model="parrot", messages=HELLO)
        with client.chat.completions.create(
            model="echo", messages=HELLO, n=2, stream=True
        ) as stream:
            assert len([*stream]) > 6
        client.embeddings.create(model="echo", input=["a b", "c"])
        client.moderations.create(model="echo", input="a b")
        client.images.generate(model="echo", prompt="red", n=2, size="64x32")
        with pytest.raises(APIError):
            client.chat.completions.create(model="fails-first", messages=HELLO)
        with pytest.raises(APIError):
            client.chat.completions.create(model="unloadable", messages=HELLO)
        with pytest.raises(NotFoundError):
            client.chat.completions.create(model="nobody", messages=HELLO)
        client.models.list()
    chat, streamed, embedding, moderation, images, failed, unloadable = recorded_when(running, 7)
    assert chat.request == whole.headers["x-request-id"]
    assert before <= chat.at <= time.time()
    assert (chat.kind, chat.model, chat.route) == ("completions", "echo", "/v1/chat/completions")
    assert (chat.status, chat.prompt_tokens, chat.completion_tokens) == (200, 4, 3)
    assert (chat.key, chat.project, chat.origin) == ("", "", "")
    assert chat.first_token_seconds is not None
    assert 0 < chat.first_token_seconds <= chat.seconds < 60
    assert chat.bytes_in > 50
    assert chat.bytes_out == len(whole.content)
    assert (chat.input_cost, chat.output_cost) == (4e-6, 6e-6)
    assert (streamed.prompt_tokens, streamed.completion_tokens) == (8, 6)
    assert streamed.bytes_out > 6 * 100
    assert (embedding.kind, embedding.prompt_tokens) == ("embeddings", 3)
    assert (embedding.output_cost, embedding.input_cost) == (0, 3e-6)
    assert (moderation.kind, moderation.prompt_tokens > 0) == ("moderations", True)
    assert (images.kind, images.images, images.size) == ("images", 2, "64x32")
    assert images.unit_cost == 0.5
    assert (failed.kind, failed.model, failed.status) == ("completions", "fails-first", 500)
    assert failed.completion_tokens == 0
    assert (unloadable.kind, unloadable.model, unloadable.status) == ("", "unloadable", 500)


def test_a_client_that_leaves(running: Running) -> None:
    """What was generated for it counts, and is paid."""
    with running.client() as client:
        stream = client.chat.completions.create(model="slow", messages=HELLO, stream=True)
        for _ in range(5):
            next(stream)
        stream.close()
    (left,) = recorded_when(running, 1)
    assert (left.status, left.kind) == (499, "completions")
    assert left.completion_tokens >= 4
    assert left.output_cost == left.completion_tokens


def recorded_when(server: Running, count: int) -> list[UsageRecord]:
    """The records, once there are so many."""
    found: list[UsageRecord] = []

    def enough() -> bool:
        found[:] = recorded(server)
        return len(found) >= count

    wait_until(enough, 30)
    return found


def batch_file(client: OpenAI) -> str:
    body = {"model": "echo", "messages": HELLO}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    content = json.dumps(line).encode()
    return client.files.create(file=("a.jsonl", content), purpose="batch").id


def test_jobs(running: Running) -> None:
    with running.client() as client:
        batch = client.batches.create(
            input_file_id=batch_file(client),
            endpoint="/v1/chat/completions",
            completion_window="24h",
        )
        wait_until(lambda: client.batches.retrieve(batch.id).status == "completed")
        response = client.responses.create(model="echo", input="one two", background=True)
        wait_until(lambda: client.responses.retrieve(response.id).status == "completed")
        file = client.files.create(file=("a.txt", b"some text"), purpose="assistants").id
        made = client.vector_stores.create(file_ids=[file])
        wait_until(lambda: client.vector_stores.retrieve(made.id).status == "completed")
        assistant = client.beta.assistants.create(model="echo")
        run = client.beta.threads.create_and_run(
            assistant_id=assistant.id, thread={"messages": HELLO}
        )
        runs = client.beta.threads.runs
        wait_until(lambda: runs.retrieve(run.id, thread_id=run.thread_id).status == "completed")
    found = {one.origin: one for one in recorded_when(running, 4)}
    kinds = {origin: (one.kind, one.status, one.request) for origin, one in found.items()}
    assert kinds.pop("batch")[:2] == ("completions", 200)
    assert kinds.pop("vector_store")[:2] == ("embeddings", 200)
    assert kinds == {
        "response": ("completions", 200, response.id),
        "run": ("completions", 200, run.id),
    }
    assert found["batch"].prompt_tokens == 4
    assert found["batch"].route == "/v1/chat/completions"


def test_the_parts_of_a_request(running: Running) -> None:
    """A request that uses two models has a record for each, and its bytes and time once."""
    with running.client() as client:
        body = {"model": "echo", "messages": HELLO, "moderation": {"model": "echo"}}
        client.post("/chat/completions", body=body, cast_to=object)
    records = {one.kind: one for one in recorded_when(running, 2)}
    assert set(records) == {"completions", "moderations"}
    assert len({one.request for one in records.values()}) == 1
    assert sum(one.bytes_in > 0 for one in records.values()) == 1


def test_calls_of_tools(running: Running) -> None:
    """Each is a record beside those of the models."""
    calls = "".join(
        f'<tool_call>{{"name": "file_search", "arguments": {{"query": "{query}"}}}}</tool_call>'
        for query in ("cats", "dogs")
    )
    with running.client() as client:
        store = client.vector_stores.create()
        tools: Any = [{"type": "file_search", "vector_store_ids": [store.id]}]
        answer = client.responses.create(model="parrot", input=calls, tools=tools)
    assert [item.type for item in answer.output[:2]] == ["file_search_call"] * 2
    found = [one for one in recorded_when(running, 3) if one.kind == "file_search_calls"]
    assert {(one.model, one.status, one.prompt_tokens) for one in found} == {("echo", 200, 0)}
    assert sorted(one.first_token_seconds is None for one in found) == [False, True]


@pytest.mark.usefixtures("confined")
def test_sessions_of_code(running: Running) -> None:
    """Each container that is made is one, with the request or job that made it."""
    call = json.dumps({"name": "code_interpreter", "arguments": {"code": "1"}})
    text = f"<tool_call>{call}</tool_call>"
    auto: Any = [{"type": "code_interpreter", "container": {"type": "auto"}}]
    with running.client() as client:
        made = client.containers.create(name="a").id
        again: Any = [{"type": "code_interpreter", "container": made}]
        client.responses.create(model="echo", input=text, tools=again)
        client.responses.create(model="echo", input=text, tools=auto)
        assistant = client.beta.assistants.create(
            model="echo", tools=[{"type": "code_interpreter"}]
        )
        thread = client.beta.threads.create()
        for _ in range(2):
            client.beta.threads.messages.create(thread.id, role="user", content=text)
            run = client.beta.threads.runs.create_and_poll(
                thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
            )
            assert run.status == "completed"
        assert len(client.containers.list().data) == 3
    wait_until(lambda: len(recorded(running)) >= 7, 30)
    found = [one for one in recorded(running) if one.kind == "code_interpreter_sessions"]
    assert [(one.route, one.model, one.origin, one.status) for one in found] == [
        ("/v1/containers", "", "", 200),
        ("/v1/responses", "echo", "", 200),
        (found[2].route, "echo", "run", 200),
    ]
    assert found[2].request.startswith("run_")


def test_whose_it_is(tmp_path: Path) -> None:
    keys = (Secret("key-one-000000"), Secret("key-two-000000"))
    settings = echo_settings(data=tmp_path, usage=True, api_keys=keys)
    with ServerThread(settings) as running:
        for key in ("key-one-000000", "key-two-000000"):
            with running.client(api_key=key) as client:
                client.chat.completions.create(model="echo", messages=HELLO)
        first, second = recorded_when(running, 2)
    assert first.project
    assert first.key
    assert (first.project, first.key) != (second.project, second.key)


def test_nothing_is_opened_before_a_request_uses_a_model(tmp_path: Path) -> None:
    with ServerThread(echo_settings(data=tmp_path, usage=True)) as running:
        with running.client() as client:
            client.models.list()
        assert not running.app.state.services.store.exists
    assert not (tmp_path / "openedai.db").exists()


def test_what_waits_is_written_when_the_server_stops(tmp_path: Path) -> None:
    with (
        ServerThread(echo_settings(data=tmp_path, usage=True)) as running,
        running.client() as client,
    ):
        for _ in range(3):
            client.chat.completions.create(model="echo", messages=HELLO)
    assert len(records_of(tmp_path)) == 3


def test_usage_can_be_off(tmp_path: Path) -> None:
    with (
        ServerThread(echo_settings(data=tmp_path)) as running,
        running.client() as client,
    ):
        client.chat.completions.create(model="echo", messages=HELLO)
        assert running.app.state.services.usage is None
    assert not (tmp_path / "openedai.db").exists()


def test_it_is_on_by_default() -> None:
    assert Settings(_env_file=None).usage
