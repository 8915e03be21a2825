"""Workers that are killed and stopped at random, under clients of every kind."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.process.serving import Process, serving
from tests.support import wait_until
from tests.torture.machine import (
    ECHO,
    REAL,
    Requests,
    assert_well,
    attempt,
    embedded,
    heard,
    left,
    painted,
    spoken,
    streamed,
    transcribed,
    whole,
)

SECONDS = float(os.environ.get("TORTURE_SECONDS", "40"))
SEED = int(os.environ.get("TORTURE_SEED", "0"))
CLIENTS = 8
LIMITS = {"ping_timeout": 3, "load_timeout": 3, "progress_timeout": 60}
ALL_ECHO: Requests = {
    "echo": (whole, streamed, left, embedded, spoken, heard, painted),
}
ALL_REAL: Requests = {
    "smollm2-135m-instruct": (whole, streamed, left),
    "all-mpnet-base-v2": (embedded,),
    "hibari": (spoken,),
    "whisper-base": (transcribed,),
    "echo": (whole, painted),
}
GROWTH = 64 << 20  # bytes


def saboteur(server: Process, chance: random.Random, until: float) -> int:
    """Do something to a worker, now and then. Returns how often."""
    count = 0
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.1, 2.0))
        with suppress(psutil.Error, IndexError):
            worker = chance.choice(server.workers())
            fault: Callable[[], None] = chance.choice(
                [worker.kill, worker.terminate, worker.suspend, worker.suspend]
            )
            fault()
            count += 1
    return count


def client(server: Process, requests: Requests, chance: random.Random, until: float) -> list[str]:
    """Make requests. Returns what was wrong with their outcomes."""
    wrong = []
    while time.monotonic() < until:
        model = chance.choice(list(requests))
        problem = attempt(server, chance.choice(requests[model]), model)
        if problem is not None:
            wrong.append(problem)
    return wrong


def torture(server: Process, requests: Requests) -> None:
    """Faults and requests at random; afterwards everything is as it was before."""
    assert_well(server, requests)
    process = psutil.Process(server.process.pid)
    files, memory = process.num_fds(), process.memory_info().rss
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(CLIENTS + 1) as threads:
        faults = threads.submit(saboteur, server, random.Random(SEED), until)
        clients = [
            threads.submit(client, server, requests, random.Random(f"{SEED} {number}"), until)
            for number in range(CLIENTS)
        ]
        wrong = [problem for one in clients for problem in one.result()]
    assert wrong == []
    assert faults.result() > SECONDS / 10
    for worker in server.workers():  # those that nobody has asked since they were stopped
        worker.kill()
    psutil.wait_procs(server.workers(), timeout=5)
    wait_until(lambda: not server.workers())
    assert_well(server, requests)
    assert len(server.workers()) == len(requests)
    assert server.folders() == []
    wait_until(lambda: process.num_fds() <= files)
    assert process.memory_info().rss < memory + GROWTH


@pytest.mark.timeout(240 + 3 * SECONDS)
def test_workers_of_a_fake_engine(tmp_path: Path) -> None:
    with serving(tmp_path, ECHO, data=tmp_path / "data", **LIMITS) as server:
        torture(server, ALL_ECHO)


@pytest.mark.timeout(240 + 3 * SECONDS)
def test_workers_of_real_engines(tmp_path: Path, real_weights: None) -> None:
    with serving(tmp_path, REAL, data=tmp_path / "data", **LIMITS) as server:
        torture(server, ALL_REAL)


@pytest.mark.parametrize("model", ALL_REAL)
def test_every_engine_is_watched(tmp_path: Path, real_weights: None, model: str) -> None:
    """A stopped worker is killed, its request ends with an error, and the next one is answered."""
    request = ALL_REAL[model][0]
    with serving(tmp_path, REAL, data=tmp_path / "data", **LIMITS) as server:
        assert_well(server, {model: (request,)})
        (worker,) = server.workers()
        worker.suspend()
        began = time.monotonic()
        assert attempt(server, request, model) is None
        assert time.monotonic() - began > 1
        wait_until(lambda: not worker.is_running())
        assert server.gauge("openedai_model_crashes_total", model) == 1
        assert_well(server, {model: (request,)})
