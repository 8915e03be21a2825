"""`web_search`, against a search engine of the tests' own. The echo engine says what the last
message says: here, a model's raw call of the tool, and then what the tool returned.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openai import OpenAI
from openai.types.responses import Response

from openedai.config import ConfigError, Settings
from tests.api.openai.responses.answers import check_events, raw_events, refusal, respond
from tests.api.openai.responses.served.search_engine import SearchEngine, search_engine
from tests.support import Running, ServerThread, echo_settings

both_ways = pytest.mark.parametrize("stream", [False, True])

SEARCH: Any = {"type": "web_search"}
PAGES = [
    ("https://a.example/ice", "Ice", "Ice is <strong>frozen</strong> water &amp; cold."),
    ("https://docs.b.example/snow", "Snow", "Snow falls."),
    ("ftp://c.example/x", "No page", ""),
]


@pytest.fixture(scope="module")
def shared_engine() -> Iterator[SearchEngine]:
    with search_engine() as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: SearchEngine) -> SearchEngine:
    shared_engine.found = list(PAGES)
    shared_engine.queries.clear()
    shared_engine.headers.clear()
    shared_engine.answer = None
    return shared_engine


@pytest.fixture(scope="module")
def server(
    shared_engine: SearchEngine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    settings = echo_settings(
        data=tmp_path_factory.mktemp("data"),
        web_search="searxng",
        web_search_url=shared_engine.url,
    )
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def searching(query: Any = "ice", name: str = "web_search") -> str:
    """A call as models write it."""
    call = {"name": name, "arguments": {"query": query}}
    return f"<tool_call>{json.dumps(call)}</tool_call>"


def types(response: Response) -> list[str]:
    return [item.type for item in response.output]


@both_ways
def test_a_search_and_the_answer(client: OpenAI, engine: SearchEngine, stream: bool) -> None:
    response = respond(client, stream, input=searching(), tools=[SEARCH])
    assert types(response) == ["web_search_call", "message"]
    assert response.status == "completed"
    search = response.output[0].to_dict()
    assert (search["status"], search["action"]) == ("completed", {"type": "search", "query": "ice"})
    assert response.output_text == (
        "[Ice](https://a.example/ice)\nIce is frozen water & cold.\n\n"
        "[Snow](https://docs.b.example/snow)\nSnow falls."
    )
    assert engine.queries == [{"q": "ice", "format": "json"}]
    usage = response.usage
    assert usage is not None
    first = respond(client, stream, input=searching(), tools=[SEARCH], tool_choice="none").usage
    assert first is not None
    assert usage.input_tokens > first.input_tokens * 2  # of both turns
    assert usage.output_tokens > first.output_tokens


def test_the_events(server: Running, engine: SearchEngine) -> None:
    events = raw_events(server, input=searching(), tools=[SEARCH])
    check_events(events)
    names = [event["type"].removeprefix("response.") for event in events]
    assert names[2:9] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
    ]
    assert names[-6:] == [
        *["output_text.annotation.added"] * 2,
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]


@both_ways
def test_what_the_answer_cites(client: OpenAI, engine: SearchEngine, stream: bool) -> None:
    engine.found = [("https://a.example/ice", "Ice", "See https://a.example/ice, or (https://x.y)")]
    response = respond(client, stream, input=searching(), tools=[SEARCH])
    message: Any = response.output[1].to_dict()
    (part,) = message["content"]
    cited = [
        (part["text"][one["start_index"] : one["end_index"]], one["title"], one["url"])
        for one in part["annotations"]
    ]
    assert cited == [
        ("[Ice](https://a.example/ice)", "Ice", "https://a.example/ice"),
        ("https://a.example/ice", "Ice", "https://a.example/ice"),
    ]


def test_the_sources_are_shown_on_request(client: OpenAI, engine: SearchEngine) -> None:
    response = respond(
        client, False, input=searching(), tools=[SEARCH], include=["web_search_call.action.sources"]
    )
    action: Any = response.output[0].to_dict()["action"]
    assert [one["url"] for one in action["sources"]] == [url for url, _, _ in PAGES[:2]]


def test_the_next_response_shows_the_addresses_again(client: OpenAI, engine: SearchEngine) -> None:
    made = client.responses.create(model="echo", input=searching(), tools=[SEARCH])
    assert client.responses.retrieve(made.id).to_dict() == made.to_dict()
    shown: Any = client.responses.retrieve(made.id, include=["web_search_call.action.sources"])
    urls = [one.url for one in shown.output[0].action.sources]
    assert urls
    heard = client.responses.create(model="reveal", input="so?", previous_response_id=made.id)
    (told,) = [
        one["content"]
        for one in json.loads(heard.output_text)["prompt"]["messages"]
        if one["role"] == "tool"
    ]
    assert told == "\n".join(["These pages were found:", *(f"- {url}" for url in urls)])


def test_domains_and_numbers(client: OpenAI, engine: SearchEngine) -> None:
    tool = {**SEARCH, "filters": {"allowed_domains": ["B.example"]}}
    response = respond(client, False, input=searching(), tools=[tool])
    assert response.output_text == "[Snow](https://docs.b.example/snow)\nSnow falls."
    assert engine.queries[-1]["q"] == "ice (site:B.example)"
    engine.found = [(f"https://a.example/{n}", str(n), "") for n in range(20)]
    for size, count in (("low", 3), ("medium", 5), ("high", 10)):
        sized = {**SEARCH, "search_context_size": size}
        response = respond(client, False, input=searching(), tools=[sized])
        assert response.output_text.count("https://") == count


@both_ways
def test_a_failure_is_an_item_and_the_model_goes_on(
    client: OpenAI, engine: SearchEngine, stream: bool
) -> None:
    for answer, told in (
        (web.Response(status=503), "Error: The search engine answered with the status 503."),
        (web.Response(text="<html>"), "Error: The search engine's answer cannot be read."),
        (
            web.Response(body=b"x" * (5 << 20)),
            "Error: The search engine's answer is too large.",
        ),
        (web.Response(text="[" * 9999), "Error: The search engine's answer cannot be read."),
    ):
        status, body = answer.status, answer.body
        engine.answer = lambda status=status, body=body: web.Response(status=status, body=body)
        response = respond(client, stream, input=searching(), tools=[SEARCH])
        assert [item.to_dict()["status"] for item in response.output] == ["failed", "completed"]
        assert (response.status, response.output_text) == ("completed", told)


@both_ways
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (searching(3), "Error: The argument 'query' is missing, or is not a text."),
        (searching("  "), "Error: The query is empty."),
    ],
)
def test_bad_arguments(client: OpenAI, stream: bool, text: str, told: str) -> None:
    response = respond(client, stream, input=text, tools=[SEARCH])
    assert (response.output[0].to_dict()["status"], response.output_text) == ("failed", told)


def test_a_search_engine_that_is_not_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = echo_settings(
        data=tmp_path_factory.mktemp("data"),
        web_search="searxng",
        web_search_url="http://127.0.0.1:9",
    )
    with ServerThread(settings) as server, server.client() as client:
        response = respond(client, False, input=searching(), tools=[SEARCH])
    assert response.output_text == "Error: The search engine cannot be reached."


def brave(engine: SearchEngine, data: Path, **values: Any) -> Settings:
    return echo_settings(
        data=data,
        web_search="brave",
        web_search_url=engine.url,
        web_search_key="s3cret",
        **values,
    )


def test_braves_protocol(engine: SearchEngine, tmp_path: Path) -> None:
    tool = {**SEARCH, "user_location": {"type": "approximate", "country": "de", "city": "Bonn"}}
    with ServerThread(brave(engine, tmp_path)) as server, server.client() as client:
        response = respond(client, False, input=searching(), tools=[tool])
        assert response.output_text.startswith("[Ice](https://a.example/ice)\nIce is frozen")
        assert engine.queries[-1] == {
            "q": "ice",
            "count": "5",
            "result_filter": "web",
            "country": "DE",
        }
        assert engine.headers[-1]["X-Subscription-Token"] == "s3cret"


def test_a_search_engine_that_does_not_answer(engine: SearchEngine, tmp_path: Path) -> None:
    settings = brave(engine, tmp_path, tool_timeout=0.2)
    with ServerThread(settings) as server, server.client() as client:
        response = respond(client, False, input=searching("hang"), tools=[SEARCH])
    told = "Error: The search engine did not answer within 0.2 seconds."
    assert response.output_text == told


def test_the_engine_is_told_the_trace(client: OpenAI, engine: SearchEngine) -> None:
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "c=d"}
    respond(client, False, input=searching(), tools=[SEARCH], extra_headers=trace)
    assert engine.headers[-1] | trace == engine.headers[-1]


def test_it_is_not_there_without_access(client: OpenAI, engine: SearchEngine) -> None:
    offline = {**SEARCH, "external_web_access": False}
    assert refusal(client, tools=[offline]) == ("unsupported_value", "tools[0].type")
    assert refusal(client, tools=[{**SEARCH, "search_content_types": ["image"]}]) == (
        "unsupported_parameter",
        "tools[0].search_content_types",
    )
    assert refusal(client, tools=[SEARCH, SEARCH]) == ("invalid_value", "tools[1]")


def test_settings_that_do_not_go_together() -> None:
    with pytest.raises(ConfigError, match="web_search_url"):
        echo_settings(web_search="searxng")
