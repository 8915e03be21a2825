"""`POST /v1/responses` through the official client, on the echo engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import APIError, AzureOpenAI, InternalServerError, NotFoundError, OpenAI
from pydantic import BaseModel

from tests.api.openai.responses.answers import (
    check_events,
    raw_events,
    refusal,
    respond,
    without_ids,
)
from tests.support import Running, ServerThread, echo_settings, fetch

both_ways = pytest.mark.parametrize("stream", [False, True])
THINKING = "<think>Let me see.</think>It is four."


@both_ways
def test_a_text(client: OpenAI, stream: bool) -> None:
    response = respond(client, stream, input="Good morning to you")
    assert response.output_text == "Good morning to you"
    assert response.status == "completed"
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (5, 4)
    assert response.usage.total_tokens == 9
    assert response.id.startswith("resp_")
    assert response.output[0].id is not None
    assert response.output[0].id.startswith("msg_")


@pytest.mark.parametrize(
    "body",
    [
        {"input": "Good morning"},
        {"input": THINKING, "reasoning": {"summary": "auto"}},
        {"input": THINKING, "include": ["reasoning.encrypted_content"]},
        {"input": "one two three", "max_output_tokens": 2, "metadata": {"a": "b"}},
        {"input": "a b", "include": ["message.output_text.logprobs"], "top_logprobs": 2},
        {"model": "calls", "input": "x", "tools": [{"type": "function", "name": "get_time"}]},
    ],
    ids=["text", "summary", "reasoning", "limit", "logprobs", "call"],
)
def test_whole_and_streamed_are_the_same_object(client: OpenAI, body: dict[str, Any]) -> None:
    whole, streamed = (respond(client, stream, **body).to_dict() for stream in (False, True))
    assert without_ids(whole) == without_ids(streamed)


def test_the_order_of_events(echo_server: Running) -> None:
    events = raw_events(echo_server, input=THINKING)
    types = [event["type"].removeprefix("response.") for event in events]
    assert types == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["reasoning_text.delta"] * types.count("reasoning_text.delta"),
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * types.count("output_text.delta"),
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    check_events(events)


@both_ways
def test_reasoning(client: OpenAI, stream: bool) -> None:
    response = respond(client, stream, input=THINKING)
    reasoning = response.output[0]
    assert reasoning.type == "reasoning"
    assert reasoning.content is not None
    assert (reasoning.content[0].text, reasoning.summary) == ("Let me see.", [])
    assert reasoning.encrypted_content is None
    assert response.output_text == "It is four."


@both_ways
def test_a_summary_is_the_reasoning(client: OpenAI, stream: bool) -> None:
    response = respond(client, stream, input=THINKING, reasoning={"summary": "concise"})
    reasoning = response.output[0]
    assert reasoning.type == "reasoning"
    assert [part.text for part in reasoning.summary] == ["Let me see."]
    assert reasoning.content is None


@both_ways
def test_a_limit_makes_it_incomplete(client: OpenAI, stream: bool) -> None:
    response = respond(client, stream, input="one two three", max_output_tokens=2)
    assert (response.status, response.output_text) == ("incomplete", "one two")
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output[0].type == "message"
    assert response.output[0].status == "incomplete"


@both_ways
def test_an_empty_answer_is_an_empty_message(client: OpenAI, stream: bool) -> None:
    response = respond(client, stream, input="")
    assert (response.status, response.output_text) == ("completed", "")
    assert [item.type for item in response.output] == ["message"]


@both_ways
def test_log_probabilities(client: OpenAI, stream: bool) -> None:
    include: Any = ["message.output_text.logprobs"]
    response = respond(client, stream, input="a b", include=include, top_logprobs=2)
    message = response.output[0]
    assert message.type == "message"
    part = message.content[0]
    assert part.type == "output_text"
    assert part.logprobs is not None
    assert [one.token for one in part.logprobs] == ["a", " b"]
    assert all(1 <= len(one.top_logprobs) <= 2 for one in part.logprobs)


def test_the_logprobs_of_deltas_are_those_of_the_end(echo_server: Running) -> None:
    events = raw_events(echo_server, input="a b c", top_logprobs=1)
    deltas = [
        one for event in events if event["type"].endswith("delta") for one in event["logprobs"]
    ]
    (done,) = [event["logprobs"] for event in events if event["type"].endswith("text.done")]
    assert deltas == done
    assert len(done) == 3


def test_obfuscation_pads_the_deltas(echo_server: Running) -> None:
    options = {"include_obfuscation": True}
    events = raw_events(echo_server, input="one three", stream_options=options)
    deltas = [event for event in events if event["type"].endswith("delta")]
    assert {(len(e["delta"]) + len(e["obfuscation"])) % 16 for e in deltas} == {0}
    plain = raw_events(echo_server, input="one three")
    assert not any("obfuscation" in event for event in plain)


def test_what_the_request_said_is_shown(client: OpenAI) -> None:
    response = client.responses.create(
        model="parrot",
        input="x",
        instructions="Be short.",
        max_output_tokens=20,
        max_tool_calls=3,
        metadata={"a": "b"},
        parallel_tool_calls=False,
        prompt_cache_key="key",
        safety_identifier="someone",
        temperature=0.5,
        text={"format": {"type": "json_object"}, "verbosity": "low"},
        top_p=0.25,
        truncation="auto",
        user="u",
    )
    shown = response.to_dict()
    expected = {
        "model": "echo",
        "instructions": "Be short.",
        "max_output_tokens": 20,
        "max_tool_calls": 3,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "key",
        "safety_identifier": "someone",
        "temperature": 0.5,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 0.25,
        "truncation": "auto",
        "user": "u",
    }
    assert {name: shown[name] for name in expected} == expected


class Weather(BaseModel):
    city: str
    sunny: bool


@both_ways
def test_a_parsed_answer(client: OpenAI, stream: bool) -> None:
    value = '{"city": "Paris", "sunny": true}'
    if stream:
        with client.responses.stream(model="echo", input=value, text_format=Weather) as events:
            parsed = events.get_final_response()
    else:
        parsed = client.responses.parse(model="echo", input=value, text_format=Weather)
    assert parsed.output_parsed == Weather(city="Paris", sunny=True)


def test_a_schema_that_cannot_be_enforced_is_refused(client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "https://example.com/a"}}}
    text = {"format": {"type": "json_schema", "name": "n", "schema": schema}}
    assert refusal(client, text=text) == ("invalid_json_schema", "text.format")


@both_ways
def test_an_error_before_the_first_event_has_its_status(client: OpenAI, stream: bool) -> None:
    with pytest.raises(NotFoundError):
        client.responses.create(model="nobody", input="x", stream=stream)
    with pytest.raises(InternalServerError):
        client.responses.create(model="fails-first", input="x", stream=stream)


def test_an_error_in_a_stream_is_an_event(echo_server: Running) -> None:
    events = raw_events(echo_server, model="fails-later", input="one two three four")
    error, failed = events[-2:]
    assert error["type"] == "error"
    assert error["code"] == "server_error"
    assert failed["response"]["error"]["code"] == "server_error"
    assert failed["response"]["error"]["message"] == error["message"]
    check_events(events)


def test_an_error_in_a_whole_answer_is_a_500(client: OpenAI) -> None:
    with pytest.raises(APIError):
        client.responses.create(model="fails-later", input="one two three four")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"input": None}, ("missing_required_parameter", "input")),
        ({"input": []}, ("invalid_value", "input")),
        ({"input": [{"type": "nothing"}]}, ("invalid_value", "input[0].type")),
        ({"input": [{"type": "program"}]}, ("unsupported_value", "input[0].type")),
        ({"prompt": {"id": "p"}}, ("unsupported_parameter", "prompt")),
        ({"text": {"verbosity": "least"}}, ("invalid_value", "text.verbosity")),
        ({"reasoning": {"effort": "low"}}, ("unsupported_parameter", "reasoning.effort")),
        ({"reasoning": {"mode": "pro"}}, ("unsupported_parameter", "reasoning.mode")),
        ({"max_output_tokens": 0}, ("integer_below_min_value", "max_output_tokens")),
        ({"metadata": {str(n): "" for n in range(17)}}, ("array_above_max_length", "metadata")),
        ({"metadata": {"a": "b" * 513}}, ("string_above_max_length", "metadata.a")),
        ({"nothing": 1}, ("unknown_parameter", "nothing")),
        (
            {"conversation": "conv_1", "previous_response_id": "r"},
            ("invalid_value", "conversation"),
        ),
    ],
    ids=str,
)
def test_refusals(client: OpenAI, body: Any, expected: tuple[str, str]) -> None:
    assert refusal(client, **body) == expected


def test_the_context_is_named_as_the_input(client: OpenAI) -> None:
    assert refusal(client, input="a " * 5000) == ("context_length_exceeded", "input")


@both_ways
def test_truncation_leaves_the_oldest_out(client: OpenAI, stream: bool) -> None:
    old = [{"role": "user", "content": f"old {'word ' * 1000}"} for _ in range(6)]
    items: Any = [*old, {"role": "user", "content": "the last one"}]
    response = respond(client, stream, input=items, truncation="auto", instructions="Hello.")
    assert response.output_text == "the last one"
    with pytest.raises(APIError, match="context"):
        respond(client, stream, input="a " * 5000, truncation="auto")


def test_tokens_are_counted(client: OpenAI) -> None:
    given: Any = {"model": "echo", "input": "one two three", "instructions": "Be short."}
    counted = client.responses.input_tokens.count(**given)
    assert counted.object == "response.input_tokens"
    usage = client.responses.create(**given).usage
    assert usage is not None
    assert counted.input_tokens == usage.input_tokens


def test_moderation(client: OpenAI) -> None:
    given: Any = {"moderation": {"model": "echo"}, "input": "violence"}
    for stream in (False, True):
        moderation = respond(client, stream, **given).moderation
        assert moderation is not None
        assert moderation.input.type == "moderation_result"
        assert moderation.input.flagged
        assert moderation.output.type == "moderation_result"
        assert moderation.output.categories["violence"]


def test_the_types_of_the_client_are_met_by_what_the_model_sees(client: OpenAI) -> None:
    """What reaches the engine: one message of the system, then the conversation."""
    items: Any = [
        {"role": "developer", "content": "Second."},
        {"role": "user", "content": [{"type": "input_text", "text": "Hi."}]},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Go on."},
    ]
    response = client.responses.create(model="reveal", instructions="First.", input=items)
    prompt = json.loads(response.output_text)["prompt"]
    assert prompt["messages"] == [
        {"role": "system", "content": "First.\n\nSecond."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Go on."},
    ]


def test_azures_urls(echo_server: Running) -> None:
    with AzureOpenAI(
        azure_endpoint=echo_server.url, api_key="x", api_version="2025-04-01-preview"
    ) as client:
        assert client.responses.create(model="echo", input="hi").output_text == "hi"
    body = {"model": "echo", "input": "hi"}
    assert fetch(f"{echo_server.url}/openai/v1/responses", "POST", json=body).status == 200


def test_hosted_tools_can_be_refused() -> None:
    with (
        ServerThread(echo_settings(unsupported_tools="refuse")) as server,
        server.client() as client,
    ):
        tools = [{"type": "function", "name": "f"}, {"type": "web_search"}]
        assert refusal(client, tools=tools) == ("unsupported_value", "tools[1].type")
