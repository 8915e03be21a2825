"""Responses in the background, and their streams, by the official client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.responses import Response

from openedai.config import ModelSpec
from tests.api.openai.responses.answers import check_events
from tests.support import (
    ECHO_MODELS,
    Running,
    ServerThread,
    echo_settings,
    occupancy,
    wait_until,
)

WORDS = " ".join(f"w{number}" for number in range(40))
MODELS = (
    *ECHO_MODELS,
    ModelSpec(id="steady", engine="echo", options={"delay": 0.01}),
    ModelSpec(id="endless", engine="echo", options={"delay": 3600}),
    ModelSpec(id="small", engine="echo", options={"context": 8}),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = echo_settings(data=tmp_path_factory.mktemp("data"), models=MODELS)
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def begin(client: OpenAI, text: Any = "hi", **options: Any) -> Response:
    given: dict[str, Any] = {"model": "echo", "input": text, "background": True, **options}
    answer: Response = client.responses.create(**given)
    return answer


def ended(client: OpenAI, id: str) -> Response:
    wait_until(lambda: client.responses.retrieve(id).status not in ("queued", "in_progress"), 60)
    return client.responses.retrieve(id)


def stream(client: OpenAI, text: str = WORDS, **options: Any) -> Any:
    return client.responses.create(
        **{"model": "steady", "input": text, "background": True, "stream": True, **options}
    )


def resumed(client: OpenAI, id: str, after: int | None = None) -> list[Any]:
    options: dict[str, Any] = {} if after is None else {"starting_after": after}
    return list(client.responses.retrieve(id, stream=True, **options))


def test_one_is_queued_and_completed(client: OpenAI) -> None:
    made = begin(client, metadata={"a": "b"})
    assert (made.status, made.background, made.output) == ("queued", True, [])
    done = ended(client, made.id)
    assert (done.status, done.output_text, done.metadata) == ("completed", "hi", {"a": "b"})
    assert (done.id, done.created_at, done.background) == (made.id, made.created_at, True)
    assert done.usage is not None
    assert len(list(client.responses.input_items.list(made.id))) == 1
    second = begin(client, "more", previous_response_id=made.id)
    assert ended(client, second.id).output_text == "more"
    with pytest.raises(BadRequestError, match="cannot be streamed"):
        resumed(client, made.id)


def test_what_is_wrong_with_a_request_is_said_at_once(client: OpenAI) -> None:
    for options, param in (
        ({"temperature": 9}, "temperature"),
        ({"store": False}, "background"),
        ({"previous_response_id": "resp_nothing"}, "previous_response_id"),
    ):
        with pytest.raises((BadRequestError, NotFoundError)) as raised:
            begin(client, **options)
        assert raised.value.param == param


def test_one_whose_prompt_does_not_fit_fails(client: OpenAI) -> None:
    done = ended(client, begin(client, WORDS, model="small").id)
    assert (done.status, done.output) == ("failed", [])
    assert done.error is not None
    assert (done.error.code, "context" in done.error.message) == ("invalid_prompt", True)
    events = list(stream(client, model="small"))
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.failed",
    ]
    check_events([event.to_dict() for event in events])
    assert events[-1].response.error.code == "invalid_prompt"
    with client.responses.stream(response_id=events[0].response.id) as again:
        assert [event.sequence_number for event in again] == [0, 1, 2]


def test_one_whose_engine_fails(client: OpenAI) -> None:
    done = ended(client, begin(client, WORDS, model="fails-later").id)
    assert (done.status, done.error is None) == ("failed", False)
    events = list(stream(client, model="fails-later"))
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]


def test_a_stream_is_that_of_the_foreground(client: OpenAI) -> None:
    events = list(stream(client))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    usual = list(client.responses.create(model="steady", input=WORDS, stream=True))
    assert [event.type for event in events] == [event.type for event in usual]
    assert events[-1].response.output_text == WORDS
    assert ended(client, events[0].response.id).to_dict() == events[-1].response.to_dict()


def test_streams_resume(client: OpenAI) -> None:
    """After a client has left, while it runs and when it has ended."""
    begun = stream(client)
    seen = [next(begun) for _ in range(10)]
    id = seen[0].response.id
    begun.close()
    running = resumed(client, id, seen[-1].sequence_number)
    numbers = [event.sequence_number for event in [*seen, *running]]
    assert numbers == list(range(len(numbers)))
    assert running[-1].type == "response.completed"
    everything = [event.to_dict() for event in [*seen, *running]]
    assert [event.to_dict() for event in resumed(client, id)] == everything
    assert [event.to_dict() for event in resumed(client, id, 20)] == everything[21:]
    assert resumed(client, id, len(numbers)) == []


@pytest.mark.parametrize(("after", "status"), [(2**31, 200), (2**63 - 1, 200), (2**63, 400)])
def test_nothing_comes_after_the_end(client: OpenAI, after: int, status: int) -> None:
    (first, *_) = stream(client, "one two")
    id = first.response.id
    options: Any = {"stream": True, "starting_after": after}
    if status == 200:
        assert list(client.responses.retrieve(id, **options)) == []
    else:
        with pytest.raises(BadRequestError) as raised:
            client.responses.retrieve(id, **options)
        assert raised.value.param == "starting_after"


def test_cancelling(server: Running, client: OpenAI) -> None:
    made = begin(client, model="endless")
    wait_until(lambda: client.responses.retrieve(made.id).status == "in_progress")
    wait_until(lambda: occupancy(server, "endless")[0] == 1)
    cancelled = client.responses.cancel(made.id)
    assert (cancelled.status, cancelled.output) == ("cancelled", [])
    assert client.responses.cancel(made.id).to_dict() == cancelled.to_dict()
    wait_until(lambda: occupancy(server, "endless") == (0, 0))
    assert client.responses.retrieve(made.id).status == "cancelled"
    done = begin(client)
    ended(client, done.id)
    assert client.responses.cancel(done.id).status == "completed"


def test_a_stream_ends_when_its_response_is_cancelled_or_deleted(
    server: Running, client: OpenAI
) -> None:
    for end in (client.responses.cancel, client.responses.delete):
        begun = stream(client, model="slow")
        id = next(begun).response.id
        reader = threading.Thread(target=lambda begun=begun: list(begun))
        reader.start()
        end(id)
        reader.join(30)
        assert not reader.is_alive()
        wait_until(lambda: occupancy(server, "slow") == (0, 0))


def test_many_at_once(client: OpenAI) -> None:
    """Nothing is lost, doubled or stuck."""
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda n: begin(client, f"say {n}"), range(200)))
    assert len({one.id for one in made}) == 200
    for number, one in enumerate(made):
        done = ended(client, one.id)
        assert (done.status, done.output_text) == ("completed", f"say {number}")


def test_a_conversation_is_extended_once(client: OpenAI) -> None:
    id = client.conversations.create().id
    ended(client, begin(client, "one", conversation=id).id)
    items: Any = client.conversations.items.list(id, order="asc")
    assert [item.content[0].text for item in items] == ["one", "one"]
