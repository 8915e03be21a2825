"""A short run of the fuzzer, and what it would find. `make fuzz` is a long one."""

from __future__ import annotations

import json

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.answers import Fault, check_answers
from tests.fuzz.bodies import BODIES
from tests.fuzz.cases import Case, Cases
from tests.fuzz.targets import ECHO_MODELS, all_targets, real_targets

CHAT = Case([], "POST", "/v1/chat/completions")
OFFICIAL = {"error": {"message": "m", "type": "invalid_request_error", "param": None, "code": None}}


def answer(
    status: int, value: object, media_type: str = "application/json", **headers: str
) -> bytes:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    lines = [f"HTTP/1.1 {status} X", "x-request-id: req_1", f"content-type: {media_type}"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def test_requests_to_every_route() -> None:
    report = fuzz(seed=2, start=0, count=1200)
    assert report.faults == []
    assert report.cases == 1200
    assert {"200", "400", "404", "405", "415"} <= set(report.statuses)


@pytest.mark.real
def test_requests_to_a_text_model(smollm2_path: object) -> None:
    report = fuzz(seed=1, start=0, count=60, real=True)
    assert report.faults == []
    assert report.statuses["200"] > 10


def test_a_case_depends_on_its_seed_and_number_only() -> None:
    first, second = (Cases(3, all_targets(), ECHO_MODELS) for _ in range(2))
    assert [first.case(n) for n in (5, 6)] == [second.case(n) for n in (5, 6)]
    assert first.case(5) != Cases(4, all_targets(), ECHO_MODELS).case(5)


def test_every_body_is_sent() -> None:
    sent = {id(target.bodies) for target in all_targets()}
    assert {id(bodies) for bodies in BODIES.values()} <= sent
    assert real_targets()


@pytest.mark.parametrize(
    ("case", "raw"),
    [
        (CHAT, b""),
        (CHAT, answer(500, OFFICIAL)),
        (CHAT, answer(400, b"Bad Request", "text/plain")),
        (CHAT, answer(400, {"error": "text"})),
        (CHAT, answer(400, {"error": {"message": "m"}})),
        (Case([], "POST", "/api/chat"), answer(400, OFFICIAL)),
        (Case([], "POST", "/v1/messages"), answer(400, OFFICIAL)),
        (Case([], "GET", "/v1/models", anthropic=True), answer(404, OFFICIAL)),
        (CHAT, answer(405, OFFICIAL)),
        (CHAT, answer(200, b'{"a": NaN}')),
        (CHAT, answer(200, b"")),
        (CHAT, answer(200, {})[:-1]),
        (CHAT, answer(200, b"data: {}\n\n", "text/event-stream")),
        (CHAT, answer(200, b"data: [DONE]\n", "text/event-stream")),
        (
            CHAT,
            answer(200, b'data: {"error": {"type": "server_error"}}\n\n', "text/event-stream"),
        ),
        (CHAT, answer(200, b'{"done": false}\n', "application/x-ndjson")),
        (CHAT, b"nonsense"),
    ],
)
def test_wrong_answers_are_found(case: Case, raw: bytes) -> None:
    with pytest.raises(Fault):
        check_answers(case, raw)


@pytest.mark.parametrize(
    "raw",
    [
        answer(400, OFFICIAL),
        answer(405, OFFICIAL, allow="GET"),
        answer(200, {"a": 1}) + answer(400, OFFICIAL),
        answer(200, b"data: {}\n\ndata: [DONE]\n\n", "text/event-stream"),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, {}),
    ],
)
def test_right_answers_are_none(raw: bytes) -> None:
    check_answers(CHAT, raw)
