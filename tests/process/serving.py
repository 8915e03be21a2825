"""The server as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from openai import OpenAI

from tests.support import Clients, fetch


@dataclass(frozen=True)
class Process:
    process: subprocess.Popen[str]
    url: str
    temporary: Path
    log: list[str] = field(default_factory=list)
    clients: Clients = field(default_factory=Clients)

    def client(self) -> OpenAI:
        """A client that is closed after the server's end, at the latest."""
        options: dict[str, Any] = {"api_key": "dummy", "max_retries": 0, "timeout": 120}
        return self.clients.kept(OpenAI(base_url=f"{self.url}/v1", **options))

    def workers(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def refuses(self) -> bool:
        """Whether it takes no more requests."""
        try:
            return fetch(f"{self.url}/health").status == 503
        except aiohttp.ClientConnectionError:
            return True

    def folders(self) -> list[str]:
        return [path.name for path in self.temporary.iterdir()]

    def gauge(self, name: str, model: str) -> float:
        text = fetch(f"{self.url}/metrics").body.decode()
        found = re.search(rf'^{name}{{model="{model}"}} (\S+)$', text, re.MULTILINE)
        assert found, name
        return float(found[1])


@contextmanager
def started(
    folder: Path, config: str, *flags: str, pull: bool = False, **settings: object
) -> Iterator[subprocess.Popen[str]]:
    """A server with that `openedai.toml`, on a free port, which may not be ready yet. It downloads
    its default models only if it is to `pull` them.

    It keeps no usage unless told to: tests count the files that are open.
    """
    (folder / "openedai.toml").write_text(config)
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    settings = {"data": folder / "data", "usage": False, **settings}
    variables = {f"OPENEDAI_{name.upper()}": str(value) for name, value in settings.items()}
    flags = flags if pull else ("--no-pull", *flags)
    process = subprocess.Popen(
        [sys.executable, "-m", "openedai", "serve", "--port", "0", *flags],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(temporary), **variables},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


@contextmanager
def serving(folder: Path, config: str, *flags: str, **settings: Any) -> Iterator[Process]:
    """A server that is ready; its log is complete some time after its end."""
    with (
        ThreadPoolExecutor(1) as thread,
        started(folder, config, *flags, **settings) as process,
    ):
        output = process.stderr
        assert output is not None
        log: list[str] = []
        while not log or "ready at" not in log[-1]:
            log.append(output.readline())
            assert log[-1], "the server ended before it was ready"
        found = re.search(r"http://[^/]+", log[-1])
        assert found
        running = Process(process, found[0], folder / "temporary", log)
        reading = thread.submit(lambda: running.log.extend(output))
        try:
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            reading.result()
            running.clients.close()


def story_request(model: str, words: int = 100) -> dict[str, Any]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": "Tell me a long story. " * words}],
        "stream": True,
    }
