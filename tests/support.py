"""What tests use besides fixtures: a server in a thread, its state, and raw requests."""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import uvicorn
from anthropic import Anthropic
from openai import OpenAI
from opentelemetry.sdk.trace.export import SpanExporter
from starlette.applications import Starlette
from yarl import URL

from openedai.app import create_app
from openedai.cli.serve import uvicorn_config
from openedai.config import ModelSpec, Settings
from openedai.jobs.jobs import LEASE_SECONDS

C = TypeVar("C", OpenAI, Anthropic)

TWO_CALLS = (
    '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
    '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>'
)
ECHO_MODELS = (
    ModelSpec(id="echo", engine="echo", aliases=("parrot",)),
    ModelSpec(id="owner/echo:latest", engine="echo"),
    ModelSpec(id="reveal", engine="echo", options={"reveal": True}),
    ModelSpec(id="vision", engine="echo", options={"vision": True, "image_tokens": 7}),
    ModelSpec(id="vision-reveal", engine="echo", options={"vision": True, "reveal": True}),
    ModelSpec(id="calls", engine="echo", options={"reply": TWO_CALLS}),
    ModelSpec(id="slow", engine="echo", options={"delay": 0.02, "repeat": 10000, "slots": 4}),
    ModelSpec(id="fails-first", engine="echo", options={"fail_after": 0}),
    ModelSpec(id="fails-later", engine="echo", options={"fail_after": 2}),
    ModelSpec(id="crashes", engine="echo", options={"crash_after": 2, "worker": True}),
    ModelSpec(id="unloadable", engine="echo", options={"load_error": "The weights are bad."}),
    ModelSpec(id="hosted", engine="echo", options={"worker": True}),
)


class Clients:
    """Clients to close at the end, so that none is left to the garbage collector, which may warn
    about their sockets in any later test.
    """

    def __init__(self) -> None:
        self._open: list[OpenAI | Anthropic] = []

    def kept(self, client: C) -> C:
        self._open = [*(one for one in self._open if not one.is_closed()), client]
        return client

    def close(self) -> None:
        for client in self._open:
            client.close()


@dataclass(frozen=True)
class Running:
    """A server that runs in a thread of this process, on its own port.

    The clients that it makes are closed with it at the latest.
    """

    app: Starlette
    port: int
    clients: Clients = field(default_factory=Clients)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> OpenAI:
        options = {"api_key": "dummy", "max_retries": 0, **options}
        return self.clients.kept(OpenAI(base_url=f"{self.url}/v1", **options))

    def anthropic_client(self, **options: Any) -> Anthropic:
        options = {"api_key": "dummy", "max_retries": 0, **options}
        return self.clients.kept(Anthropic(base_url=self.url, **options))


class ServerThread:
    """`lease` is how long another server waits before it takes a job of this one, in seconds.
    `limits_clock` is the clock of its limits; `span_exporter` gets its traces.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        lease: float = LEASE_SECONDS,
        tls: ssl.SSLContext | None = None,
        listener: socket.socket | None = None,
        limits_clock: Callable[[], float] | None = None,
        span_exporter: SpanExporter | None = None,
    ) -> None:
        self.clients = Clients()
        self.app = create_app(
            settings,
            job_lease=lease,
            limits_clock=limits_clock,
            span_exporter=span_exporter,
        )
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        config = uvicorn_config(self.app, settings, tls)
        config.timeout_graceful_shutdown = 1
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))

    def __enter__(self) -> Running:
        started = threading.Event()
        startup = self.server.startup

        async def announce(sockets: list[socket.socket] | None = None) -> None:
            await startup(sockets)
            started.set()

        self.server.startup = announce  # type: ignore[method-assign]
        self.thread.start()
        assert started.wait(30), "the server did not start"
        return Running(self.app, self.listener.getsockname()[1], self.clients)

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        self.listener.close()
        self.clients.close()
        assert not self.thread.is_alive(), "the server did not stop"


def echo_settings(**values: Any) -> Settings:
    """Settings of a server with echo models only, untouched by the environment's files.

    Its data folder does not exist yet; a test that writes into it passes a temporary one.
    """
    defaults: dict[str, Any] = {
        "usage": False,
        "data": Path(tempfile.gettempdir(), f"openedai-tests-{secrets.token_hex(8)}"),
        "models": ECHO_MODELS,
        "chat_model": "echo",
        "embedding_model": "echo",
        "builtin_models": False,
    }
    return Settings(_env_file=None, **{**defaults, **values})


def wait_until(check: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until `check` is true. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.005)


@dataclass(frozen=True)
class Answer:
    """`headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes


def occupancy(server: Running, model: str) -> tuple[int, int]:
    """How many requests for the model run and wait; 0 if it was never requested."""
    models = server.app.state.services.pool.snapshot().models
    return next(((m.running, m.waiting) for m in models if m.id == model), (0, 0))


def raw_request(port: int, request: bytes, *, end: bool = False) -> bytes:
    """Send bytes and read until the server closes or 10 seconds have passed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
        return answer


def fetch(url: str | URL, method: str = "GET", **options: Any) -> Answer:
    """Send one request; `options` are aiohttp's."""

    async def request() -> Answer:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, **options) as response,
        ):
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await response.read())

    return asyncio.run(request())
