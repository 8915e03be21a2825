"""Two servers on one database, both asked about the same responses; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import NotFoundError, OpenAI

from openedai.config import ModelSpec
from tests.support import ServerThread, echo_settings, occupancy, wait_until

WORDS = " ".join(f"w{number}" for number in range(40))
LEASE = 6.0  # the other server hears of a cancellation in a third of it
MODELS = (
    ModelSpec(id="echo", engine="echo"),
    ModelSpec(id="steady", engine="echo", options={"delay": 0.01}),
    ModelSpec(id="endless", engine="echo", options={"delay": 3600}),
)


class Pair:
    """Clients of both servers, and how much the servers do."""

    def __init__(self, folder: Path, url: str) -> None:
        database = {"database": url} if url else {}
        settings = echo_settings(data=folder, models=MODELS, **database)
        self.servers = [ServerThread(settings, lease=LEASE) for _ in range(2)]
        self.clients: list[OpenAI] = []

    def running(self, model: str) -> int:
        return sum(occupancy(server, model)[0] for server in self.found)

    def __enter__(self) -> Pair:
        self.found = [server.__enter__() for server in self.servers]
        self.clients = [one.client() for one in self.found]
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()
        for server in self.servers:
            server.__exit__()


@pytest.fixture
def pair(tmp_path: Path, database_url: str) -> Iterator[Pair]:
    with Pair(tmp_path, database_url) as pair:
        yield pair


def begin(client: OpenAI, model: str, **options: Any) -> Any:
    create: Any = client.responses.create
    return create(model=model, input=WORDS, background=True, **options)


def resumed(client: OpenAI, id: str, after: int) -> list[Any]:
    events = client.responses.retrieve(id, stream=True, starting_after=after)
    return [event.to_dict() for event in events]


def test_both_read_what_either_makes(pair: Pair) -> None:
    streams = [begin(client, "steady", stream=True) for client in pair.clients]
    firsts = [next(stream) for stream in streams]
    ids = [first.response.id for first in firsts]
    with ThreadPoolExecutor(6) as threads:
        readers = [
            threads.submit(resumed, client, id, after)
            for id in ids
            for client, after in zip(pair.clients * 2, (0, 0, 7, 20), strict=True)
        ]
        whole = [
            [event.to_dict() for event in (first, *stream)]
            for first, stream in zip(firsts, streams, strict=True)
        ]
        found = [reader.result(60) for reader in readers]
    for number, events in enumerate(whole):
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[-1]["type"] == "response.completed"
        rests = found[4 * number : 4 * number + 4]
        assert rests == [events[1:], events[1:], events[8:], events[21:]]
        for client in pair.clients:
            assert client.responses.retrieve(ids[number]).to_dict() == events[-1]["response"]
            assert resumed(client, ids[number], 9) == events[10:]


def test_either_cancels_and_deletes(pair: Pair) -> None:
    here, there = pair.clients
    made = [begin(here, "endless") for _ in range(4)]
    wait_until(lambda: pair.running("endless") == 4)
    with ThreadPoolExecutor(8) as threads:
        cancelled = [
            threads.submit(client.responses.cancel, one.id)
            for one in made[:3]
            for client in pair.clients
        ]
        assert {one.result(30).status for one in cancelled} == {"cancelled"}
    there.responses.delete(made[3].id)
    wait_until(lambda: pair.running("endless") == 0)
    for client in pair.clients:
        assert {client.responses.retrieve(one.id).status for one in made[:3]} == {"cancelled"}
        with pytest.raises(NotFoundError):
            client.responses.retrieve(made[3].id)


def test_a_turn_is_gone_on_from_on_the_other(pair: Pair) -> None:
    here, there = pair.clients
    first = here.responses.create(model="echo", input="one two")
    second = there.responses.create(model="echo", input="three", previous_response_id=first.id)
    assert second.usage is not None
    assert first.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    items = here.responses.input_items.list(second.id).data
    assert len(items) == 1
    there.responses.delete(first.id)
    with pytest.raises(NotFoundError):
        here.responses.create(model="echo", input="four", previous_response_id=second.id)
