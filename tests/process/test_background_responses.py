"""Background responses whose engine's worker is killed: each ends, and its readers with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import OpenAI
from openai.types.responses import Response

from tests.process.serving import Process, serving
from tests.process.settings_files import ENDLESS, model_table, settings_file
from tests.support import wait_until

CONFIG = settings_file(
    model_table("endless", **ENDLESS, slots=16),
    model_table("late", worker=True, load_delay=0.5),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with serving(tmp_path_factory.mktemp("server"), CONFIG) as process:
        yield process


@pytest.fixture
def client(server: Process) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def begin(client: OpenAI, model: str, **options: Any) -> Any:
    create: Any = client.responses.create
    return create(model=model, input="one two three", background=True, **options)


def ended(client: OpenAI, id: str) -> Response:
    wait_until(lambda: client.responses.retrieve(id).status not in ("queued", "in_progress"))
    return client.responses.retrieve(id)


def kill_the_worker(server: Process) -> None:
    (worker,) = server.workers()
    worker.kill()


def test_in_the_middle_of_answers(server: Process, client: OpenAI) -> None:
    """A whole one and a stream with three readers fail, and say so."""
    whole = begin(client, "endless")
    stream = begin(client, "endless", stream=True)
    seen = [next(stream) for _ in range(10)]
    id = seen[0].response.id

    def read(after: int) -> list[Any]:
        with server.client() as one:
            rest = one.responses.retrieve(id, stream=True, starting_after=after)
            return [*seen[: after + 1], *rest]

    wait_until(lambda: server.gauge("openedai_model_running", "endless") == 2)
    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(read, after) for after in (0, 5)]
        kill_the_worker(server)
        found = [[*seen, *stream], *[reader.result(60) for reader in readers]]
    events = [[event.to_dict() for event in one] for one in found]
    assert events[0] == events[1] == events[2]
    assert [event["sequence_number"] for event in events[0]] == list(range(len(events[0])))
    assert [event["type"] for event in events[0][-2:]] == ["error", "response.failed"]
    for one in (ended(client, whole.id), ended(client, id)):
        assert one.status == "failed"
        assert one.error is not None
        assert one.error.code == "server_error"
        assert "stopped unexpectedly" in one.error.message
    assert client.responses.retrieve(id).to_dict() == events[0][-1]["response"]
    wait_until(lambda: server.gauge("openedai_model_running", "endless") == 0)
    answer = client.responses.create(model="endless", input="hi", max_output_tokens=16)
    assert answer.output_text.startswith("hi")


def test_before_an_answer(server: Process, client: OpenAI) -> None:
    """It is made by the next worker."""
    before = set(server.workers())
    made = begin(client, "late")
    wait_until(lambda: len(set(server.workers()) - before) == 1)
    for worker in set(server.workers()) - before:
        worker.kill()
    done = ended(client, made.id)
    assert (done.status, done.output_text) == ("completed", "one two three")
