"""How errors look, by the API that a URL belongs to: each has clients that read its own shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from openedai.errors import APIError

_encode = msgspec.json.Encoder().encode

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
    """`body` is an error's JSON; `frame` is the same inside of a stream of type `media_type`."""

    body: Callable[[APIError], Any]
    frame: Callable[[APIError], bytes]
    media_type: str = "text/event-stream"


def _official_frame(error: APIError) -> bytes:
    return b"data: " + _encode(error.body()) + b"\n\n"


def _anthropic_body(error: APIError) -> Any:
    kind = _ANTHROPIC_TYPES.get(error.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def _anthropic_frame(error: APIError) -> bytes:
    return b"event: error\ndata: " + _encode(_anthropic_body(error)) + b"\n\n"


def _ollama_body(error: APIError) -> Any:
    """There is only a message, so it also has to say which parameter it is about."""
    named = error.param is None or error.param in error.message
    return {"error": error.message if named else f"{error.message} ('{error.param}')"}


def _ollama_frame(error: APIError) -> bytes:
    return _encode(_ollama_body(error)) + b"\n"


OFFICIAL = Dialect(APIError.body, _official_frame)
ANTHROPIC = Dialect(_anthropic_body, _anthropic_frame)
OLLAMA = Dialect(_ollama_body, _ollama_frame, "application/x-ndjson")


def dialect_of(path: str) -> Dialect:
    """The dialect that the clients of a URL speak."""
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return ANTHROPIC
    return OLLAMA if path.startswith("/api/") else OFFICIAL
