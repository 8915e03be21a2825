"""Signals to the server: while it works, while it loads, and many at once."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from openai import APIError

from openedai.engines.process.early import WORKER
from tests.process.serving import Process, serving, started, story_request
from tests.process.settings_files import ENDLESS, model_table
from tests.support import wait_until
from tests.torture.machine import ECHO, assert_well, embedded, tracebacks, whole

STORY = (
    ECHO
    + model_table("story", **ENDLESS, slots=16)
    + model_table("never", worker=True, load_delay=100_000)
)
HARMLESS = (signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG, signal.SIGCONT, signal.SIGPIPE)
STREAMS = 8
PING = 1  # seconds


def read(server: Process, begun: list[object]) -> str | None:
    """The code of the error that ends an endless answer."""
    with server.client() as client:
        stream = client.chat.completions.create(**story_request("story", 1))
        next(stream)
        begun.append(None)
        with pytest.raises(APIError) as caught:
            list(stream)
    return caught.value.code


def test_harmless_signals(tmp_path: Path) -> None:
    with serving(tmp_path, STORY) as server:
        for number in HARMLESS * 50:
            server.process.send_signal(number)
        assert_well(server, {"echo": (whole, embedded)})


def test_a_server_that_was_stopped_kills_no_worker(tmp_path: Path) -> None:
    with serving(tmp_path, STORY, ping_timeout=PING, progress_timeout=PING) as server:
        with server.client() as client:
            stream = client.chat.completions.create(**story_request("story", 1))
            next(stream)
            workers = server.workers()
            server.process.send_signal(signal.SIGSTOP)
            with pytest.raises(psutil.TimeoutExpired):
                psutil.Process(server.process.pid).wait(3 * PING)
            server.process.send_signal(signal.SIGCONT)
            for _ in range(200):
                next(stream)
        assert server.workers() == workers
        assert_well(server, {"story": (embedded,)})


def test_a_storm_of_terms_with_stopped_workers(tmp_path: Path) -> None:
    with serving(tmp_path, STORY, grace_timeout=1, ping_timeout=60) as server:
        begun: list[object] = []
        with ThreadPoolExecutor(STREAMS) as threads:
            reading = [threads.submit(read, server, begun) for _ in range(STREAMS)]
            wait_until(lambda: len(begun) == STREAMS)
            workers = server.workers()
            for worker in workers:
                worker.suspend()
            for _ in range(100):
                server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(30) == 0
            for one in reading:
                one.result(timeout=10)
        assert not any(worker.is_running() for worker in workers)
    assert tracebacks(server) == []


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signals_while_it_loads(tmp_path: Path, number: signal.Signals, stopped: bool) -> None:
    flags = ("--preload", "never")
    with started(tmp_path, STORY, *flags, cache_dir=tmp_path / "cache") as process:
        server = psutil.Process(process.pid)
        wait_until(lambda: bool(server.children()))
        (worker,) = server.children()
        wait_until(lambda: WORKER in worker.cmdline())  # nothing of it has run
        if stopped:
            worker.suspend()
            wait_until(lambda: worker.status() == psutil.STATUS_STOPPED)
        process.send_signal(number)
        assert process.wait(20) == (-signal.SIGKILL if number is signal.SIGKILL else 0)
        wait_until(lambda: not worker.is_running())
