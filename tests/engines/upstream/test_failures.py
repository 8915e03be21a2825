"""Errors in the shapes of all servers, and invalid options."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from openedai.contract.engine import Directory
from openedai.engines.remote.failures import Failures, ReplicaFailed
from openedai.engines.upstream.engine import Upstream
from openedai.engines.upstream.options import addresses, read_options
from openedai.errors import (
    APIError,
    BadGateway,
    ContextLengthExceeded,
    EngineFailed,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unavailable,
    Unsupported,
)
from tests.engines.upstream.faults import Peer, ReceivedRequest, faulty_server

FAILURES = Failures("ours", secrets=("sk-secret",))


def refusal(status: int, body: Any, retry_after: str | None = None) -> APIError:
    """The error that the client gets in the end."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = FAILURES.of_answer(status, data, retry_after, "messages")
    return found.error if isinstance(found, ReplicaFailed) else found


OFFICIAL = {"message": "Bad.", "type": "invalid_request_error", "param": "n", "code": "invalid_n"}


@pytest.mark.parametrize(
    ("body", "message", "code", "param"),
    [
        ({"error": OFFICIAL}, "Bad.", "invalid_n", "n"),
        ({"detail": "Bad."}, "Bad.", None, None),
        (
            {"detail": [{"loc": ["body", "n"], "msg": "too large", "type": "x"}, "and more"]},
            "n: too large; and more",
            None,
            None,
        ),
        (
            {"object": "error", "message": "Bad.", "type": "BadRequestError", "code": 400},
            "Bad.",
            None,
            None,
        ),
        ({"error": "Bad."}, "Bad.", None, None),
        ({"error": {"message": "Bad.", "code": 400, "param": None}}, "Bad.", None, None),
        ("Bad.", "Bad.", None, None),
    ],
)
def test_every_shape_of_a_refusal(
    body: Any, message: str, code: str | None, param: str | None
) -> None:
    error = refusal(400, body)
    assert type(error) is InvalidRequest
    assert (error.message, error.code, error.param) == (message, code, param)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff", b"[" * 100_000, b"{}", b"[[1]]", b"null", b'{"error": 5}']
)
def test_a_refusal_without_a_message(body: bytes) -> None:
    error = refusal(422, body)
    assert error.status == 400
    assert "ours" in error.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (404, NotFound),
        (413, PayloadTooLarge),
        (422, InvalidRequest),
        (401, BadGateway),
        (403, BadGateway),
        (302, BadGateway),
        (204, BadGateway),
        (418, BadGateway),
        (429, RateLimited),
        (500, BadGateway),
        (502, BadGateway),
        (503, Unavailable),
        (529, Unavailable),
    ],
)
def test_statuses(status: int, kind: type[APIError]) -> None:
    assert type(refusal(status, {"error": {"message": "Said."}})) is kind


def test_codes_decide_the_class() -> None:
    assert type(refusal(400, {"error": {"code": "unsupported_parameter"}})) is Unsupported
    quota = refusal(429, {"error": {"message": "Pay.", "code": "insufficient_quota"}}, "20")
    assert (quota.code, quota.retry_after) == ("insufficient_quota", 20)
    assert refusal(429, {}).code == "rate_limit_exceeded"


@pytest.mark.parametrize("header", [None, "", "soon", "-1", "nan", "inf", "1e9"])
def test_a_retry_after_that_is_not_a_number_of_seconds(header: str | None) -> None:
    assert refusal(429, {}, header).retry_after is None


@pytest.mark.parametrize(
    "error",
    [
        {"message": "This is too long.", "code": "context_length_exceeded", "param": "messages"},
        {"message": "This model's maximum context length is 8 tokens. You …", "code": 400},
        {"message": "The input (9 tokens) is longer than the model's context length (8 tokens)."},
    ],
)
def test_an_overflow_of_the_context_keeps_its_code(error: dict[str, Any]) -> None:
    found = refusal(400, {"error": error})
    assert type(found) is ContextLengthExceeded
    assert (found.code, found.param) == ("context_length_exceeded", "messages")
    assert found.message == str(found) == error["message"]


def test_an_overflow_of_llama_cpp_has_both_numbers() -> None:
    error = {"type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8, "code": 400}
    found = refusal(400, {"error": error})
    assert "8 tokens" in found.message
    assert "9 tokens" in found.message


def test_keys_are_removed_from_messages() -> None:
    for status in (400, 401, 429, 500):
        error = refusal(status, {"error": {"message": "Not with sk-secret!"}})
        assert "sk-secret" not in error.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "Bad.", "code": 400}, InvalidRequest),
        ({"message": "Bad.", "type": "invalid_request_error"}, InvalidRequest),
        ({"message": "Slow down.", "code": 429}, RateLimited),
        ({"message": "Gone."}, BadGateway),
        ("Gone.", BadGateway),
    ],
)
def test_errors_inside_of_streams(error: Any, kind: type[APIError]) -> None:
    found = FAILURES.of_event({"error": error}, "messages")
    assert type(found.error if isinstance(found, ReplicaFailed) else found) is kind


URL = "http://upstream.example"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": URL, "urls": [URL]},
        {"urls": [URL, URL]},
        {"urls": []},
        {"url": "upstream.example"},
        {"url": "ftp://upstream.example"},
        {"url": "http://"},
        {"url": "http://[::1"},
        {"url": "http://user:sk-secret@upstream.example"},
        {"url": f"{URL}?key=sk-secret"},
        {"url": URL, "server": "tgi"},
        {"url": URL, "slots": 0},
        {"url": URL, "retries": -1},
        {"url": URL, "idle_timeout": 0},
        {"url": URL, "unknown": 1},
        {"url": URL, "key": "$NOT_SET_ANYWHERE"},
        {"url": URL, "key": "sk-secret\r\nx: y"},
        {"url": URL, "headers": {"x\n": "y"}},
        {"url": URL, "key": 5},
        {"url": URL, "key": ""},
    ],
)
def test_invalid_options(options: dict[str, Any]) -> None:
    with pytest.raises(EngineFailed) as caught:
        asyncio.run(Upstream.load("ours", None, options))
    assert "ours" in caught.value.message
    assert "sk-secret" not in caught.value.message


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://a:1", "http://a:1/v1"),
        ("http://a:1/", "http://a:1/v1"),
        ("http://a:1/v1", "http://a:1/v1"),
        ("http://a:1/v1/", "http://a:1/v1"),
        ("https://a/openai/v1", "https://a/openai/v1"),
    ],
)
def test_addresses_with_and_without_the_version(given: str, base: str) -> None:
    options = read_options("ours", {"url": given})
    assert [str(url) for url in addresses("ours", options)] == [base]


def test_the_names_of_an_upstreams_models() -> None:
    async def scenario() -> None:
        async def nothing(peer: Peer, request: ReceivedRequest) -> None:
            raise AssertionError

        async with faulty_server(nothing) as server:
            options = {"url": server.url, "names": {"ours": "theirs"}}
            engine = await Upstream.load("catalogue", None, options)
            try:
                assert isinstance(engine, Directory)
                assert await engine.models() == ("ours",)
                server.up = False
                with pytest.raises(BadGateway):
                    await engine.models()
            finally:
                await engine.close()

    asyncio.run(scenario())
