"""`file_search` in vector stores, by the echo engine's embeddings and by words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import NotFoundError, OpenAI

from openedai.config import ModelSpec
from tests.api.openai.responses.answers import check_events, raw_events, refusal, respond
from tests.api.openai.responses.served.mcp_servers import call
from tests.api.openai.responses.served.test_web_search import types
from tests.api.openai.responses.test_background import ended
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings

both_ways = pytest.mark.parametrize("stream", [False, True])

FOX = "The quick brown fox jumps over the lazy dog."
MOON = "The moon goes around the earth in a month."
TEXT = call("file_search", query="quick fox")
ASKING = ModelSpec(id="asking", engine="echo", options={"reply": TEXT, "delay": 0.01})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models, data = (*ECHO_MODELS, ASKING), tmp_path_factory.mktemp("data")
    with ServerThread(echo_settings(data=data, models=models)) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def store(server: Running) -> str:
    with server.client() as client:
        made = client.vector_stores.create(name="notes")
        for name, text in (("fox.txt", FOX), ("moon.txt", MOON)):
            file = client.files.create(file=(name, text.encode()), purpose="assistants")
            client.vector_stores.files.create_and_poll(
                file.id, vector_store_id=made.id, attributes={"name": name}, poll_interval_ms=20
            )
        return made.id


def tool(store: str, **fields: Any) -> dict[str, Any]:
    ranking = {"hybrid_search": {"embedding_weight": 0, "text_weight": 1}}
    return {
        "type": "file_search",
        "vector_store_ids": [store],
        "ranking_options": ranking,
        **fields,
    }


@both_ways
def test_parts_are_found_and_cited(client: OpenAI, store: str, stream: bool) -> None:
    response = respond(client, stream, input=TEXT, tools=[tool(store, max_num_results=1)])
    assert types(response) == ["file_search_call", "message"]
    search: Any = response.output[0].to_dict()
    assert (search["status"], search["queries"], search["results"]) == (
        *("completed", ["quick fox", TEXT]),
        None,
    )
    assert response.output_text == FOX  # the model copies the mark before it
    message: Any = response.output[1].to_dict()
    (cited,) = message["content"][0]["annotations"]
    assert (cited["type"], cited["filename"]) == ("file_citation", "fox.txt")
    assert cited["index"] == len(response.output_text)


@both_ways
def test_the_results_are_shown_on_request(client: OpenAI, store: str, stream: bool) -> None:
    only = {"type": "eq", "key": "name", "value": "moon.txt"}
    body: dict[str, Any] = {
        "input": TEXT,
        "tools": [tool(store, filters=only, ranking_options=None)],
        "include": ["file_search_call.results"],
    }
    response = respond(client, stream, **body)
    search: Any = response.output[0].to_dict()
    (found,) = search["results"]
    assert (found["filename"], found["text"]) == ("moon.txt", MOON)
    assert found["attributes"] == {"name": "moon.txt"}
    assert 0 <= found["score"] <= 1


def test_the_events(server: Running, store: str) -> None:
    events = raw_events(server, input=TEXT, tools=[tool(store, max_num_results=1)])
    check_events(events)
    names = [event["type"].removeprefix("response.") for event in events]
    assert names[2:7] == [
        "output_item.added",
        "file_search_call.in_progress",
        "file_search_call.searching",
        "file_search_call.completed",
        "output_item.done",
    ]
    assert names.count("output_text.annotation.added") == 1


def test_what_the_user_asked_is_searched_too(client: OpenAI, store: str) -> None:
    """Whatever the model asks for, and whatever shape its query has."""
    given: tuple[tuple[Any, list[str]], ...] = (
        *(("FILE_NAME", ["FILE_NAME"]), ("", []), (7, [])),
        (["a", "", "b"], ["a", "b"]),
    )
    tools: Any = [tool(store, max_num_results=1)]
    for query, queries in given:
        asked = f"What goes around the earth? {call('file_search', query=query)}"
        messages: Any = [
            {"role": "user", "content": "quick fox"},
            {"role": "assistant", "content": "It jumps."},
            {"role": "user", "content": [{"type": "input_text", "text": asked}]},
        ]
        body: Any = {"input": messages, "tools": tools, "include": ["file_search_call.results"]}
        search: Any = client.responses.create(model="echo", **body).output[-2]
        assert search.queries == [*queries, asked]
        assert [one.filename for one in search.results] == ["moon.txt"]
    long = f"{'fox ' * 1000}What goes around the earth? {call('file_search', query='')}"
    search = client.responses.create(model="echo", input=long, tools=tools).output[-2]
    assert search.queries == [long[-1000:].strip()]


@both_ways
def test_the_numbers_of_parts_go_on(client: OpenAI, store: str, stream: bool) -> None:
    """The engine says what the last search found, with its mark."""
    calls = TEXT + call("file_search", query="earth moon")
    response = respond(client, stream, input=calls, tools=[tool(store, max_num_results=1)])
    assert types(response) == ["file_search_call", "file_search_call", "message"]
    message: Any = response.output[-1].to_dict()
    (cited,) = message["content"][0]["annotations"]
    assert (response.output_text, cited["filename"]) == (MOON, "moon.txt")


@both_ways
def test_tokens_of_marks_are_shown_though_marks_are_not(
    client: OpenAI, store: str, stream: bool
) -> None:
    response = respond(
        client,
        stream,
        input=TEXT,
        tools=[tool(store, max_num_results=1)],
        include=["message.output_text.logprobs"],
    )
    message: Any = response.output[-1].to_dict()
    tokens = [one["token"] for one in message["content"][0]["logprobs"]]
    assert "".join(tokens) == f"【0†fox.txt】\n{FOX}"


def test_a_store_that_is_not_there(client: OpenAI) -> None:
    """Nothing runs then; but a store may be deleted while a response is made."""
    missing = "vs_" + "0" * 32
    for options in ({}, {"stream": True}, {"background": True}):
        body: Any = {"input": "x", "tools": [tool(missing)], **options}
        with pytest.raises(NotFoundError, match=f"id '{missing}' not found") as caught:
            client.responses.create(model="echo", **body)
        assert caught.value.param == "tools[0].vector_store_ids"
    own = client.vector_stores.create().id
    body = {"input": "x", "tools": [tool(own)], "stream": True}
    failed: list[Any] = []
    with client.responses.create(model="asking", **body) as events:
        for event in events:
            if event.type == "response.file_search_call.completed" and own:
                client.vector_stores.delete(own)
                own = ""
            if event.type == "response.output_item.done" and event.item.status == "failed":
                failed.append(event.item)
                break
    assert [(one.type, one.queries) for one in failed] == [("file_search_call", ["quick fox"])]


def test_another_request_and_the_background(client: OpenAI, store: str) -> None:
    tools: Any = [tool(store, max_num_results=1)]
    made = client.responses.create(model="echo", input=TEXT, tools=tools, background=True)
    assert types(ended(client, made.id)) == ["file_search_call", "message"]
    again = client.responses.create(model="echo", input="so?", previous_response_id=made.id)
    assert again.output_text == "so?"


def test_what_is_refused(client: OpenAI, store: str) -> None:
    bad = {"type": "in", "key": "name", "value": "x"}
    for fields, param in (
        ({"filters": bad}, "filters.value"),
        ({"vector_store_ids": []}, "vector_store_ids"),
        ({"max_num_results": 51}, "max_num_results"),
    ):
        assert refusal(client, tools=[tool(store, **fields)])[1] == f"tools[0].{param}"
