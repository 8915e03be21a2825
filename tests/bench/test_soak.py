"""The checks of the soak: valid answers pass, and every kind of invalid one is refused."""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bench.figures import SUBJECT, Budget, Figure
from bench.servers import free_port
from bench.soak import observe
from bench.soak.clients import Load, Result, run_clients, send, session
from bench.soak.fairness import Flood, light_share
from bench.soak.mix import CHAT, CHATS, COMPLETIONS, STREAM, Mix, Refusal, Request, request
from bench.soak.section import missed
from bench.soak.validate import Answer, Malformed, validate
from tests.support import Running, ServerThread, echo_settings

MIX = Mix("echo", 4096, tokens=8)
Change = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with ServerThread(echo_settings()) as running:
        yield running


def answer_to(server: Running, sent: Request) -> Answer:
    async def go() -> Answer | None:
        async with session(f"{server.url}/v1") as opened:
            return await send(opened, sent, "tester")

    found = asyncio.run(go())
    assert found is not None
    return found


def chat(kind: str, **more: Any) -> Request:
    return request(kind, CHAT, MIX.chat(Random(1), 12, **{**CHATS[kind], **more}))


def with_body(answer: Answer, change: Change) -> Answer:
    body = change(answer.body)
    assert body != answer.body
    return answer._replace(body=body)


def swap(old: str, new: str, count: int = -1) -> Change:
    return lambda body: body.replace(old.encode(), new.encode(), count)


@pytest.mark.parametrize("more", [{}, STREAM], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", list(CHATS))
def test_valid_answers(server: Running, kind: str, more: dict[str, Any]) -> None:
    sent = chat(kind, **more)
    validate(sent, answer_to(server, sent))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("chat", swap('"length"', "null")),
        ("chat", swap('"length"', '"tool_calls"')),
        ("chat", swap('"completion_tokens":8', '"completion_tokens":7')),
        ("chat", swap('"total_tokens":', '"total_tokens":1')),
        ("chat", swap('"object":"chat.completion"', '"object":"chat"')),
        ("chat", swap("}", "", 1)),
        ("n = 2", swap('"index":1', '"index":0')),
        ("n = 2", swap('"index":1', '"index":2')),
        ("logprobs", swap('"logprobs":{"content"', '"logprobs":{"refusal"', 1)),
        ("json_schema", swap("green", "violet")),
        ("json_schema", swap("true}", "true")),
        ("tools required", swap('"paint"', '"draw"')),
        ("tools required", swap('"arguments":"{', '"arguments":"')),
        ("stop", swap('"content":"', '"content":"stone ')),
    ],
)
def test_invalid_whole_answers(server: Running, kind: str, change: Change) -> None:
    sent = chat(kind)
    answer = answer_to(server, sent)
    with pytest.raises(Malformed, match=kind):
        validate(sent, with_body(answer, change))


@pytest.mark.parametrize(
    "change",
    [
        swap("data: [DONE]\n\n", ""),
        swap("data: [DONE]\n\n", "data: [DONE]\n\ndata: {}\n\n"),
        swap("data: [DONE]", 'data: {"error":{"message":"broke off"}}\n\ndata: [DONE]'),
        swap("data: {", ": {", 1),
        swap('"id":"chatcmpl-', '"id":"chatcmpl-x', 1),
        swap('"role":"assistant"', '"role":null', 1),
        swap('"finish_reason":null', '"finish_reason":"stop"', 1),
        swap('"choices":[]', '"choices":[{"index":0,"delta":{},"finish_reason":null}]'),
    ],
)
def test_invalid_streams(server: Running, change: Change) -> None:
    sent = chat("chat", **STREAM)
    answer = answer_to(server, sent)
    with pytest.raises(Malformed):
        validate(sent, with_body(answer, change))


def test_invalid_status_and_headers(server: Running) -> None:
    sent = chat("chat", **STREAM)
    answer = answer_to(server, sent)
    for name in ("x-request-id", "content-type"):
        with pytest.raises(Malformed):
            validate(sent, answer._replace(headers={**answer.headers, name: "other"}))
    with pytest.raises(Malformed, match="status 500"):
        validate(sent, answer._replace(status=500))


def test_a_completion(server: Running) -> None:
    body = {"model": "echo", "prompt": "one two three", "max_tokens": 2, "logprobs": 1}
    for more in ({}, STREAM):
        sent = request("completion", COMPLETIONS, {**body, **more})
        answer = answer_to(server, sent)
        validate(sent, answer)
        with pytest.raises(Malformed):
            validate(sent, with_body(answer, swap('"length"', '"other"')))


@pytest.mark.parametrize(
    ("refusal", "change"),
    [
        (Refusal(404, "model_not_found"), swap('"param":', '"where":')),
        (Refusal(404, "model_not_found"), swap("model_not_found", "other")),
        (Refusal(404, "model_not_found"), swap("invalid_request_error", "server_error")),
        (Refusal(400, "model_not_found"), None),
    ],
)
def test_invalid_refusals(server: Running, refusal: Refusal, change: Change | None) -> None:
    right = Refusal(404, "model_not_found")
    sent = request("unknown", CHAT, MIX.chat(Random(1), 3, model="none"), refusal=right)
    answer = answer_to(server, sent)
    validate(sent, answer)
    other = request("unknown", CHAT, sent.parameters, refusal=refusal)
    with pytest.raises(Malformed):
        validate(other, answer if change is None else with_body(answer, change))


def test_failures_of_the_server_are_counted(server: Running) -> None:
    url = f"{server.url}/v1"
    before = asyncio.run(observe.server_errors(url))
    outcomes = asyncio.run(run_clients(url, Mix("fails-first", 4096), Load(20, requests=2)))
    results = Counter(outcome.result for outcome in outcomes)
    assert len(outcomes) == 40
    assert results[Result.MALFORMED] > 0
    assert results[Result.ANSWERED] == results[Result.LOST] == 0
    assert asyncio.run(observe.server_errors(url)) - before >= results[Result.MALFORMED]


def test_without_a_server_every_request_is_lost() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    outcomes = asyncio.run(run_clients(url, Mix("echo", 4096), Load(3, requests=2)))
    assert [outcome.result for outcome in outcomes] == [Result.LOST] * 6


def test_the_mix_is_the_same_for_the_same_seed_and_has_every_kind() -> None:
    one, other = Random(7), Random(7)
    drawn = [MIX.draw(one) for _ in range(300)]
    assert drawn == [MIX.draw(other) for _ in range(300)]
    kinds = {request.kind for request in drawn}
    assert {*CHATS, "completion", "too long", "malformed JSON", "unknown model"} <= kinds
    assert any(request.patience < 4 for request in drawn)
    assert any(request.max_chunks for request in drawn)
    assert any(request.pause for request in drawn)
    for streamed in (True, False):
        assert any(bool(request.parameters.get("stream")) is streamed for request in drawn)
    json.loads(drawn[0].body)


def test_growth() -> None:
    assert observe.growth([1, 2, 100, 100, 110, 110]) == pytest.approx(1.1)
    assert observe.growth([50.0] * 10) == 1
    assert math.isnan(observe.growth([50.0] * 2))


def test_the_share_of_the_light_caller() -> None:
    flood = Flood(light=5, slots=1)
    fair = ["heavy", "light"] * 5 + ["heavy"] * 95
    behind = ["heavy"] * 100 + ["light"] * 5
    assert light_share(fair) == 0.5
    assert light_share(behind) < flood.fair < light_share(fair)
    assert 5 / 105 < Flood().fair < 0.5


def test_a_missed_budget() -> None:
    none = Budget(0, "at most")
    found = Figure("soak", "requests lost", "", False, {SUBJECT: [1.0]}, none)
    other = Figure("text", "1 stream", "", False, {SUBJECT: [1.0]}, none)
    assert missed([found])
    assert not missed([other])


def test_processes_and_files(tmp_path: Path) -> None:
    before = observe.open_files(os.getpid())
    reading, writing = os.pipe()
    assert observe.open_files(os.getpid()) == before + 2
    with (tmp_path / "some.txt").open("w"), (tmp_path / "some.db-wal").open("w"):
        assert observe.open_files(os.getpid()) == before + 3  # of a database, none
    os.close(reading)
    os.close(writing)
    here = observe.process_tree(os.getpid())[0]
    assert here.pid == os.getpid()
    assert observe.count_running([]) == 0
