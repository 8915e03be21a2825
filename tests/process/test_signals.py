"""Signals while models are loaded, and a second one."""

from __future__ import annotations

import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.process.serving import Process, serving, started, story_request
from tests.process.settings_files import ENDLESS, model_table, settings_file
from tests.support import fetch, wait_until

CONFIG = settings_file(
    model_table("slow", **ENDLESS),
    model_table("never", worker=True, load_delay=100_000),
    model_table("missing", engine="llama_cpp", source="/no such folder/of zoe/missing.gguf"),
)


@contextmanager
def loading(folder: Path, **values: Any) -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """A server that loads a model at its start without end, and the worker that does."""
    with started(folder, CONFIG, "--preload", "never", cache_dir=folder, **values) as process:
        server = psutil.Process(process.pid)
        wait_until(lambda: bool(server.children()))
        yield server, server.children()[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_load_at_the_start(tmp_path: Path, number: int) -> None:
    with loading(tmp_path) as (server, worker):
        server.send_signal(number)
        assert server.wait(10) == 0
        assert not worker.is_running()


def test_a_load_at_the_start_that_hangs_fails(tmp_path: Path) -> None:
    with loading(tmp_path, load_timeout=0.5) as (server, worker):
        assert server.wait(30) == 1
        assert not worker.is_running()


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[Process]:
    with serving(tmp_path, CONFIG, grace_timeout=1000) as process:
        yield process


def test_a_second_signal_ends_running_requests(server: Process) -> None:
    with server.client() as client:
        stream = client.chat.completions.create(**story_request("slow", 1))
        next(stream)
        workers = server.workers()
        server.process.send_signal(signal.SIGTERM)
        wait_until(server.refuses)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert not any(worker.is_running() for worker in workers)
    assert not [line for line in server.log if "Traceback" in line]


def test_people_who_look_at_the_console_do_not_delay_the_end(server: Process) -> None:
    assert any(f"{server.url}/console" in line for line in banner(server))
    with (
        urllib.request.urlopen(f"{server.url}/console/api/now", timeout=30) as states,
        urllib.request.urlopen(f"{server.url}/console/api/logs", timeout=30) as lines,
    ):
        assert states.readline().startswith(b"data: ")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0  # not after `grace_timeout`
        assert lines.read().endswith(b"\n\n")


def banner(server: Process) -> list[str]:
    """What the server said when it was ready."""
    wait_until(lambda: any("/console" in line for line in server.log))
    return server.log


def test_errors_have_no_folders_and_the_log_has(server: Process) -> None:
    body = {"model": "missing", "messages": [{"role": "user", "content": "hi"}]}
    answer = fetch(f"{server.url}/v1/chat/completions", "POST", json=body)
    assert answer.status == 503
    assert b"missing.gguf" in answer.body
    assert b"zoe" not in answer.body
    assert b"no such" not in answer.body
    server.process.terminate()
    server.process.wait()
    wait_until(lambda: any("/no such folder/of zoe/missing.gguf" in one for one in server.log))
