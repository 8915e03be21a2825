"""Parameters that another server is to read."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from starlette.requests import Request
from starlette.types import Message

from openedai.errors import InvalidRequest
from openedai.http.body import Body, Refused, read_json


class Plain(Body):
    model: str


class Open(Body):
    carried = frozenset({"idle", "refused"})

    model: str
    idle: int | None = None
    refused: Refused = None


def read(kind: type[Body], body: bytes, unknown: Literal["refuse", "warn"] = "refuse") -> Any:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}
    reading = read_json(
        Request(scope, receive),
        kind,
        limit=1 << 20,
        unknown=unknown,
        given={},
        carries=lambda fields: fields.get("model") == "far",
    )
    return asyncio.run(reading)


@pytest.mark.parametrize("unknown", ["refuse", "warn"])
def test_they_are_put_aside(unknown: Literal["refuse", "warn"]) -> None:
    text = b'{"model": "far", "idle": "any type", "refused": {"a": 1}, "new": [1e400, null]}'
    body, headers = read(Open, text, unknown)
    assert (body.model, body.idle, body.refused) == ("far", None, None)
    assert body.extra == {"idle": "any type", "refused": {"a": 1}, "new": [float("inf"), None]}
    assert headers == {}


def test_known_ones_are_put_aside_without_an_unknown_one_too() -> None:
    body, _ = read(Open, b'{"model": "far", "idle": 5}')
    assert body.extra == {"idle": 5}
    body, _ = read(Open, b'{"model": "far"}')
    assert body.extra == {}


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        (Plain, b'{"model": "far", "new": 1}', "unknown_parameter"),
        (Open, b'{"model": "near", "new": 1}', "unknown_parameter"),
        (Open, b'{"model": "near", "refused": 1}', "unsupported_parameter"),
        (Open, b'{"model": 5, "new": 1}', "invalid_type"),
        (Open, b'{"new": 1}', "missing_required_parameter"),
        (Open, b'[{"model": "far"}]', "invalid_type"),
        (Open, b"{", None),
    ],
)
def test_nobody_else_gets_away_with_them(kind: type[Body], text: bytes, code: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(kind, text)
    assert caught.value.code == code


def test_what_is_near_keeps_its_own() -> None:
    body, _ = read(Open, b'{"model": "near", "idle": 5}')
    assert (body.idle, body.extra) == (5, {})
