"""Errors in the shape of the official API, and the headers of every answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openedai.errors import APIError
from openedai.http.dialect import Dialect
from openedai.http.exchange import Exchange
from openedai.http.respond import data_frame


def error_body(error: APIError, request_id: str) -> dict[str, Any]:
    """The four official keys, always."""
    fields = {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    return {"error": fields}


def _error_frame(error: APIError, request_id: str) -> bytes:
    return data_frame(error_body(error, request_id))


OPENAI = Dialect(error_body, _error_frame)


def response_headers(exchange: Exchange) -> Iterable[tuple[bytes, bytes]]:
    """The headers of every answer, in every dialect. Clients of 2023 read `request-id`."""
    request_id = exchange.id.encode()
    return (
        (b"x-request-id", request_id),
        (b"request-id", request_id),
        (b"openai-version", b"2020-10-01"),
        (b"openai-processing-ms", b"%d" % (exchange.seconds * 1000)),
    )
