"""Whatever is wrong with a request, the answer has the official shape and headers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support import Answer, Running, ServerThread, echo_settings, fetch, raw_request

CHAT = "/v1/chat/completions"
GOOD = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
HEAD = b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
JSON = {"content-type": "application/json"}


def error_of(answer: Answer) -> dict[str, str | None]:
    """The error object, after a check of its shape and of the headers that all answers have."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["openai-version"] == "2020-10-01"
    assert int(answer.headers["openai-processing-ms"]) >= 0
    body = json.loads(answer.body)
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, str | None] = body["error"]
    return error


def test_unknown_url(echo_server: Running) -> None:
    answer = fetch(f"{echo_server.url}/v1/foo", "POST")
    assert answer.status == 404
    assert error_of(answer) == {
        "message": "Invalid URL (POST /v1/foo)",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/chat/completions/", "/v1//models"])
def test_near_misses_are_unknown_urls(echo_server: Running, path: str) -> None:
    assert fetch(f"{echo_server.url}{path}").status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", CHAT), ("PUT", CHAT), ("DELETE", "/v1/models"), ("POST", "/health")],
)
def test_wrong_method(echo_server: Running, method: str, path: str) -> None:
    answer = fetch(f"{echo_server.url}{path}", method)
    assert answer.status == 405
    assert error_of(answer)["code"] == "method_not_supported"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"model": "echo", "messages": [}',
        b"\xff\xfe",
        b'{"model": "\xff"}',
        b'{"model": "\\ud800"}',
        b"[" * 1000 + b"]" * 1000,
        b'{"messages":' * 1000 + b"1" + b"}" * 1000,
        b"[]",
        b'"text"',
        b"null",
    ],
    ids=lambda body: repr(body[:16]),
)
def test_malformed_json(echo_server: Running, body: bytes) -> None:
    answer = fetch(f"{echo_server.url}{CHAT}", "POST", data=body, headers=JSON)
    assert answer.status == 400
    assert error_of(answer)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "model", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_wrong_content_type(echo_server: Running, model: str) -> None:
    data = json.dumps(GOOD).encode()
    answer = fetch(f"{echo_server.url}{CHAT}", "POST", data=data, headers={"content-type": model})
    assert answer.status == 415
    assert error_of(answer)["code"] == "unsupported_content_type"


def test_json_content_type_with_charset(echo_server: Running) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    data = json.dumps(GOOD).encode()
    answer = fetch(f"{echo_server.url}{CHAT}", "POST", data=data, headers=headers)
    assert answer.status == 200


@pytest.fixture(scope="module")
def strict_server() -> Iterator[Running]:
    settings = echo_settings(max_body_bytes=2000, receive_timeout=0.3, max_header_bytes=2000)
    with ServerThread(settings) as running:
        yield running


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(strict_server: Running, chunked: bool) -> None:
    async def parts() -> object:
        for _ in range(30):
            yield b" " * 100

    data = parts() if chunked else b" " * 3000
    answer = fetch(f"{strict_server.url}{CHAT}", "POST", data=data, headers=JSON)
    assert answer.status == 413
    assert error_of(answer)["code"] == "request_too_large"


def test_too_large_headers(strict_server: Running) -> None:
    answer = fetch(f"{strict_server.url}/health", headers={"x-filler": "x" * 2000})
    assert answer.status == 431
    assert error_of(answer)["code"] == "headers_too_large"


def test_endless_headers_end_the_connection(strict_server: Running) -> None:
    answer = raw_request(strict_server.port, b"GET /health HTTP/1.1\r\n" + b"x-y: z\r\n" * 1000)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "headers_too_large"


@pytest.mark.parametrize("sent", [b"GET /hea", HEAD + b"content-length: 50\r\n\r\n{"])
def test_an_incomplete_request_times_out(strict_server: Running, sent: bytes) -> None:
    answer = raw_request(strict_server.port, sent)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_silent_connection_is_closed(strict_server: Running) -> None:
    assert raw_request(strict_server.port, b"") == b""


def test_a_body_that_ends_too_early(echo_server: Running) -> None:
    raw_request(echo_server.port, HEAD + b"content-length: 50\r\n\r\n{", end=True)
    assert fetch(f"{echo_server.url}/health").status == 200


def test_not_http(echo_server: Running) -> None:
    answer = raw_request(echo_server.port, b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["type"] == "invalid_request_error"


def test_every_answer_has_the_headers(echo_server: Running) -> None:
    answer = fetch(f"{echo_server.url}{CHAT}", "POST", json=GOOD)
    assert answer.status == 200
    assert answer.headers["x-request-id"] == answer.headers["request-id"]
    assert answer.headers["openai-version"] == "2020-10-01"
    assert int(answer.headers["x-ratelimit-limit-requests"]) > 0
    assert int(answer.headers["x-ratelimit-remaining-requests"]) > 0
    assert answer.headers["x-ratelimit-reset-requests"] == "0s"


def test_a_model_without_the_capability(real_catalog_server: Running) -> None:
    body = {"model": "all-MiniLM-L6-v2", "messages": GOOD["messages"]}
    answer = fetch(f"{real_catalog_server.url}{CHAT}", "POST", json=body)
    assert answer.status == 400
    assert error_of(answer)["param"] == "model"


@pytest.fixture(scope="module")
def real_catalog_server() -> Iterator[Running]:
    """Knows the built-in models, and loads none of them in these tests."""
    with ServerThread(echo_settings(builtin_models=True)) as running:
        yield running


def test_unknown_parameters_can_be_ignored_with_a_warning() -> None:
    body = {
        "model": "echo",
        "messages": [{"role": "user", "content": "hi", "mood": "good"}],
        "colour": "blue",
    }
    with ServerThread(echo_settings(unknown_parameters="warn")) as server:
        answer = fetch(f"{server.url}{CHAT}", "POST", json=body)
        wrong = fetch(f"{server.url}{CHAT}", "POST", json={**body, "n": "x"})
    assert answer.status == 200
    assert answer.headers["x-openedai-warning"] == "unknown parameters were ignored: colour, mood"
    assert wrong.status == 400
    assert error_of(wrong)["param"] == "n"
