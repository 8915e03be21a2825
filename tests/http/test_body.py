"""Bodies that are too large, and parameters that are passed on to another server."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from starlette.requests import Request
from starlette.types import Message

from openedai.api.openai.dialect import OPENAI
from openedai.errors import InvalidRequest, PayloadTooLarge
from openedai.http.body import Body, BodyLimits, Refused, read_body
from openedai.http.body_memory import BodyMemory
from openedai.http.exchange import Exchange


class Plain(Body):
    model: str


class Passing(Body):
    passthrough_fields = frozenset({"unused", "refused"})

    model: str
    unused: int | None = None
    refused: Refused = None


def read(body_type: type[Body], body: bytes, unknown: Literal["refuse", "warn"] = "refuse") -> Any:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "type": "http",
        "headers": [(b"content-type", b"application/json")],
        "exchange": Exchange("req_1", "POST", "/", OPENAI),
    }
    parsed = read_body(
        Request(scope, receive),
        body_type,
        limits=BodyLimits(json=1 << 22, form=1 << 20, memory=BodyMemory(1 << 24)),
        unknown=unknown,
        overrides={},
        passed_on=lambda fields: (
            body_type.passthrough_fields if fields.get("model") == "upstream" else None
        ),
    )
    return asyncio.run(parsed)


@pytest.mark.parametrize("unknown", ["refuse", "warn"])
def test_unknown_parameters_are_kept_as_extra(unknown: Literal["refuse", "warn"]) -> None:
    text = b'{"model": "upstream", "unused": "any", "refused": {"a": 1}, "new": [1e400, null]}'
    body, headers = read(Passing, text, unknown)
    assert (body.model, body.unused, body.refused) == ("upstream", None, None)
    assert body.extra == {"unused": "any", "refused": {"a": 1}, "new": [float("inf"), None]}
    assert headers == {}


def test_passthrough_fields_are_kept_as_extra() -> None:
    body, _ = read(Passing, b'{"model": "upstream", "unused": 5}')
    assert body.extra == {"unused": 5}
    body, _ = read(Passing, b'{"model": "upstream"}')
    assert body.extra == {}


@pytest.mark.parametrize(
    ("body_type", "text", "code"),
    [
        (Plain, b'{"model": "upstream", "new": 1}', "unknown_parameter"),
        (Passing, b'{"model": "local", "new": 1}', "unknown_parameter"),
        (Passing, b'{"model": "local", "refused": 1}', "unsupported_parameter"),
        (Passing, b'{"model": 5, "new": 1}', "invalid_type"),
        (Passing, b'{"new": 1}', "missing_required_parameter"),
        (Passing, b'[{"model": "upstream"}]', "invalid_type"),
        (Passing, b"{", None),
    ],
)
def test_other_models_refuse_unknown_parameters(
    body_type: type[Body], text: bytes, code: str | None
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body_type, text)
    assert caught.value.code == code


def test_a_local_model_gets_its_own_fields() -> None:
    body, _ = read(Passing, b'{"model": "local", "unused": 5}')
    assert (body.unused, body.extra) == (5, {})


@pytest.mark.parametrize("item", [b"[]", b'"", 12345'])
def test_a_body_with_too_many_values(item: bytes) -> None:
    values = b",".join([item] * 260_000)
    with pytest.raises(PayloadTooLarge, match="more than 500000 values") as caught:
        read(Passing, b'{"model": "upstream", "new": [' + values + b"]}")
    assert caught.value.code == "request_too_large"


def test_a_large_body() -> None:
    text = "[{:," * 300_000
    body, _ = read(Passing, b'{"model": "upstream", "new": "' + text.encode() + b'"}')
    assert body.extra == {"new": text}
    with pytest.raises(InvalidRequest, match="not valid JSON"):
        read(Passing, b'{"model": "' + text.encode())
