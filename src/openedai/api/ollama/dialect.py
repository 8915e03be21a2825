"""Errors and streams in the shape of Ollama's API."""

from __future__ import annotations

from typing import Any

from openedai.errors import APIError
from openedai.http.dialect import Dialect
from openedai.http.respond import json_line


def error_body(error: APIError, request_id: str) -> dict[str, Any]:
    """Only a message, so it has the parameter's name too."""
    complete = error.param is None or error.param in error.message
    return {"error": error.message if complete else f"{error.message} ('{error.param}')"}


def _error_frame(error: APIError, request_id: str) -> bytes:
    return json_line(error_body(error, request_id))


OLLAMA = Dialect(error_body, _error_frame, "application/x-ndjson", accepts_form_type=True)
