from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from openedai.api.anthropic.dialect import ANTHROPIC
from openedai.api.dialects import ByDialect, dialect_of
from openedai.api.ollama.dialect import OLLAMA
from openedai.api.openai.dialect import OPENAI
from openedai.api.route import Endpoint, Handler
from openedai.errors import (
    PARAM,
    APIError,
    EngineFailed,
    InvalidRequest,
    ModelNotFound,
    RateLimited,
    Unavailable,
    Unsupported,
)
from openedai.http.dialect import Dialect
from openedai.http.exchange import Exchange
from openedai.http.respond import EventStream, error_response
from tests.support import Running, fetch


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", OPENAI),
        ("/v1/messages", ANTHROPIC),
        ("/v1/messages/count_tokens", ANTHROPIC),
        ("/v1/messagesx", OPENAI),
        ("/api/chat", OLLAMA),
        ("/apis", OPENAI),
        ("/", OPENAI),
    ],
)
def test_the_dialect_of_a_url(path: str, dialect: Dialect) -> None:
    assert dialect_of({"path": path, "headers": []}) is dialect


@pytest.mark.parametrize(
    ("error", "error_type"),
    [
        (InvalidRequest("no"), "invalid_request_error"),
        (ModelNotFound("no"), "not_found_error"),
        (RateLimited("no"), "rate_limit_error"),
        (Unavailable("no"), "overloaded_error"),
        (APIError("no"), "api_error"),
    ],
)
def test_errors_of_anthropics_api(error: APIError, error_type: str) -> None:
    exchange = Exchange("req_1", "POST", "/v1/messages", ANTHROPIC)
    response = error_response(error, exchange)
    assert response.status_code == error.status
    body = json.loads(bytes(response.body))
    assert body == {
        "type": "error",
        "error": {"type": error_type, "message": error.message},
        "request_id": "req_1",
    }
    frame = ANTHROPIC.error_frame(error, "req_1")
    assert frame == b"event: error\ndata: " + response.body + b"\n\n"


@pytest.mark.parametrize(
    ("message", "expected"), [("Too bad.", "top_p: Too bad."), ("Bad 'top_p'.", "Bad 'top_p'.")]
)
def test_the_message_names_the_parameter_if_no_field_does(message: str, expected: str) -> None:
    body = ANTHROPIC.error_body(InvalidRequest(message, param="top_p"), "req_1")
    assert body["error"]["message"] == expected


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/owner/name"])
def test_a_url_of_two_apis(path: str) -> None:
    version = [(b"anthropic-version", b"2023-06-01")]
    assert dialect_of({"path": path, "headers": version}) is ANTHROPIC
    assert dialect_of({"path": path, "headers": [(b"accept", b"*/*")]}) is OPENAI


@pytest.mark.parametrize(
    ("dialect", "name"), [(OPENAI, "official"), (ANTHROPIC, "anthropic"), (OLLAMA, "official")]
)
def test_an_endpoint_for_each_dialect(dialect: Dialect, name: str) -> None:
    """The official endpoint answers in dialects that have none."""

    endpoint = ByDialect(_Named("official"), {ANTHROPIC: _Named("anthropic")})
    request = Request({"type": "http", "exchange": Exchange("req_1", "GET", "/", dialect)})
    assert asyncio.run(_answer(endpoint, request)).body == name.encode()


class _Named:
    """An endpoint that answers with its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, request: Request) -> Response:
        return Response(self.name)

    def handler(self) -> Handler:
        return self


async def _answer(endpoint: Endpoint, request: Request) -> Response:
    return await endpoint(request)


async def _end_of_stream(dialect: Dialect) -> tuple[bytes, str]:
    sent: list[Message] = []

    async def frames() -> AsyncGenerator[bytes, None]:
        yield b"second\n"
        raise InvalidRequest("It broke.")

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    exchange = Exchange("req_1", "POST", "/", dialect)
    stream = EventStream(exchange, b"first\n", frames())
    await stream({"type": "http"}, receive, send)
    return sent[-1]["body"], stream.headers["content-type"]


async def _ends() -> dict[str, tuple[bytes, str]]:
    return {
        "official": await _end_of_stream(OPENAI),
        "anthropic": await _end_of_stream(ANTHROPIC),
        "ollama": await _end_of_stream(OLLAMA),
    }


def test_an_error_in_a_stream() -> None:
    ends = asyncio.run(_ends())
    assert ends["official"][0].startswith(b'data: {"error":')
    assert ends["anthropic"][0].startswith(b"event: error\ndata: ")
    assert ends["ollama"] == (b'{"error":"It broke."}\n', "application/x-ndjson")
    assert ends["official"][1] == ends["anthropic"][1] == "text/event-stream; charset=utf-8"


def test_an_error_of_ollama_names_its_parameter() -> None:
    unnamed = InvalidRequest("Too large.", param="options.seed")
    assert OLLAMA.error_body(unnamed, "req_1") == {"error": "Too large. ('options.seed')"}
    named = InvalidRequest("'options.seed' is too large.", param="options.seed")
    assert OLLAMA.error_body(named, "req_1") == {"error": "'options.seed' is too large."}


def test_an_unknown_url_of_another_api(echo_server: Running) -> None:
    answer = fetch(f"{echo_server.url}/api/nothing", "POST", json={})
    assert answer.status == 404
    assert json.loads(answer.body) == {"error": "Invalid URL (POST /api/nothing)"}


def _rendered(error: APIError, names: dict[str, str]) -> dict[str, str | None]:
    exchange = Exchange("req_1", "POST", "/", OPENAI, parameter_names=names)
    fields: dict[str, str | None] = json.loads(bytes(error_response(error, exchange).body))["error"]
    return fields


def test_an_error_names_the_clients_parameter() -> None:
    error = Unsupported(f"No '{PARAM}' here.", code="unsupported_parameter", param="grammar")
    expected = _rendered(error, {"grammar": "labels"})
    assert (expected["param"], expected["code"]) == ("labels", "unsupported_parameter")
    assert expected["message"] == "No 'labels' here."
    assert error.message == "No 'grammar' here."


@pytest.mark.parametrize(
    "error", [Unsupported("No.", param="top_p"), ModelNotFound("m"), EngineFailed("No.")]
)
def test_an_error_of_another_parameter_is_not_changed(error: APIError) -> None:
    assert _rendered(error, {"grammar": "labels"})["param"] == error.param
