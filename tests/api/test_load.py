"""Too much at once, and clients that do not read: each has one clear outcome."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from openai import APIStatusError, InternalServerError, RateLimitError

from bench.soak.fairness import Flood, answer_order
from bench.soak.mix import Mix
from openedai.cli.logs import JsonFormatter, TextFormatter
from openedai.config import ModelSpec
from tests.media.images import data_url, picture
from tests.support import ServerThread, echo_settings, fetch, occupancy, wait_until

NARROW = ModelSpec(
    id="narrow",
    engine="echo",
    options={"slots": 1, "delay": 0.05, "repeat": 10**6, "context": 10**9},
)
FLOOD = ModelSpec(
    id="flood", engine="echo", options={"slots": 1, "repeat": 10**6, "context": 10**9}
)
TURNS = ModelSpec(
    id="turns",
    engine="echo",
    options={"slots": 1, "delay": 0.001, "repeat": 10**6, "context": 10**9},
)


def raw_post(model: str, path: str = "/v1/chat/completions", **fields: object) -> bytes:
    body = json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "x y z"}], **fields}
    ).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def test_a_full_queue_and_a_queue_timeout() -> None:
    settings = echo_settings(
        models=(NARROW,),
        chat_model="narrow",
        embedding_model="narrow",
        max_queue=1,
        queue_timeout=3,
    )
    with ServerThread(settings) as server:
        client = server.client(timeout=60)
        messages = [{"role": "user", "content": "x"}]

        def request() -> APIStatusError | None:
            try:
                client.post(
                    "/chat/completions",
                    cast_to=object,
                    body={"model": "narrow", "messages": messages, "stream": False},
                )
            except APIStatusError as error:
                return error
            return None

        with socket.create_connection(("127.0.0.1", server.port)) as holder:
            holder.sendall(raw_post("narrow", stream=True))
            assert holder.recv(100).startswith(b"HTTP/1.1 200")
            with ThreadPoolExecutor(2) as threads:
                waiting = threads.submit(request)
                wait_until(lambda: occupancy(server, "narrow") == (1, 1))
                refused = request()
                timed_out = waiting.result(timeout=30)
        assert isinstance(refused, RateLimitError)
        assert refused.code == "rate_limit_exceeded"
        assert isinstance(timed_out, InternalServerError)
        assert timed_out.status_code == 503
        for error in (refused, timed_out):
            assert int(error.response.headers["retry-after"]) >= 1
        wait_until(lambda: occupancy(server, "narrow") == (0, 0))
        text = fetch(f"{server.url}/metrics").body.decode()
        assert 'openedai_model_refused_total{model="narrow"} 1.0' in text
        assert 'openedai_model_queue_timeouts_total{model="narrow"} 1.0' in text


@pytest.mark.parametrize(
    ("model", "stream"), [("narrow", True), ("narrow", False), ("flood", True)]
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_client_that_leaves_frees_its_slot(model: str, stream: bool, path: str) -> None:
    settings = echo_settings(models=(NARROW, FLOOD), chat_model="narrow", embedding_model="narrow")
    with ServerThread(settings) as server:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(raw_post(model, path, stream=stream, max_tokens=10**6))
                wait_until(lambda: occupancy(server, model) == (1, 0))
            wait_until(lambda: occupancy(server, model) == (0, 0))


def test_callers_take_turns_when_one_sends_20_times_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "openedai.access")
    settings = echo_settings(models=(TURNS,), chat_model="turns", embedding_model="turns")
    flood = Flood(light=5, slots=1, tokens=2)
    with ServerThread(settings) as server:
        served = asyncio.run(answer_order(f"{server.url}/v1", Mix("turns", 10**9), flood))
    callers = {one.id: one.caller for one in served}
    ended = [getattr(record, "request_id", "") for record in caplog.records]
    order = [callers[one] for one in ended if one in callers]
    assert order == ["heavy", "light"] * 5 + ["heavy"] * 95


def test_a_client_that_does_not_read_is_disconnected() -> None:
    settings = echo_settings(
        models=(FLOOD,), chat_model="flood", embedding_model="flood", send_timeout=0.3
    )
    with (
        ServerThread(settings) as server,
        socket.create_connection(("127.0.0.1", server.port)) as connection,
    ):
        connection.sendall(raw_post("flood", stream=True))
        wait_until(lambda: occupancy(server, "flood") == (1, 0))
        wait_until(lambda: occupancy(server, "flood") == (0, 0))


def test_logs_have_no_prompts_and_no_keys_by_default(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "openedai")
    body = {"model": "echo", "messages": [{"role": "user", "content": "my-secret-plan"}]}
    for log_prompts in (False, True):
        caplog.clear()
        with ServerThread(echo_settings(log_prompts=log_prompts)) as server:
            fetch(
                f"{server.url}/v1/chat/completions",
                "POST",
                json=body,
                headers={"authorization": "Bearer sk-hidden-key"},
            )
        records = [record for record in caplog.records if record.name == "openedai.access"]
        assert len(records) == 1
        for formatter in (JsonFormatter(), TextFormatter()):
            line = formatter.format(records[0])
            assert "POST /v1/chat/completions 200" in line
            assert "model" in line
            assert ("my-secret-plan" in line) is log_prompts
            assert "sk-hidden-key" not in line
        assert json.loads(JsonFormatter().format(records[0]))["request_id"].startswith("req_")


def test_polled_urls_are_logged_only_where_they_fail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "openedai")
    with ServerThread(echo_settings(api_key="sk-key")) as server:
        assert fetch(f"{server.url}/health").status == 200
        assert fetch(f"{server.url}/metrics").status == 401
    messages = [one.message for one in caplog.records if one.name == "openedai.access"]
    assert messages == ["GET /metrics 401"]


def test_logged_bodies_are_unchanged_except_for_files(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "openedai")
    file = picture(200, 200, pixels=bytes(range(240)) * 500)
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": data_url(file)}},
    ]
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "string"}}}
    body = {
        "model": "vision",
        "messages": [{"role": "user", "content": content}],
        "response_format": schema,
    }
    with ServerThread(echo_settings(log_prompts=True)) as server:
        assert fetch(f"{server.url}/v1/chat/completions", "POST", json=body).status == 200
    (record,) = [record for record in caplog.records if record.name == "openedai.access"]
    logged = json.loads(json.loads(JsonFormatter().format(record))["body"])
    encoded = data_url(file).partition(",")[2]
    content[1] = {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,({len(encoded)} characters)"},
    }
    assert logged == body
