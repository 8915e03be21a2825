"""A full disk for what is written beside requests: usage, limits and the log. Requests go on."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from openedai.serving.usage.writing import MOST_WAITING
from tests.process.serving import serving
from tests.process.settings_files import model_table, settings_file
from tests.support import fetch, wait_until
from tests.torture.machine import fill, tracebacks

CONFIG = settings_file(model_table("echo")) + "[limits]\nrequests_per_day = 1_000_000\n"
BODY = b'{"model": "echo", "input": "a b"}'
HEADERS = {"content-type": "application/json"}
CLIENTS = 4


def embed(port: int, count: int) -> Counter[int]:
    """The statuses of so many requests, one after the other on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    statuses: Counter[int] = Counter()
    for _ in range(count):
        connection.request("POST", "/v1/embeddings", BODY, HEADERS)
        answer = connection.getresponse()
        answer.read()
        statuses[answer.status] += 1
    connection.close()
    return statuses


def embed_together(port: int, count: int) -> None:
    """All of them are answered."""
    with ThreadPoolExecutor(CLIENTS) as threads:
        shares = threads.map(lambda _: embed(port, count // CLIENTS), range(CLIENTS))
        assert sum(shares, Counter[int]()) == {200: count}


def total(url: str, name: str) -> float:
    """The value of a metric without labels."""
    lines = fetch(f"{url}/metrics").body.decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def test_usage_and_limits(small_disk: Path, tmp_path: Path) -> None:
    settings = {"data": small_disk, "usage": True, "log_level": "info"}
    with serving(tmp_path, CONFIG, **settings) as server:
        port = int(server.url.rpartition(":")[2])
        process = psutil.Process(server.process.pid)
        embed_together(port, 100)
        wait_until(lambda: not total(server.url, "openedai_usage_waiting"))
        filler = fill(small_disk)
        embed_together(port, MOST_WAITING + 1000)
        assert total(server.url, "openedai_usage_waiting") == MOST_WAITING
        before = process.memory_info().rss
        embed_together(port, 4000)
        assert total(server.url, "openedai_usage_waiting") == MOST_WAITING
        assert total(server.url, "openedai_usage_dropped_total") >= 4000
        assert process.memory_info().rss - before < 4 << 20
        filler.unlink()
        wait_until(lambda: not total(server.url, "openedai_usage_waiting"), 120)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
    log = server.log
    assert sum("usage cannot be written now" in line for line in log) == 1
    assert sum("of limits cannot be saved now" in line for line in log) == 1
    assert sum("of limits is saved again" in line for line in log) == 1
    assert sum("usage is written again" in line for line in log) == 1
    assert not tracebacks(server)


def test_the_log(small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "openedai.toml").write_text(CONFIG)
    log = small_disk / "log"
    command = [sys.executable, "-m", "openedai", "serve", "--port", "0", "--no-pull"]
    settings = {"OPENEDAI_DATA": str(tmp_path / "data"), "OPENEDAI_LOG_LEVEL": "info"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=tmp_path, env={**os.environ, **settings}, stderr=file
        )
    try:
        wait_until(lambda: b"ready at" in log.read_bytes(), 30)
        found = re.search(rb"http://127.0.0.1:(\d+)", log.read_bytes())
        assert found
        port = int(found[1])
        filler = fill(small_disk)
        embed_together(port, 2000)
        size = log.stat().st_size
        before = psutil.Process(process.pid).memory_info().rss
        embed_together(port, 8000)
        assert log.stat().st_size == size
        assert psutil.Process(process.pid).memory_info().rss - before < 4 << 20
        filler.unlink()
        embed_together(port, 20)
        wait_until(lambda: log.stat().st_size > size)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
