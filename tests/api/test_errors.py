"""Whatever is wrong with a request, the answer has the official shape and headers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from openedai.api.openai.chat.types import ChatCompletionRequest
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
    [("DELETE", CHAT), ("PUT", CHAT), ("DELETE", "/v1/models"), ("POST", "/health")],
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
    "body",
    [
        {**GOOD, "messages": [0] * 10_000},
        {**GOOD, **{f"p{index}": 0 for index in range(1000)}},
        {**GOOD, "messages": [{f"p{index}": 0 for index in range(1000)}]},
        {**GOOD, "logit_bias": {str(index): "x" for index in range(1000)}},
        {**GOOD, "colour" * 10_000: 0},
        {**GOOD, "reasoning_effort": "x" * 100_000},
        {**GOOD, "model": "x" * 100_000},
    ],
    ids=lambda body: str(body)[-20:],
)
def test_errors_are_short_and_few(echo_server: Running, body: dict[str, object]) -> None:
    """Whatever is wrong and how often: the answer could be as long as the body, or longer."""
    with pytest.raises(ValidationError) as caught:
        ChatCompletionRequest.model_validate({**body, "n": "x"})
    assert caught.value.error_count() < 5
    answer = fetch(f"{echo_server.url}{CHAT}", "POST", json=body)
    assert answer.status in (400, 404)
    assert error_of(answer)["message"]
    assert len(answer.body) < 5000


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "9" * 5000, "1e"])
def test_what_is_no_number_of_json(echo_server: Running, number: str) -> None:
    data = json.dumps({**GOOD, "temperature": "?"}).replace('"?"', number)
    answer = fetch(f"{echo_server.url}{CHAT}", "POST", data=data, headers=JSON)
    assert answer.status == 400
    assert "could not parse" in str(error_of(answer)["message"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"seed": 2**63}, "Expected a value <= 9223372036854775807, but got 9223372036854775808 "),
        ({"max_tokens": 10**400}, "Expected a value <= 9223372036854775807, but got 1000000"),
        ({"top_k": 1 << 21}, "Expected a value <= 1048576, but got 2097152 "),
        ({"temperature": 2.5}, "Expected a value <= 2, but got 2.5 "),
        ({"dry_base": 0.5}, "Expected a value >= 1, but got 0.5 "),
    ],
)
def test_bounds_are_shown_as_they_are(
    echo_server: Running, body: dict[str, object], message: str
) -> None:
    answer = fetch(f"{echo_server.url}{CHAT}", "POST", json={**GOOD, **body})
    assert answer.status == 400
    assert message in str(error_of(answer)["message"])
    assert error_of(answer)["param"] in body


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
    settings = echo_settings(max_body_bytes=2000, max_header_bytes=2000)
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


@pytest.fixture(scope="module")
def hasty_server() -> Iterator[Running]:
    """For requests that never end: on a busy machine, others would end too late."""
    with ServerThread(echo_settings(receive_timeout=0.3)) as running:
        yield running


@pytest.mark.parametrize("sent", [b"GET /hea", HEAD + b"content-length: 50\r\n\r\n{"])
def test_an_incomplete_request_times_out(hasty_server: Running, sent: bytes) -> None:
    answer = raw_request(hasty_server.port, sent)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_silent_connection_is_closed(hasty_server: Running) -> None:
    assert raw_request(hasty_server.port, b"") == b""


def test_a_body_that_ends_too_early(echo_server: Running) -> None:
    raw_request(echo_server.port, HEAD + b"content-length: 50\r\n\r\n{", end=True)
    assert fetch(f"{echo_server.url}/health").status == 200


def test_not_http(echo_server: Running) -> None:
    answer = raw_request(echo_server.port, b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["type"] == "invalid_request_error"


def test_head_that_is_not_http_has_no_body(echo_server: Running) -> None:
    head = b"HEAD /v1/models HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: x\r\n"
    for rest in (b"content-length: 1\r\n\r\na", b"a: " + b"x" * 70_000):
        answer = raw_request(echo_server.port, head + rest)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
        assert answer.endswith(b"\r\n\r\n")


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
        "messages": [{"role": "user", "content": "hi", "mood": "good"}] * 2,
        "colour": "blue",
    }
    with ServerThread(echo_settings(unknown_parameters="warn")) as server:
        answer = fetch(f"{server.url}{CHAT}", "POST", json=body)
        wrong = fetch(f"{server.url}{CHAT}", "POST", json={**body, "n": "x"})
        hostile = fetch(
            f"{server.url}{CHAT}", "POST", json={**GOOD, "a\r\n\x1b\u2028b": 1, "x" * 200_000: 1}
        )
    assert answer.status == 200
    assert answer.headers["x-openedai-warning"] == "unknown parameters were ignored: colour, mood"
    assert hostile.status == 200
    warning = hostile.headers["x-openedai-warning"]
    assert warning.startswith("unknown parameters were ignored: a????b, xxx")
    assert len(warning) < 1100
    assert wrong.status == 400
    assert error_of(wrong)["param"] == "n"
