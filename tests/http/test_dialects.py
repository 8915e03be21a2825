from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from openedai.errors import APIError, InvalidRequest, ModelNotFound, RateLimited, Unavailable
from openedai.http.dialects import ANTHROPIC, OFFICIAL, OLLAMA, Dialect, dialect_of
from openedai.http.envelope import Exchange
from openedai.http.respond import EventStream, error_response
from tests.support import Running, fetch


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", OFFICIAL),
        ("/v1/messages", ANTHROPIC),
        ("/v1/messages/count_tokens", ANTHROPIC),
        ("/v1/messagesx", OFFICIAL),
        ("/api/chat", OLLAMA),
        ("/apis", OFFICIAL),
        ("/", OFFICIAL),
    ],
)
def test_which_dialect(path: str, dialect: Dialect) -> None:
    assert dialect_of(path) is dialect


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("no"), "invalid_request_error"),
        (ModelNotFound("no"), "not_found_error"),
        (RateLimited("no"), "rate_limit_error"),
        (Unavailable("no"), "overloaded_error"),
        (APIError("no"), "api_error"),
    ],
)
def test_errors_as_anthropic_has_them(error: APIError, kind: str) -> None:
    exchange = Exchange("req_1", "POST", "/v1/messages")
    scope = {"path": "/v1/messages", "headers": [], "exchange": exchange}
    response = error_response(error, scope)
    assert response.status_code == error.status
    body = json.loads(bytes(response.body))
    assert body == {
        "type": "error",
        "error": {"type": kind, "message": error.message},
        "request_id": "req_1",
    }
    frame = ANTHROPIC.frame(error, "req_1")
    assert frame == b"event: error\ndata: " + response.body + b"\n\n"


@pytest.mark.parametrize(
    ("message", "shown"), [("Too bad.", "top_p: Too bad."), ("Bad 'top_p'.", "Bad 'top_p'.")]
)
def test_the_field_is_named_where_there_is_no_place_for_it(message: str, shown: str) -> None:
    body = ANTHROPIC.body(InvalidRequest(message, param="top_p"), None)
    assert body["error"]["message"] == shown
    assert "request_id" not in body


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/owner/name"])
def test_one_url_of_two_apis(path: str) -> None:
    assert dialect_of(path, [(b"anthropic-version", b"2023-06-01")]) is ANTHROPIC
    assert dialect_of(path, [(b"accept", b"*/*")]) is OFFICIAL


async def _end_of_stream(dialect: Dialect) -> tuple[bytes, str]:
    sent: list[Message] = []

    async def frames() -> AsyncGenerator[bytes, None]:
        yield b"second\n"
        raise InvalidRequest("It broke.")

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    stream = EventStream(b"first\n", frames(), dialect=dialect)
    await stream({"type": "http"}, receive, send)
    return sent[-1]["body"], stream.headers["content-type"]


async def _ends() -> dict[str, tuple[bytes, str]]:
    return {
        "official": await _end_of_stream(OFFICIAL),
        "anthropic": await _end_of_stream(ANTHROPIC),
        "ollama": await _end_of_stream(OLLAMA),
    }


def test_an_error_inside_of_a_stream() -> None:
    ends = asyncio.run(_ends())
    assert ends["official"][0].startswith(b'data: {"error":')
    assert ends["anthropic"][0].startswith(b"event: error\ndata: ")
    assert ends["ollama"] == (b'{"error":"It broke."}\n', "application/x-ndjson")
    assert ends["official"][1] == ends["anthropic"][1] == "text/event-stream; charset=utf-8"


def test_an_error_of_ollama_names_its_parameter() -> None:
    unnamed = InvalidRequest("Too large.", param="options.seed")
    assert OLLAMA.body(unnamed, None) == {"error": "Too large. ('options.seed')"}
    named = InvalidRequest("'options.seed' is too large.", param="options.seed")
    assert OLLAMA.body(named, None) == {"error": "'options.seed' is too large."}


def test_an_unknown_url_of_another_api(echo_server: Running) -> None:
    answer = fetch(f"{echo_server.url}/api/nothing", "POST", json={})
    assert answer.status == 404
    assert json.loads(answer.body) == {"error": "Invalid URL (POST /api/nothing)"}
