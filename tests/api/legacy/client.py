"""Requests to the older endpoints, which no client of today has."""

from __future__ import annotations

import json
from typing import Any

from tests.support import Running, fetch

LIMITS = {
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
}


def post(server: Running, path: str, **body: Any) -> dict[str, Any]:
    """The answer to a body that is right."""
    answer = fetch(f"{server.url}{path}", "POST", json=body)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.keys() >= LIMITS
    value: dict[str, Any] = json.loads(answer.body)
    return value


def refusal(server: Running, path: str, **body: Any) -> tuple[int, str | None, str | None]:
    """The status, code and param of the refusal that a body gets."""
    answer = fetch(f"{server.url}{path}", "POST", json=body)
    error = json.loads(answer.body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    return answer.status, error["code"], error["param"]


def stream_frames(server: Running, path: str, **body: Any) -> list[dict[str, Any]]:
    """The frames of a stream, which ends as it should."""
    answer = fetch(f"{server.url}{path}", "POST", json={**body, "stream": True})
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("text/event-stream")
    *frames, end = answer.body.decode().removesuffix("\n\n").split("\n\n")
    assert end == "data: [DONE]"
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]
