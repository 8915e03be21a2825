"""Errors in the shape of Anthropic's API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from openedai.errors import APIError, ContextLengthExceeded, NoVision
from openedai.http.dialect import Dialect
from openedai.http.rate_limits import RateLimit
from openedai.http.respond import data_frame

_TOKENS = re.compile(r"(\d{1,18}) tokens")
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
    416: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    503: "overloaded_error",
}


def error_body(error: APIError, request_id: str) -> dict[str, Any]:
    """The format has no field for the parameter's name, so the message contains it."""
    message, param = _message(error), error.param
    if isinstance(error, ContextLengthExceeded):
        param = None
    if param is not None and param not in message:
        message = f"{param}: {message}"
    error_type = _TYPES.get(error.status, "api_error")
    return {
        "type": "error",
        "error": {"type": error_type, "message": message},
        "request_id": request_id,
    }


def _message(error: APIError) -> str:
    """The message in the words of Anthropic's API. Its clients parse the numbers in an overflow
    error.
    """
    if isinstance(error, NoVision):
        return error.message.replace("image_url is", "Images are")
    if not isinstance(error, ContextLengthExceeded):
        return error.message
    numbers = [int(number) for number in _TOKENS.findall(error.message)[:2]]
    if len(numbers) < 2 or numbers[1] < numbers[0]:
        return f"prompt is too long: {error.message}"
    limit, tokens = numbers
    return f"prompt is too long: {tokens} tokens > {min(limit, tokens - 1)} maximum"


def _error_frame(error: APIError, request_id: str) -> bytes:
    return b"event: error\n" + data_frame(error_body(error, request_id))


def _rate_limit_headers(limits: Mapping[str, RateLimit]) -> Iterator[tuple[bytes, bytes]]:
    """The time of the reset is written as in RFC 3339, to the millisecond."""
    for measure, one in limits.items():
        name = b"anthropic-ratelimit-%b-" % measure.encode()
        reset = datetime.now(UTC) + timedelta(milliseconds=one.reset_ms)
        yield name + b"limit", b"%d" % one.limit
        yield name + b"remaining", b"%d" % one.remaining
        yield name + b"reset", f"{reset:%Y-%m-%dT%H:%M:%S}.{reset.microsecond // 1000:03}Z".encode()


ANTHROPIC = Dialect(error_body, _error_frame, rate_limit_headers=_rate_limit_headers)
