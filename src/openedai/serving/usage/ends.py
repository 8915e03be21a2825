"""The ends of requests and of jobs' attempts, at which what they used is counted and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from openedai.errors import APIError
from openedai.http.exchange import Exchange
from openedai.http.server.envelope import CLIENT_LEFT
from openedai.serving.monitoring.metrics import Metrics


class Recorder(Protocol):
    """Records what finished exchanges used. It must not fail, and has to return immediately."""

    def record(self, exchange: Exchange, route: str) -> None:
        """`route` is the path of the route, or the path under which a job is recorded."""


class Ends:
    def __init__(self, metrics: Metrics, recorders: Sequence[Recorder]) -> None:
        self._metrics = metrics
        self._recorders = recorders

    def request(self, exchange: Exchange, route: str) -> None:
        """Record a request that has ended."""
        self._metrics.record_request(exchange, route)
        self._record(exchange, route)

    @contextmanager
    def attempt(self, exchange: Exchange) -> Iterator[None]:
        """An attempt at a job, which has an exchange without a connection. At its end the exchange
        is closed and recorded, under the job's path.
        """
        try:
            with exchange.cleanup:
                yield
            exchange.status = exchange.status or 200
        except (asyncio.CancelledError, GeneratorExit):
            exchange.status = CLIENT_LEFT
            raise
        except Exception as error:
            exchange.status = error.status if isinstance(error, APIError) else APIError.status
            raise
        finally:
            self._metrics.record_uses(exchange)
            self._record(exchange, exchange.path)

    def _record(self, exchange: Exchange, route: str) -> None:
        for recorder in self._recorders:
            recorder.record(exchange, route)
