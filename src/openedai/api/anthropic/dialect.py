"""Errors in the shape of Anthropic's API."""

from __future__ import annotations

from typing import Any

from openedai.errors import APIError
from openedai.http.dialect import Dialect
from openedai.http.respond import data_frame

# By status; anything else is an `api_error`.
_TYPES = {
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


def error_body(error: APIError, request_id: str) -> dict[str, Any]:
    """There is no field for the parameter's name, so the message has it."""
    message, param = error.message, error.param
    if param is not None and param not in message:
        message = f"{param}: {message}"
    error_type = _TYPES.get(error.status, "api_error")
    return {
        "type": "error",
        "error": {"type": error_type, "message": message},
        "request_id": request_id,
    }


def _error_frame(error: APIError, request_id: str) -> bytes:
    return b"event: error\n" + data_frame(error_body(error, request_id))


ANTHROPIC = Dialect(error_body, _error_frame)
