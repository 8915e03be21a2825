"""The server as a process, while it, its workers or its clients are killed."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai import APIConnectionError, APIError

from tests.process.serving import Process, serving, story_request
from tests.process.settings_files import ENDLESS, model_table, settings_file
from tests.support import wait_until


@pytest.fixture
def server(tmp_path: Path, smollm2_path: Path) -> Iterator[Process]:
    config = settings_file(
        model_table("slow", **ENDLESS, slots=8),
        model_table("short", worker=True, delay=0.1),
        model_table("real", engine="llama_cpp", source=smollm2_path, context=4096, slots=8),
    )
    with serving(tmp_path, config, grace_timeout=4) as process:
        yield process


def read_until_error(server: Process, model: str, started: Callable[[], object]) -> APIError:
    with server.client() as client:
        stream = client.chat.completions.create(**story_request(model, 1))
        next(stream)
        next(stream)
        started()
        with pytest.raises(APIError) as caught:
            list(stream)
    return caught.value


@pytest.mark.parametrize("model", ["slow", pytest.param("real", marks=pytest.mark.real)])
def test_a_worker_is_killed_under_8_streams(server: Process, model: str) -> None:
    started: list[object] = []
    hello = [{"role": "user", "content": "Hi there, you"}]
    create: Any = server.client().chat.completions.create
    create(model=model, messages=hello, max_tokens=2)
    files = psutil.Process(server.process.pid).num_fds()
    with ThreadPoolExecutor(8) as threads:
        errors = [
            threads.submit(read_until_error, server, model, lambda: started.append(None))
            for _ in range(8)
        ]
        wait_until(lambda: len(started) == 8, 60)
        (worker,) = server.workers()
        worker.kill()
        found = [error.result(timeout=30) for error in errors]
    assert {error.code for error in found} == {"engine_crashed"}

    answer = create(model=model, messages=hello, max_tokens=2)
    assert answer.choices[0].finish_reason == "length"
    assert server.gauge("openedai_model_crashes_total", model) == 1
    assert server.gauge("openedai_model_running", model) == 0
    assert len(server.workers()) == 1
    assert server.folders() == []
    wait_until(lambda: psutil.Process(server.process.pid).num_fds() <= files)


@pytest.mark.real
def test_workers_end_when_the_server_is_killed(server: Process) -> None:
    for model in ("slow", "real"):
        stream = server.client().chat.completions.create(**story_request(model, 1))
        next(stream)
    workers = server.workers()
    assert len(workers) == 2
    server.process.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    wait_until(lambda: server.folders() == [])


@pytest.mark.real
def test_a_loading_worker_ends_when_the_server_is_killed(server: Process) -> None:
    with ThreadPoolExecutor(1) as threads:
        create: Any = server.client().chat.completions.create
        answer = threads.submit(create, **story_request("real", 1))
        wait_until(lambda: bool(server.workers()), 30)
        workers = server.workers()
        server.process.kill()
        with pytest.raises(APIConnectionError):
            answer.result(timeout=30)
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


def test_sigterm_lets_running_requests_end(server: Process) -> None:
    words = "one two three four five six seven eight nine ten"
    stream = server.client().chat.completions.create(
        model="short", messages=[{"role": "user", "content": words}], stream=True
    )
    next(stream)
    server.process.send_signal(signal.SIGTERM)
    wait_until(server.refuses)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == words
    assert server.process.wait(timeout=20) == 0
    assert server.folders() == []


def test_sigterm_cancels_requests_after_the_grace_time(server: Process) -> None:
    stream = server.client().chat.completions.create(**story_request("slow", 1))
    next(stream)
    server.process.send_signal(signal.SIGTERM)
    with pytest.raises(APIError, match="shutting down"):
        list(stream)
    assert server.process.wait(timeout=20) == 0


def test_sigterm_without_requests(server: Process) -> None:
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=20) == 0


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["slow", pytest.param("real", marks=pytest.mark.real)])
def test_a_disconnect_frees_the_slot(server: Process, model: str, stream: bool) -> None:
    server.client().chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}], max_tokens=1
    )
    body = {**story_request(model, 300), "stream": stream}
    _disconnect(server, body, model)
    wait_until(lambda: server.gauge("openedai_model_running", model) == 0)


def _disconnect(server: Process, body: dict[str, Any], model: str) -> None:
    """Send a request, wait until it runs, and close the connection."""
    port = int(server.url.rpartition(":")[2])
    data = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data) + data
        )
        wait_until(lambda: server.gauge("openedai_model_running", model) == 1, 30)
