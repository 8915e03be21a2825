"""Responses of several turns: what ends them, and what happens to the tool that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from openedai.config import ModelSpec
from tests.api.openai.responses.answers import check_events, raw_events, respond, without_ids
from tests.api.openai.responses.served.search_engine import SearchEngine, search_engine
from tests.api.openai.responses.served.test_web_search import SEARCH, searching, types
from tests.api.openai.responses.test_background import ended
from tests.api.openai.responses.test_socket import connection, create, receive
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings, wait_until

both_ways = pytest.mark.parametrize("stream", [False, True])

TIME: Any = {"type": "function", "name": "get_time"}
LOOPING = ModelSpec(id="looping", engine="echo", options={"reply": searching()})
SMALL = ModelSpec(id="small", engine="echo", options={"context": 40})


@pytest.fixture(scope="module")
def engine() -> Iterator[SearchEngine]:
    with search_engine() as engine:
        engine.found = [("https://a.example/", "A", "found")]
        yield engine


@pytest.fixture(scope="module")
def server(engine: SearchEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = echo_settings(
        data=tmp_path_factory.mktemp("data"),
        models=(*ECHO_MODELS, LOOPING, SMALL),
        web_search="searxng",
        web_search_url=engine.url,
    )
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


@both_ways
def test_a_number_of_calls(client: OpenAI, engine: SearchEngine, stream: bool) -> None:
    engine.queries.clear()
    response = respond(client, stream, model="looping", input="x", tools=[SEARCH], max_tool_calls=3)
    assert types(response) == ["web_search_call"] * 3 + ["message"]
    assert len(engine.queries) == 3
    assert response.output_text == searching()  # without tools, this is text


@both_ways
def test_calls_at_once(client: OpenAI, stream: bool) -> None:
    response = respond(client, stream, input=searching("a") + searching("b"), tools=[SEARCH])
    assert types(response) == ["web_search_call", "web_search_call", "message"]
    queries = [item.to_dict()["action"]["query"] for item in response.output[:2]]  # type: ignore[index]
    assert queries == ["a", "b"]
    response = respond(
        client, stream, input=searching("a") + searching("b"), tools=[SEARCH], max_tool_calls=1
    )
    assert types(response) == ["web_search_call", "message"]
    response = respond(
        client,
        stream,
        input=searching("a") + searching("b"),
        tools=[SEARCH],
        parallel_tool_calls=False,
    )
    assert types(response)[0] == "web_search_call"


@both_ways
def test_a_call_of_the_client_ends_the_response(client: OpenAI, stream: bool) -> None:
    own = '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>'
    response = respond(client, stream, input=searching() + own, tools=[SEARCH, TIME])
    assert types(response) == ["web_search_call", "function_call"]
    assert [item.to_dict()["status"] for item in response.output] == ["completed"] * 2
    call_id = response.output[1].to_dict()["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "noon"}
    again = respond(
        client,
        stream,
        input=[output],
        tools=[SEARCH, TIME],
        previous_response_id=response.id,
    )
    assert again.output_text == "noon"


@both_ways
def test_a_required_call(client: OpenAI, stream: bool) -> None:
    """It is required once: the echo engine would call the tool forever."""
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [SEARCH]}
    for choice in ("required", {"type": "web_search_preview"}, allowed):
        response = respond(client, stream, input="x", tools=[SEARCH, TIME], tool_choice=choice)
        assert types(response) == ["web_search_call", "message"]


@both_ways
def test_limits_of_tokens(client: OpenAI, stream: bool) -> None:
    """A call that is cut does not run, and all turns share the limit."""
    cut = respond(
        client, stream, input=searching("a b c d e f"), tools=[SEARCH], max_output_tokens=6
    )
    assert (cut.status, types(cut)) == ("incomplete", ["web_search_call"])
    assert cut.output[0].to_dict()["status"] == "incomplete"
    whole = respond(client, stream, input=searching(), tools=[SEARCH])
    assert whole.usage is not None
    for less in (1, 2):
        limit = whole.usage.output_tokens - less
        cut = respond(client, stream, input=searching(), tools=[SEARCH], max_output_tokens=limit)
        assert cut.usage is not None
        assert (cut.status, cut.usage.output_tokens) == ("incomplete", limit)


@both_ways
def test_what_does_not_fit_ends_the_response(
    client: OpenAI, engine: SearchEngine, stream: bool
) -> None:
    engine.found = [("https://a.example/", "A", "word " * 60)]
    try:
        response = respond(client, stream, model="small", input=searching(), tools=[SEARCH])
    finally:
        engine.found = [("https://a.example/", "A", "found")]
    assert (response.status, types(response)) == ("incomplete", ["web_search_call"])
    assert response.output[0].to_dict()["status"] == "completed"


def test_a_stream_and_a_whole_answer_are_the_same(client: OpenAI, server: Running) -> None:
    body: Any = {"input": f"Look. {searching()}", "tools": [SEARCH], "store": False}
    whole = respond(client, False, **body).to_dict()
    streamed = check_events(raw_events(server, **body))
    assert without_ids(whole) == without_ids(streamed)
    assert [item["type"] for item in streamed["output"]][:2] == ["message", "web_search_call"]


def test_on_a_socket_and_continued(server: Running) -> None:
    with connection(server) as socket:
        first = check_events(create(socket, input=searching(), tools=[SEARCH], store=False))
        second = create(socket, input="more", previous_response_id=first["id"], store=False)
        assert check_events(second)["output"][0]["content"][0]["text"] == "more"


def test_in_the_background(client: OpenAI) -> None:
    body: dict[str, Any] = {"model": "echo", "input": searching(), "tools": [SEARCH]}
    made = client.responses.create(**body, background=True)
    done = ended(client, made.id)
    assert types(done) == ["web_search_call", "message"]
    events = list(client.responses.create(**body, background=True, stream=True))
    response = check_events([event.to_dict() for event in events])
    kept = list(client.responses.retrieve(response["id"], stream=True))
    assert [event.to_dict() for event in kept] == [event.to_dict() for event in events]
    more = client.responses.create(
        model="echo", input="more", previous_response_id=response["id"], background=True
    )
    assert ended(client, more.id).output_text == "more"


def test_a_cancelled_response_ends_its_tool(client: OpenAI, engine: SearchEngine) -> None:
    body: dict[str, Any] = {"model": "echo", "input": searching("hang"), "tools": [SEARCH]}
    made = client.responses.create(**body, background=True)
    wait_until(lambda: engine.waiting == 1)
    client.responses.cancel(made.id)
    wait_until(lambda: engine.waiting == 0)
    assert client.responses.retrieve(made.id).status == "cancelled"


def test_after_a_restart_no_call_is_made_twice(
    engine: SearchEngine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("data")
    settings = echo_settings(data=folder, web_search="searxng", web_search_url=engine.url)
    body: dict[str, Any] = {"model": "echo", "input": searching("hang"), "tools": [SEARCH]}
    engine.queries.clear()
    with ServerThread(settings) as server, server.client() as client:
        made = client.responses.create(**body, background=True)
        wait_until(lambda: engine.waiting == 1)
    wait_until(lambda: engine.waiting == 0)
    with ServerThread(settings) as server, server.client() as client:
        done = ended(client, made.id)
    assert done.error is not None
    assert (done.status, done.error.code) == ("failed", "server_error")
    assert len(engine.queries) == 1


def test_a_client_that_leaves_ends_its_tool(
    client: OpenAI, server: Running, engine: SearchEngine
) -> None:
    body: dict[str, Any] = {"model": "echo", "input": searching("hang"), "tools": [SEARCH]}
    with client.responses.create(**body, stream=True) as stream:
        wait_until(lambda: engine.waiting == 1)
        assert next(iter(stream)).type == "response.created"
    wait_until(lambda: engine.waiting == 0)
    with connection(server) as socket:
        socket.send(json.dumps({"type": "response.create", **body}))
        assert receive(socket)["type"] == "response.created"
        wait_until(lambda: engine.waiting == 1)
    wait_until(lambda: engine.waiting == 0)
