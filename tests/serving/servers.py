"""Servers without HTTP that do jobs: in this process, or in one that a test kills, which is
`servers.py FOLDER URL LEASE`.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette

from openedai.app import create_app
from openedai.config import ModelSpec
from openedai.serving.services import Services
from tests.support import echo_settings

SHORT_LEASE = 1.0
MODELS = (
    ModelSpec(id="echo", engine="echo"),
    ModelSpec(id="slow", engine="echo", options={"slots": 2, "delay": 0.04}),
    ModelSpec(id="wide", engine="echo", options={"slots": 64, "delay": 0.04}),
    ModelSpec(id="endless", engine="echo", options={"slots": 2, "delay": 3600}),
)


def app_of(folder: Path, url: str, lease: float = 15) -> Starlette:
    """`url` is that of PostgreSQL; without it the database is in the folder. The jobs of a server
    that died go to another one after `lease` seconds.
    """
    database = {"database": url} if url else {}
    return create_app(echo_settings(data=folder, models=MODELS, **database), job_lease=lease)


@asynccontextmanager
async def running(folder: Path, url: str, lease: float = 15) -> AsyncIterator[Services]:
    app = app_of(folder, url, lease)
    async with app.router.lifespan_context(app):
        services: Services = app.state.services
        yield services


def within(folder: Path, url: str, go: Callable[[Services], Awaitable[None]]) -> None:
    """Run with a server that does jobs."""

    async def run() -> None:
        async with running(folder, url) as services:
            await go(services)

    asyncio.run(run())


def process(folder: Path, url: str, lease: float = SHORT_LEASE) -> subprocess.Popen[str]:
    """A server in a process of its own, which may not be ready yet."""
    command = [sys.executable, "-m", __name__, str(folder), url, str(lease)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)


def ready(server: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return server


def end(server: subprocess.Popen[str]) -> None:
    with server:
        server.send_signal(signal.SIGCONT)
        server.kill()


async def main(folder: str, url: str, lease: str) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with running(Path(folder), url, float(lease)):
        print("ready", flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
