"""What the console shows in addition to the public API: who uses it, and what runs now."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai import __version__
from openedai.api.console.admin import require_admin
from openedai.api.console.models import Downloading, downloading
from openedai.errors import NotFound
from openedai.http.exchange import Exchange, exchange_of
from openedai.http.respond import EventStream, data_frame, json_response
from openedai.scheduling.state import ModelStatus
from openedai.serving.models.downloads import Downloads
from openedai.serving.models.loading import Loading
from openedai.serving.monitoring.activity import Activity

_SECONDS = 1.0  # between two states


class RunningModel(msgspec.Struct):
    """A model that was requested since the start. Numbers are bytes, seconds, and deltas per
    second.
    """

    id: str
    state: str
    memory: int
    slots: int
    running: int
    waiting: int
    speed: float
    idle_seconds: float
    loads: int
    failed_loads: int
    evictions: int
    crashes: int
    refused: int
    timeouts: int


class RunningRequest(msgspec.Struct):
    """A request that has not ended. Times are seconds since it began; None until it happens."""

    id: str
    method: str
    path: str
    model: str | None
    caller: str
    background: bool
    age: float
    leased_at: float | None
    first_event_at: float | None
    tokens: int
    cancellable: bool


class State(msgspec.Struct):
    """What runs now: bytes, and deltas per second of all models together."""

    accepting: bool
    uptime: float
    memory: int
    memory_budget: int
    speed: float
    models: list[RunningModel]
    downloads: list[Downloading]
    requests: list[RunningRequest]


class ConsoleState:
    """`started` is when the server started, in seconds since 1970, and `file_max_bytes` are how
    large a file may be that is uploaded at once.
    """

    def __init__(
        self,
        activity: Activity,
        loading: Loading,
        downloads: Downloads,
        started: int,
        file_max_bytes: int,
    ) -> None:
        self._activity = activity
        self._loading = loading
        self._downloads = downloads
        self._started = started
        self._file_max_bytes = file_max_bytes

    async def session(self, request: Request) -> Response:
        """Who is asking, and facts about the server."""
        exchange = exchange_of(request.scope)
        return json_response(
            {
                "version": __version__,
                "admin": exchange.identity.admin,
                "file_max_bytes": self._file_max_bytes,
            }
        )

    async def now(self, request: Request) -> Response:
        """What runs now, once a second, until the client leaves or the server stops."""
        exchange = exchange_of(request.scope)
        require_admin(exchange)
        before = self._activity.deltas()
        first = data_frame(self._state(exchange, before, before, 1.0))
        return EventStream(exchange, first, self._states(exchange, before))

    async def cancel(self, request: Request) -> Response:
        """End anyone's request: its client gets the error `request_cancelled`."""
        require_admin(exchange_of(request.scope))
        id = request.path_params["id"]
        if not self._activity.cancel(id):
            raise NotFound(f"There is no request '{id[:80]}' that can be cancelled.")
        return json_response({"id": id, "cancelled": True})

    async def _states(
        self, exchange: Exchange, before: Counter[str]
    ) -> AsyncGenerator[bytes, None]:
        at = time.monotonic()
        while self._loading.status().accepting:
            await asyncio.sleep(_SECONDS)
            then, at = at, time.monotonic()
            deltas = self._activity.deltas()
            yield data_frame(self._state(exchange, deltas, before, at - then))
            before = deltas

    def _state(
        self, exchange: Exchange, deltas: Counter[str], before: Counter[str], seconds: float
    ) -> State:
        """The state; `before` is the one some seconds ago."""
        pool = self._loading.status()
        speeds = {model: (deltas[model] - before[model]) / seconds for model in deltas}
        return State(
            accepting=pool.accepting,
            uptime=time.time() - self._started,
            memory=pool.memory,
            memory_budget=pool.memory_budget,
            speed=sum(speeds.values()),
            models=[_model(status, speeds.get(status.id, 0.0)) for status in pool.models],
            downloads=[downloading(one) for one in self._downloads.all()],
            requests=[_request(one) for one in self._activity.running() if one is not exchange],
        )


def _model(status: ModelStatus, speed: float) -> RunningModel:
    values = {
        name: getattr(status, name) for name in RunningModel.__struct_fields__ if name != "speed"
    }
    return RunningModel(speed=speed, **values)


def _request(exchange: Exchange) -> RunningRequest:
    return RunningRequest(
        id=exchange.id,
        method=exchange.method,
        path=exchange.path,
        model=exchange.model,
        caller=exchange.identity.name or exchange.caller.rpartition("/")[0],
        background=exchange.background is not None,
        age=exchange.seconds,
        leased_at=exchange.leased_at,
        first_event_at=exchange.first_event_at,
        tokens=exchange.deltas,
        cancellable=exchange.task is not None,
    )
