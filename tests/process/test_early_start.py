"""A server whose model is loaded at the start, as a process: its early worker never outlives it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.process.settings_files import model_table, settings_file
from tests.support import fetch, wait_until

FIRST_LOAD = "first-load.msgpack"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers, and ends those that still run."""
    processes = []
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPENEDAI_")}

    def run(*flags: str, load_delay: float = 0) -> subprocess.Popen[str]:
        fake = model_table("fake", worker=True, load_delay=load_delay)
        (tmp_path / "openedai.toml").write_text(settings_file(fake, preload=["fake"]))
        process = subprocess.Popen(
            [sys.executable, "-m", "openedai", "serve", "--no-pull", "--port", "0", *flags],
            cwd=tmp_path,
            env={**kept, "OPENEDAI_CACHE_DIR": str(tmp_path / "cache")},
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def workers(folder: Path) -> list[psutil.Process]:
    """All workers whose server was started in `folder`, whether it still runs or not."""
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            ours = "openedai.engines.process.worker" in line and process.cwd() == str(folder)
        except psutil.Error:
            continue
        if ours:
            found.append(process)
    return found


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"ready at (http://\S+)/v1", line):
            return found[1]
    raise AssertionError("the server ended")


@contextmanager
def a_server(start: Start) -> Iterator[str]:
    """A server that is ready, and then ended as by Ctrl-C."""
    process = start()
    yield url_of(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def started_once(start: Start, folder: Path) -> None:
    with a_server(start):
        pass
    assert (folder / "cache" / FIRST_LOAD).exists()
    assert not workers(folder)


def ended(folder: Path) -> bool:
    return not workers(folder)


def test_the_second_start(start: Start, tmp_path: Path) -> None:
    started_once(start, tmp_path)
    before = (tmp_path / "cache" / FIRST_LOAD).stat()
    with a_server(start) as url:
        assert len(workers(tmp_path)) == 1
        body = {"model": "fake", "messages": [{"role": "user", "content": "hi"}]}
        assert fetch(f"{url}/v1/chat/completions", "POST", json=body).status == 200
        assert (tmp_path / "cache" / FIRST_LOAD).stat().st_mtime_ns == before.st_mtime_ns
    assert not workers(tmp_path)


def test_a_port_in_use(start: Start, tmp_path: Path) -> None:
    started_once(start, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("--port", str(taken.getsockname()[1]))
        assert process.wait(30) == 1
    assert not workers(tmp_path)


def test_settings_that_are_not_valid_together(start: Start, tmp_path: Path) -> None:
    started_once(start, tmp_path)
    process = start("--host", "0.0.0.0")
    assert process.wait(30) == 2
    assert not workers(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_end_while_it_starts(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    started_once(start, tmp_path)
    process = start()
    wait_until(lambda: bool(workers(tmp_path)))
    process.send_signal(number)
    process.wait(30)
    wait_until(lambda: ended(tmp_path))


def test_a_load_that_changed(start: Start, tmp_path: Path) -> None:
    started_once(start, tmp_path)
    process = start(load_delay=0.01)
    url_of(process)
    assert len(workers(tmp_path)) == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not workers(tmp_path)
