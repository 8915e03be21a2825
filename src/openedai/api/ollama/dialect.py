"""How Ollama's API renders errors and streams."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.errors import APIError
from openedai.http.dialect import Dialect

_encode = msgspec.json.Encoder().encode


def error_body(error: APIError, request_id: str) -> dict[str, Any]:
    """There is only a message, so it also has the parameter's name."""
    complete = error.param is None or error.param in error.message
    return {"error": error.message if complete else f"{error.message} ('{error.param}')"}


def _error_frame(error: APIError, request_id: str) -> bytes:
    return _encode(error_body(error, request_id)) + b"\n"


OLLAMA = Dialect(error_body, _error_frame, "application/x-ndjson", accepts_form_type=True)
