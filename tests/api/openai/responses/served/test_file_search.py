"""`file_search` in vector stores, by the echo engine's embeddings and by words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from openedai.api.openai.responses.output.citations import Found
from openedai.api.openai.responses.output.objects import FileResult
from tests.api.openai.responses.answers import check_events, raw_events, refusal, respond
from tests.api.openai.responses.served.mcp_servers import call
from tests.api.openai.responses.served.test_web_search import types
from tests.api.openai.responses.test_background import ended
from tests.support import Running, ServerThread, echo_settings

both_ways = pytest.mark.parametrize("stream", [False, True])

FOX = "The quick brown fox jumps over the lazy dog."
MOON = "The moon goes around the earth in a month."
TEXT = call("file_search", query="quick fox")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ServerThread(echo_settings(data=tmp_path_factory.mktemp("data"))) as running:
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
        *("completed", ["quick fox"]),
        None,
    )
    assert response.output_text == f"From the file fox.txt:\n{FOX}"
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


@both_ways
def test_a_failure_is_an_item(client: OpenAI, store: str, stream: bool) -> None:
    for text, id in ((TEXT, "vs_" + "0" * 32), (call("file_search", query=""), store)):
        response = respond(client, stream, input=text, tools=[tool(id)])
        search: Any = response.output[0].to_dict()
        assert (response.status, search["status"]) == ("completed", "failed")
        assert response.output_text.startswith("Error: ")


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


def test_sentences_are_cited_where_they_end() -> None:
    parts = [
        FileResult("file-1", "fox.txt", 1.0, f"{FOX} It is red.", {}),
        FileResult("file-2", "moon.txt", 1.0, f"{MOON} 月は地球の周りを回る。", {}),
    ]
    text = f"Well, who knows. {FOX} It is red and quick. 月は地球の周りを回る。Yes.\n{FOX}"
    cited = [(one.filename, one.index) for one in Found(parts=parts).citations(text)]  # type: ignore[union-attr]
    red = text.index("quick. ") + len("quick.")
    assert cited == [
        ("fox.txt", red),
        ("moon.txt", text.index("Yes.")),
        ("fox.txt", len(text)),
    ]
