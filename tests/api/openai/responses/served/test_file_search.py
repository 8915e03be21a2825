"""`file_search` in vector stores, by the echo engine's embeddings and by words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openai import NotFoundError, OpenAI

from openedai.config import ModelSpec
from tests.api.openai.responses.answers import check_events, raw_events, refusal, respond
from tests.api.openai.responses.served.mcp_servers import call
from tests.api.openai.responses.served.test_web_search import types
from tests.api.openai.responses.test_background import ended
from tests.api.openai.responses.test_socket import connection, create
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


def test_the_next_responses_show_it_again(client: OpenAI, server: Running, store: str) -> None:
    """Also of a response that did not show it, in the background, in a conversation, on a socket,
    and of items that a client sends."""
    tools: Any = [tool(store, max_num_results=1)]
    conversation = client.conversations.create().id
    whole = client.responses.create(model="echo", input=TEXT, tools=tools)
    job = client.responses.create(model="echo", input=TEXT, tools=tools, background=True)
    ended(client, job.id)
    client.responses.create(model="echo", input=TEXT, tools=tools, conversation=conversation)
    sent: Any = client.responses.create(
        model="echo", input=TEXT, tools=tools, store=False, include=["file_search_call.results"]
    )
    for options in (
        {"input": "so?", "previous_response_id": whole.id},
        {"input": "so?", "previous_response_id": job.id},
        {"input": "so?", "conversation": conversation},
        {"input": [*(item.to_dict() for item in sent.output), {"role": "user", "content": "so?"}]},
    ):
        assert told(client, **options) == [f"【0†fox.txt】\n{FOX}"]
    with connection(server) as socket:
        body: Any = {"tools": tools, "store": False}
        first = check_events(create(socket, model="echo", input=TEXT, **body))
        options = {"input": "so?", "previous_response_id": first["id"], **body}
        second = check_events(create(socket, model="reveal", **options))
        assert FOX in second["output"][0]["content"][0]["text"]
    # What is shown again can be cited, and the numbers go on.
    more = call("file_search", query="earth moon")
    again: Any = client.responses.create(
        model="echo", input=more, tools=tools, previous_response_id=whole.id
    )
    assert again.output_text == MOON
    assert again.output[-1].content[0].annotations[0].filename == "moon.txt"
    cited: Any = client.responses.create(
        model="echo", input=f"Well. {FOX}", previous_response_id=whole.id
    )
    assert [one.index for one in cited.output[0].content[0].annotations] == [len(f"Well. {FOX}")]


def test_what_is_kept_is_shown_on_request_only(client: OpenAI, store: str) -> None:
    tools: Any = [tool(store, max_num_results=1)]
    include: Any = ["file_search_call.results"]
    for shown in (False, True):
        made = client.responses.create(
            model="echo", input=TEXT, tools=tools, include=include if shown else []
        )
        assert client.responses.retrieve(made.id).to_dict() == made.to_dict()
        with_results: Any = client.responses.retrieve(made.id, include=include).output[0]
        assert [one.text for one in with_results.results] == [FOX]


def test_what_has_room_is_shown_again(client: OpenAI) -> None:
    """The newest search first, and its best parts."""
    results = [{"filename": f"{n}.txt", "text": "word " * 700} for n in range(3)]
    calls = [
        {"type": "file_search_call", "id": f"fs_{n}", "queries": ["q"], "results": results[:count]}
        for n, count in enumerate((1, 3, 0))
    ]
    failed = {"type": "file_search_call", "queries": [], "status": "failed"}
    asked = {"role": "user", "content": "so?"}
    first, second, third, fourth = told(client, input=[*calls, failed, asked])
    assert first == third == "What was found is not shown again."
    assert re.findall("【.*?】", second) == ["【0†0.txt】", "【1†1.txt】"]
    assert fourth == "Error: The search failed."


def told(client: OpenAI, **body: Any) -> list[str]:
    """What tools returned to the model, of which it says all: its tokens have the marks too."""
    include: Any = ["message.output_text.logprobs"]
    heard: Any = client.responses.create(model="reveal", include=include, **body)
    tokens = [one.token for one in heard.output[0].content[0].logprobs]
    messages = json.loads("".join(tokens))["prompt"]["messages"]
    return [one["content"] for one in messages if one["role"] == "tool"]


def test_what_is_refused(client: OpenAI, store: str) -> None:
    bad = {"type": "in", "key": "name", "value": "x"}
    for fields, param in (
        ({"filters": bad}, "filters.value"),
        ({"vector_store_ids": []}, "vector_store_ids"),
        ({"max_num_results": 51}, "max_num_results"),
    ):
        assert refusal(client, tools=[tool(store, **fields)])[1] == f"tools[0].{param}"
