"""Stored responses while servers are killed, the disk is full, and PostgreSQL restarts.

Nothing is lost, doubled or stuck.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import APIError, APIStatusError, InternalServerError, NotFoundError, OpenAI
from openai.types.responses import Response

from tests.databases import Program
from tests.process.serving import Process, serving
from tests.process.settings_files import model_table, settings_file
from tests.support import wait_until
from tests.torture.machine import fill, tracebacks

CONFIG = settings_file(
    model_table("echo"),
    model_table("slow", delay=0.2, slots=300),
    model_table("steady", delay=0.01, slots=64),
)
WORDS = " ".join(f"w{number}" for number in range(60))
LARGE = "x" * 100_000
CLIENTS = 8
RESTARTS = 3
WARNING = "x-openedai-warning"


def begin(client: OpenAI, model: str, text: str, **options: Any) -> Any:
    create: Any = client.responses.create
    return create(model=model, input=text, background=True, **options)


def ended(client: OpenAI, id: str, seconds: float = 60) -> Response:
    open = ("queued", "in_progress")
    wait_until(lambda: client.responses.retrieve(id).status not in open, seconds)
    return client.responses.retrieve(id)


def is_stored(client: OpenAI, id: str) -> bool:
    try:
        client.responses.retrieve(id)
    except NotFoundError:
        return False
    return True


def is_stored_chat(client: OpenAI, id: str) -> bool:
    try:
        client.chat.completions.retrieve(id)
    except NotFoundError:
        return False
    return True


def no_tracebacks(*servers: Process) -> None:
    found = [text for server in servers for text in tracebacks(server)]
    assert not found, found[0]


class Reader:
    """Reads a stream, as often as it breaks off, from the other server."""

    def __init__(self, first: OpenAI, second: OpenAI) -> None:
        self.clients = [first, second]
        self.events: list[Any] = []

    def read(self, id: str) -> list[Any]:
        """All events of the response, from the first on."""
        deadline = time.monotonic() + 60
        while not self.events or not self.events[-1].type.endswith((".completed", ".failed")):
            assert time.monotonic() < deadline, "the stream has not ended"
            after: Any = {"starting_after": len(self.events) - 1} if self.events else {}
            try:
                for event in self.clients[0].responses.retrieve(id, stream=True, **after):
                    self.events.append(event)
            except (APIError, httpx2.HTTPError):
                self.clients.reverse()
        return self.events


def test_a_killed_server(tmp_path: Path, database_url: str) -> None:
    """200 responses at once on the server that is killed, and a stream with three readers."""
    shared = {"data": tmp_path / "data", "database": database_url}
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with (
        serving(tmp_path / "first", CONFIG, **shared) as first,
        serving(tmp_path / "second", CONFIG, **shared) as second,
        ExitStack() as clients,
        ThreadPoolExecutor(11) as threads,
    ):
        here, there = [clients.enter_context(one.client()) for one in (first, second)]
        stream = begin(here, "slow", WORDS, stream=True)
        id = next(stream).response.id
        stream.close()
        made = list(threads.map(lambda n: begin(here, "steady", f"{n} {WORDS}"), range(200)))
        assert len({one.id for one in made}) == 200
        readers = [Reader(here, there), Reader(there, here), Reader(there, here)]
        reading = [threads.submit(reader.read, id) for reader in readers]
        wait_until(lambda: all(len(reader.events) > 8 for reader in readers))
        first.process.kill()
        seen = [[event.to_dict() for event in one.result(90)] for one in reading]
        done = [ended(there, one.id) for one in made]
        assert ended(there, id).to_dict() == seen[0][-1]["response"]
    for number, one in enumerate(done):
        assert (one.status, one.output_text) == ("completed", f"{number} {WORDS}")
    assert [event["sequence_number"] for event in seen[0]] == list(range(len(seen[0])))
    assert seen[0] == seen[1] == seen[2]
    no_tracebacks(first, second)


def test_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    """An answer that cannot be stored is given, with a warning; nothing is stored by half."""
    with serving(tmp_path, CONFIG, data=small_disk / "data") as server, server.client() as client:
        conversation = client.conversations.create(metadata={"a": "b"}).id
        kept = client.responses.create(model="echo", input="kept", conversation=conversation)
        streams = [begin(client, "slow", WORDS, stream=True) for _ in range(2)]
        ids = [next(stream).response.id for stream in streams]
        whole = [begin(client, "slow", f"{n} {WORDS}") for n in range(8)]
        wait_until(lambda: server.gauge("openedai_model_running", "slow") == 10)
        file = fill(small_disk)
        refused = full_disk(client, conversation)
        assert refused, "the disk was not full"
        wait_until(lambda: any("no space left" in line for line in server.log))
        file.unlink()
        for number, one in enumerate(whole):
            done = ended(client, one.id)
            assert (done.status, done.output_text) == ("completed", f"{number} {WORDS}")
        for id, stream in zip(ids, streams, strict=True):
            done = ended(client, id)
            assert done.status in ("completed", "failed")
            *_, last = stream
            assert last.response.to_dict() == done.to_dict()
            again = list(client.responses.retrieve(id, stream=True))
            assert [event.sequence_number for event in again] == list(range(len(again)))
        assert client.responses.retrieve(kept.id).output_text == "kept"
        after = client.responses.create(model="echo", input="after", previous_response_id=kept.id)
        assert client.responses.retrieve(after.id).output_text == "after"
    no_tracebacks(server)


def full_disk(client: OpenAI, conversation: str) -> int:
    """How much could not be stored while the disk is full. What could, is there as a whole."""
    refused = 0

    def items() -> int:
        return len(client.conversations.items.list(conversation, limit=100).data)

    before = items()
    for _ in range(5):
        create = client.responses.with_raw_response.create
        raw = create(model="echo", input=LARGE, conversation=conversation)
        answer = raw.parse()
        assert answer.output_text == LARGE
        stored = WARNING not in raw.headers
        assert is_stored(client, answer.id) == stored
        assert items() == before + 2 * stored
        before = items()
        refused += not stored
        events: Any = list(client.responses.create(model="echo", input=LARGE, stream=True))
        assert events[-1].type == "response.completed"
        message: Any = {"role": "user", "content": LARGE}
        chats = client.chat.completions
        chat = chats.with_raw_response.create(model="echo", messages=[message], store=True)
        assert is_stored_chat(client, chat.parse().id) == (WARNING not in chat.headers)
        with pytest.raises(InternalServerError) as full:
            begin(client, "echo", LARGE)
        assert full.value.status_code == 503
        assert "no space left" in full.value.message
        with pytest.raises(InternalServerError):
            client.conversations.items.create(conversation, items=[message] * 3)
        assert items() == before
    return refused


class Load:
    """A client that stores one response after the other, and what is known of them."""

    def __init__(self, server: Process, number: int) -> None:
        self.server = server
        self.number = number
        self.stored: dict[str, str] = {}
        self.begun: dict[str, str] = {}
        self.refused: list[int] = []
        self.stopped = False

    def run(self) -> None:
        with self.server.client() as client:
            count = 0
            while not self.stopped:
                count += 1
                try:
                    self._request(client, f"{self.number} {count}")
                except APIStatusError as error:
                    self.refused.append(error.status_code)

    def _request(self, client: OpenAI, text: str) -> None:
        raw = client.responses.with_raw_response.create(model="echo", input=text)
        if WARNING not in raw.headers:
            self.stored[raw.parse().id] = text
        self.begun[begin(client, "echo", text).id] = text

    def check(self, client: OpenAI) -> None:
        for id, text in self.stored.items():
            assert client.responses.retrieve(id).output_text == text
        for id, text in self.begun.items():
            done = ended(client, id)
            assert (done.status, done.output_text) == ("completed", text)


def more(loads: list[Load], least: int) -> None:
    """Wait until so many responses have begun in the background."""
    wait_until(lambda: sum(len(load.begun) for load in loads) >= least, 60)


def test_postgres_restarts_under_load(tmp_path: Path, restartable_postgres: Program) -> None:
    """What is said to be stored is; what cannot be is a warning or a 503; all jobs end."""
    settings = {"data": tmp_path / "data", "database": restartable_postgres.address}
    with serving(tmp_path, CONFIG, **settings) as server, ThreadPoolExecutor(CLIENTS) as threads:
        loads = [Load(server, number) for number in range(CLIENTS)]
        running: list[Future[None]] = [threads.submit(load.run) for load in loads]
        try:
            for number in range(RESTARTS):
                more(loads, 50 * (number + 1))
                restartable_postgres.restart()
        finally:
            for load in loads:
                load.stopped = True
        for one in running:
            one.result(60)
        with server.client() as client:
            for load in loads:
                load.check(client)
                assert set(load.refused) <= {503}
    no_tracebacks(server)
