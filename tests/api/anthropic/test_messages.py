"""Anthropic's `POST /v1/messages` and `count_tokens`. The echo engine says what the user said."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest
from anthropic import (
    Anthropic,
    APIStatusError,
    AuthenticationError,
    InternalServerError,
    NotFoundError,
)
from anthropic.types import Message
from msgspec.structs import replace

from openedai.api.anthropic.dialect import ANTHROPIC
from openedai.errors import ContextLengthExceeded
from tests.api.anthropic.messages import block_contents, create_message, refusal
from tests.media.images import picture
from tests.support import Running, ServerThread, echo_settings, fetch

URL = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
BODY = {"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "one two"}]}
FOUND = {"source": "S", "title": "T", "content": [{"type": "text", "text": "A"}]}
PIXEL = base64.b64encode(picture(1, 1)).decode()
both = pytest.mark.parametrize("stream", [False, True])


def engine_request(client: Anthropic, **body: Any) -> dict[str, Any]:
    """The request as the engine sees it."""
    answer = create_message(
        client, False, model="reveal", **{"messages": "hi", "max_tokens": 4000, **body}
    )
    ((_, text),) = block_contents(answer)
    received: dict[str, Any] = json.loads(text)
    return received


@both
def test_answer(anthropic_client: Anthropic, stream: bool) -> None:
    answer = create_message(anthropic_client, stream, messages="one two three")
    assert block_contents(answer) == [("text", "one two three")]
    assert (answer.model, answer.role, answer.type) == ("echo", "assistant", "message")
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens) == (4, 3)
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (0, 0)
    assert usage.service_tier == "standard"
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == 0


def test_a_stream_equals_an_answer_that_is_not_streamed(anthropic_client: Anthropic) -> None:
    def plain(answer: Message) -> dict[str, Any]:
        body = {key: value for key, value in answer.to_dict().items() if key != "stop_details"}
        return {**body, "id": "", "content": block_contents(answer)}

    result = {"messages": "<think>Hm.</think> So: <tool_call>", "max_tokens": 3}
    whole, streamed = (
        create_message(anthropic_client, stream, **result) for stream in (False, True)
    )
    assert plain(whole) == plain(streamed)


@both
@pytest.mark.parametrize(
    ("body", "text", "reason", "stop"),
    [
        ({"max_tokens": 2}, "one two", "max_tokens", None),
        ({"stop_sequences": ["four", "three", "two t"]}, "one ", "stop_sequence", "two t"),
        ({"stop_sequences": ["five"]}, "one two three", "end_turn", None),
        ({"stop_sequences": []}, "one two three", "end_turn", None),
        ({"stop_sequences": ["one"]}, None, "stop_sequence", "one"),
    ],
)
def test_stop_reasons(
    anthropic_client: Anthropic,
    body: dict[str, Any],
    text: str | None,
    reason: str,
    stop: str | None,
    stream: bool,
) -> None:
    answer = create_message(anthropic_client, stream, messages="one two three", **body)
    assert block_contents(answer) == ([] if text is None else [("text", text)])
    assert (answer.stop_reason, answer.stop_sequence) == (reason, stop)


@both
def test_a_full_context(stream: bool) -> None:
    (spec,) = (one for one in echo_settings().models if one.id == "echo")
    small = replace(spec, options={"context": 5})
    settings = echo_settings(models=(small,))
    with ServerThread(settings) as server, server.anthropic_client() as client:
        answer = create_message(client, stream, messages="one two three")
        assert block_contents(answer) == [("text", "one")]
        assert answer.stop_reason == "model_context_window_exceeded"
        words = "prompt is too long: {} tokens > {} maximum"
        assert refusal(client, messages="one two three four five") == words.format(6, 5)
        assert refusal(client, messages="one two three four") == words.format(5, 4)


def test_an_overflow_whose_numbers_are_not_known() -> None:
    """An upstream's words; the official clients look for the first ones."""
    for message in ("The context length is exceeded.", "context length: 9 tokens, 3 tokens sent"):
        body = ANTHROPIC.error_body(ContextLengthExceeded(message), "req_1")
        assert body["error"]["message"] == f"prompt is too long: {message}"


BILLING = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=5f3a1;"}


def test_the_block_about_billing_is_left_out(anthropic_client: Anthropic) -> None:
    """It changes with each request, so that the prompts would have no common prefix."""
    rest = [{"type": "text", "text": text} for text in ("You are brief.", "Be kind.")]
    for system in ([BILLING, *rest], [rest[0], BILLING, rest[1]]):
        expected = engine_request(anthropic_client, system=rest)
        assert engine_request(anthropic_client, system=system) == expected
    assert engine_request(anthropic_client, system=[BILLING]) == engine_request(anthropic_client)


def test_fields_that_are_always_there(anthropic_client: Anthropic) -> None:
    message: Any = create_message(anthropic_client, False, messages="one").to_dict()
    assert {"container", "stop_details"} <= set(message)
    assert message["usage"]["cache_creation"] == {
        "ephemeral_1h_input_tokens": 0,
        "ephemeral_5m_input_tokens": 0,
    }
    assert {"inference_geo", "server_tool_use"} <= set(message["usage"])
    create: Any = anthropic_client.messages.create
    events = [*create(**BODY, stream=True)]
    assert {"container", "stop_details"} <= set(events[-2].to_dict()["delta"])


def test_errors_in_its_own_words(anthropic_client: Anthropic) -> None:
    image = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": image}]
    message = refusal(anthropic_client, messages=[{"role": "user", "content": content}])
    assert "Images are only supported by certain models" in message
    assert "image_url" not in message


@both
def test_thinking_is_a_block_of_its_own(anthropic_client: Anthropic, stream: bool) -> None:
    result = {"messages": "<think>\nHm, well.\n</think>\n\nHello you."}
    answer = create_message(anthropic_client, stream, **result)
    assert block_contents(answer) == [("thinking", "Hm, well."), ("text", "Hello you.")]
    assert answer.usage.output_tokens_details is not None
    assert answer.usage.output_tokens_details.thinking_tokens == 4
    silent = {"type": "adaptive", "display": "omitted"}
    answer = create_message(anthropic_client, stream, thinking=silent, **result)
    assert block_contents(answer) == [("thinking", ""), ("text", "Hello you.")]


def test_the_frames_of_a_stream(echo_server: Running) -> None:
    body = {**BODY, "stream": True}
    answer = fetch(f"{echo_server.url}{URL}?beta=true", "POST", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-ratelimit-limit-requests"]
    frames = [frame.split("\n") for frame in answer.body.decode().split("\n\n")[:-1]]
    names = [name.removeprefix("event: ") for name, _ in frames]
    assert names[:3] == ["message_start", "ping", "content_block_start"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    for (_, data), name in zip(frames, names, strict=True):
        assert json.loads(data.removeprefix("data: "))["type"] == name


def test_the_engine_request(anthropic_client: Anthropic) -> None:
    received = engine_request(
        anthropic_client,
        max_tokens=3000,
        stop_sequences=["a", "b"],
        system="Be kind.",
        extra_body={"temperature": 0.5, "top_p": 0.25, "top_k": 7, "min_p": 0.125},
    )
    assert received == {
        "prompt": {
            "type": "chat",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "hi"},
            ],
        },
        "sampling": {"temperature": 0.5, "top_p": 0.25, "local": {"top_k": 7, "min_p": 0.125}},
        "max_tokens": 3000,
        "stop": ["a", "b"],
        "streamed": False,
    }


@both
def test_structured_output(anthropic_client: Anthropic, stream: bool) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    format = {"type": "json_schema", "schema": schema}
    received = engine_request(anthropic_client, output_config={"format": format})
    assert received["constraint"] == {"type": "json_schema", "schema": schema}
    answer = create_message(
        anthropic_client, stream, messages="hi", output_config={"format": format}
    )
    assert answer.stop_reason == "end_turn"


def test_a_schema_that_cannot_be_enforced(anthropic_client: Anthropic) -> None:
    format = {"type": "json_schema", "schema": {"uniqueItems": True}}
    message = refusal(anthropic_client, output_config={"format": format})
    assert "output_config.format" in message
    assert "response_format" not in message


@pytest.mark.parametrize(
    ("parameters", "effort"),
    [
        ({}, None),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "disabled"}}, "none"),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, "none"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, "high"),
        ({"output_config": {"effort": "low"}}, "low"),
    ],
)
def test_thinking_that_every_model_accepts(
    anthropic_client: Anthropic, parameters: dict[str, Any], effort: str | None
) -> None:
    assert (
        engine_request(anthropic_client, **parameters)["prompt"].get("reasoning_effort") == effort
    )


@pytest.mark.parametrize("effort", [{}, {"output_config": {"effort": "max"}}])
def test_thinking_that_the_model_does_not_support(
    anthropic_client: Anthropic, effort: dict[str, Any]
) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    message = refusal(anthropic_client, max_tokens=2000, thinking=thinking, **effort)
    assert message.startswith("Unsupported parameter: 'thinking' is not supported")


CACHED = {"type": "ephemeral", "ttl": "1h", "scope": "global", "evict_on_complete": True}
WITHOUT_EFFECT: dict[str, Any] = {
    "output_config": {"task_budget": {"type": "tokens", "total": 9000, "remaining": 100}},
    "thinking": {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}},
    "cache_control": CACHED,
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "mcp_servers": [],
    "metadata": {"user_id": "someone"},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": CACHED}]}
    ],
    "service_tier": "standard_only",
    "speed": "standard",
    "tools": [],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
}


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_parameters_without_effect_are_accepted(anthropic_client: Anthropic, name: str) -> None:
    parameters = engine_request(anthropic_client, extra_body={name: WITHOUT_EFFECT[name]})
    assert parameters == engine_request(anthropic_client)


def test_the_headers_of_beta_clients_are_ignored(anthropic_client: Anthropic) -> None:
    answer = anthropic_client.beta.messages.create(
        model="echo",
        max_tokens=9,
        messages=[{"role": "user", "content": "hi"}],
        betas=["context-management-2025-06-27"],
        user_profile_id="someone",
    )
    assert answer.content[0].type == "text"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": 0}, "'max_tokens': integer below minimum"),
    ({"max_tokens": "5"}, "'max_tokens': expected an integer"),
    ({"messages": []}, "messages"),
    ({"messages": 5}, "messages"),
    ({"model": 5}, "model"),
    ({"stop_sequences": "x"}, "stop_sequences"),
    ({"stop_sequences": [""]}, "stop_sequences[0]"),
    ({"stop_sequences": ["x"] * 65}, "stop_sequences"),
    ({"temperature": 1.5}, "temperature"),
    ({"top_p": -1}, "top_p"),
    ({"top_k": -1}, "top_k"),
    ({"system": 5}, "system"),
    ({"system": [{"type": "image"}]}, "system[0].type"),
    ({"service_tier": "gold"}, "service_tier"),
    ({"metadata": {"mood": "good"}}, "metadata.mood"),
    ({"cache_control": {"type": "eternal"}}, "cache_control.type"),
    ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "adaptive", "budget_tokens": 1024}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "between_tools"}}, "thinking.type"),
    ({"thinking": {"type": "deep"}}, "thinking.type"),
    ({"thinking": {"type": "adaptive", "display": "updates"}}, "thinking.display"),
    ({"output_config": {"task_budget": {"type": "words"}}}, "output_config.task_budget.type"),
    ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ({"speed": "fast"}, "speed"),
    ({"container": "c"}, "container"),
    ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
    ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "context_management"),
    ({"diagnostics": {"previous_message_id": "msg_1"}}, "diagnostics"),
    ({"inference_geo": "eu"}, "inference_geo"),
    ({"colour": "blue"}, "Unknown parameter: 'colour'"),
]


@pytest.mark.parametrize(("change", "words"), BAD, ids=str)
def test_bad_bodies(anthropic_client: Anthropic, change: dict[str, Any], words: str) -> None:
    assert words in refusal(anthropic_client, **change)


def error_of(raw: bytes) -> tuple[str, str]:
    body = json.loads(raw)
    assert set(body) == {"type", "error", "request_id"}
    assert set(body["error"]) == {"type", "message"}
    assert body["request_id"].startswith("req_")
    return body["error"]["type"], body["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"model": "\\ud800"}'])
@pytest.mark.parametrize("path", [URL, COUNT])
def test_malformed_json(echo_server: Running, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = fetch(f"{echo_server.url}{path}", "POST", data=body, headers=headers)
    assert answer.status == 400
    assert error_of(answer.body)[0] == "invalid_request_error"


def test_other_errors_have_the_same_shape(echo_server: Running) -> None:
    url = echo_server.url
    wrong_type = fetch(f"{url}{URL}", "POST", data=b"x", headers={"content-type": "text/plain"})
    assert (wrong_type.status, error_of(wrong_type.body)[0]) == (415, "invalid_request_error")
    wrong_method = fetch(f"{url}{URL}")
    assert (wrong_method.status, error_of(wrong_method.body)[0]) == (405, "invalid_request_error")
    unknown = fetch(f"{url}{URL}/batches", "POST", json={})
    assert (unknown.status, error_of(unknown.body)[0]) == (404, "not_found_error")


@both
@pytest.mark.parametrize(
    ("model", "kind", "status"),
    [
        ("nope", NotFoundError, 404),
        ("fails-first", InternalServerError, 500),
        ("unloadable", InternalServerError, 500),
    ],
)
def test_errors_before_the_first_token_keep_their_status(
    anthropic_client: Anthropic, model: str, kind: type[APIStatusError], status: int, stream: bool
) -> None:
    create: Any = anthropic_client.messages.create
    with pytest.raises(kind) as caught:
        create(**{**BODY, "model": model}, stream=stream)
    assert caught.value.status_code == status
    assert caught.value.type == ("not_found_error" if status == 404 else "api_error")


@pytest.mark.parametrize("model", ["fails-later", "crashes"])
def test_an_error_inside_of_a_stream(anthropic_client: Anthropic, model: str) -> None:
    with anthropic_client.messages.stream(
        model=model, max_tokens=9, messages=[{"role": "user", "content": "a b c d"}]
    ) as events:
        assert next(events).type == "message_start"
        with pytest.raises(APIStatusError) as caught:
            events.until_done()
    assert caught.value.type == "api_error"
    assert caught.value.response.status_code == 200
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["request_id"] == caught.value.request_id


def test_keys() -> None:
    settings = echo_settings(api_key="sk-ant-0123456789")
    with ServerThread(settings) as server:
        for right in ({"api_key": "sk-ant-0123456789"}, {"auth_token": "sk-ant-0123456789"}):
            client = server.anthropic_client(**{"api_key": None, **right})
            assert create_message(client, False, messages="hi").content
        client = server.anthropic_client(api_key="sk-ant-wrong-tail")
        with pytest.raises(AuthenticationError) as caught:
            create_message(client, False, messages="hi")
        assert caught.value.type == "authentication_error"
        assert "wrong" not in caught.value.message


def test_unknown_parameters_can_be_ignored_with_a_warning() -> None:
    block = {"type": "text", "text": "hi", "mood": "good"}
    body = {**BODY, "messages": [{"role": "user", "content": [block]}], "colour": "blue"}
    with ServerThread(echo_settings(unknown_parameters="warn")) as server:
        for path, change in ((URL, {}), (COUNT, {"max_tokens": 5})):
            answer = fetch(f"{server.url}{path}", "POST", json={**body, **change})
            assert answer.status == 200
            ignored = "colour, mood" if path == URL else "colour, max_tokens, mood"
            warning = f"unknown parameters were ignored: {ignored}"
            assert answer.headers["x-openedai-warning"] == warning


def test_bodies_can_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever types their blocks have."""
    caplog.set_level(logging.INFO, "openedai.access")
    blocks = [{"type": "text", "text": "my-secret-plan"}, {"type": "search_result", **FOUND}]
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    fields: Any = {"tools": tools, "tool_choice": {"type": "auto"}}
    with ServerThread(echo_settings(log_prompts=True)) as server:
        client = server.anthropic_client()
        create_message(client, False, messages=[{"role": "user", "content": blocks}], **fields)
    (record,) = (one for one in caplog.records if one.name == "openedai.access")
    assert json.loads(vars(record)["body"])["messages"][0]["content"] == blocks


def test_counting(anthropic_client: Anthropic) -> None:
    count = anthropic_client.messages.count_tokens
    messages: Any = [{"role": "user", "content": "one two three"}]
    for system in ("", "Be kind."):
        result: dict[str, Any] = {"messages": messages, "system": system, "model": "echo"}
        whole = create_message(anthropic_client, False, **result)
        assert count(**result).input_tokens == whole.usage.input_tokens
    with pytest.raises(NotFoundError):
        count(model="nope", messages=messages)
    assert "stop_sequences" in refusal(anthropic_client, COUNT, stop_sequences=["x"])
    assert "messages" in refusal(anthropic_client, COUNT, messages=[])
