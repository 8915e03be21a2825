"""One HTTP request and its outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Send

from openedai.errors import APIError
from openedai.http.dialect import Dialect
from openedai.http.rate_limits import RateLimits
from openedai.http.uses import ToolUse, Use
from openedai.identity import NOBODY, Identity


@dataclass(frozen=True)
class Background:
    """A request that no client waits for; it is served when no other request needs the model.

    `give_way` is called when another request needs the slots that this one holds, and makes it
    release them soon. None if it cannot.
    """

    give_way: Callable[[], None] | None = None


@dataclass(slots=True)
class Exchange:
    """Created for each request by the envelope; the inner layers read and complete it.

    `caller` is an opaque name of the caller, `identity` whose key they have. `status` is 0 until an
    answer begins. `background` is None for a request of a client.
    `origin` is empty for a request that came over a connection, and else what made it: "batch",
    "response", "run", "vector_store" or "fine_tuning".
    `parameter_names` gives the client's name for a parameter that engines know by another: errors
    are rendered with it. `model` and `logged_body` are for the log. The times are in seconds after
    `started`, a time of `time.perf_counter`; None until it happens. `cleanup` is closed at the end
    of the exchange. `send` is the connection's own: all but the beginning and the end of a stream
    is sent with it, past the layers, which do nothing for these parts. `bytes_in` and `bytes_out`
    are those of bodies. `uses` are of all models that the request used, also of its parts, `tools`
    those that the server ran for it, `containers` the ids of those that it made: copies of an
    exchange share them, and `charges`, what was counted of each model for the limits of the caller.
    `rate_limits` are those that the answer tells. `deltas` counts those of its generations so far.
    `task` serves it; None where it cannot be cancelled on its own. `span` has the ids of its trace
    and of its span, once they were sent to another server.
    """

    id: str
    method: str
    path: str
    dialect: Dialect
    caller: str = ""
    identity: Identity = NOBODY
    origin: str = ""
    background: Background | None = None
    status: int = 0
    parameter_names: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    logged_body: str | None = None
    send: Send | None = None
    deltas: int = 0
    task: asyncio.Task[Any] | None = None
    cancelled: APIError | None = None
    started: float = field(default_factory=time.perf_counter)
    bytes_in: int = 0
    bytes_out: int = 0
    request_headers: Sequence[tuple[bytes, bytes]] = ()
    uses: dict[tuple[str, str], Use] = field(default_factory=dict)
    tools: list[ToolUse] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    charges: dict[str, Any] = field(default_factory=dict)
    span: list[int] = field(default_factory=list)
    rate_limits: RateLimits | None = None
    queued_at: float | None = None
    loading: tuple[float, float] | None = None
    leased_at: float | None = None
    first_event_at: float | None = None
    last_event_at: float | None = None
    cleanup: ExitStack = field(default_factory=ExitStack)

    def cancel(self, error: APIError) -> bool:
        """End it with this error for its client. Returns whether that is possible."""
        if self.task is None or self.cancelled is not None:
            return False
        self.cancelled = error
        self.task.cancel()
        return True

    @property
    def owner(self) -> str:
        """The owner of everything that the request stores: the project of its key."""
        return self.identity.project

    @property
    def seconds(self) -> float:
        """The seconds since it started."""
        return time.perf_counter() - self.started

    def use(self, model: str, spec: str, kind: str) -> Use:
        """The record of what it uses of a model for work of one kind. Its times are those of the
        first use.
        """
        use = self.uses.get((model, kind))
        if use is None:
            use = self.uses[model, kind] = Use(model, spec, kind)
            use.queued_at, use.leased_at = self.queued_at, self.leased_at
            use.loading = self.loading
        return use


def exchange_of(scope: MutableMapping[str, Any]) -> Exchange:
    """The exchange that the envelope put into an ASGI scope."""
    exchange: Exchange = scope["exchange"]
    return exchange
