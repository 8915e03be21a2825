"""Errors and streams in the shape of Ollama's API."""

from __future__ import annotations

from typing import Any

from openedai.errors import APIError, NoVision
from openedai.http.dialect import Dialect
from openedai.http.respond import json_line


def error_body(error: APIError, request_id: str) -> dict[str, Any]:
    """Only a message, which therefore contains the parameter's name."""
    message = error.message
    if isinstance(error, NoVision):
        message = message.replace("image_url is", "Images are")
    complete = error.param is None or error.param in message
    return {"error": message if complete else f"{message} ('{error.param}')"}


def _error_frame(error: APIError, request_id: str) -> bytes:
    return json_line(error_body(error, request_id))


OLLAMA = Dialect(error_body, _error_frame, "application/x-ndjson", accepts_no_type=True)
