"""The requests in progress, how fast their models write, and how to cancel one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from openedai.errors import Forbidden
from openedai.http.exchange import Exchange


class Activity:
    """All methods have to be called in the event loop's thread."""

    def __init__(self) -> None:
        self._running: dict[str, Exchange] = {}
        self._finished_deltas: Counter[str] = Counter()

    def begin(self, exchange: Exchange) -> None:
        """Its counterpart is `record`, as in a `Recorder`."""
        self._running[exchange.id] = exchange

    def record(self, exchange: Exchange, route: str) -> None:
        """The end of a request."""
        self._running.pop(exchange.id, None)
        if exchange.model is not None and exchange.deltas:
            self._finished_deltas[exchange.model] += exchange.deltas

    def running(self) -> Iterable[Exchange]:
        """The exchanges that have not ended, the oldest first."""
        return tuple(self._running.values())

    def deltas(self) -> Counter[str]:
        """The deltas that each model has written since the start, by the models' names.

        A delta is roughly a token. The difference between two calls gives the speed.
        """
        total = self._finished_deltas.copy()
        for exchange in self._running.values():
            if exchange.model is not None and exchange.deltas:
                total[exchange.model] += exchange.deltas
        return total

    def cancel(self, id: str) -> bool:
        """End the request with an error after which its client does not retry.

        Returns whether there is such a request and it can be cancelled.
        """
        exchange = self._running.get(id)
        return exchange is not None and exchange.cancel(
            Forbidden("The request was cancelled on the server.", code="request_cancelled")
        )
