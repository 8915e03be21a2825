"""How errors look, by the API that a URL belongs to: each has clients that read its own shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from openedai.errors import APIError

_encode = msgspec.json.Encoder().encode

# All clients of Anthropic's API send it, also to a URL that both APIs have.
ANTHROPIC_HEADER = b"anthropic-version"

# By status; anything else is an `api_error`.
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    503: "overloaded_error",
}


@dataclass(frozen=True)
class Dialect:
    """`body` is an error's JSON; `frame` is the same inside of a stream of type `media_type`.

    Both are also given the id of the request, where there is one.
    """

    body: Callable[[APIError, str | None], Any]
    frame: Callable[[APIError, str | None], bytes]
    media_type: str = "text/event-stream"


def _official_body(error: APIError, request_id: str | None) -> Any:
    return error.body()


def _official_frame(error: APIError, request_id: str | None) -> bytes:
    return b"data: " + _encode(error.body()) + b"\n\n"


def _anthropic_body(error: APIError, request_id: str | None) -> Any:
    """The name of a wrong field has no place of its own in this shape."""
    message, param = error.message, error.param
    if param is not None and param not in message:
        message = f"{param}: {message}"
    kind = _ANTHROPIC_TYPES.get(error.status, "api_error")
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return body if request_id is None else {**body, "request_id": request_id}


def _anthropic_frame(error: APIError, request_id: str | None) -> bytes:
    return b"event: error\ndata: " + _encode(_anthropic_body(error, request_id)) + b"\n\n"


def _ollama_body(error: APIError, request_id: str | None) -> Any:
    """There is only a message, so it also has to say which parameter it is about."""
    named = error.param is None or error.param in error.message
    return {"error": error.message if named else f"{error.message} ('{error.param}')"}


def _ollama_frame(error: APIError, request_id: str | None) -> bytes:
    return _encode(_ollama_body(error, request_id)) + b"\n"


OFFICIAL = Dialect(_official_body, _official_frame)
ANTHROPIC = Dialect(_anthropic_body, _anthropic_frame)
OLLAMA = Dialect(_ollama_body, _ollama_frame, "application/x-ndjson")


def dialect_of(path: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Dialect:
    """The dialect that a request is in, by its URL and its headers in lower case."""
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return ANTHROPIC
    if path == "/v1/models" or path.startswith("/v1/models/"):
        return ANTHROPIC if any(name == ANTHROPIC_HEADER for name, _ in headers) else OFFICIAL
    return OLLAMA if path.startswith("/api/") else OFFICIAL
