"""Tries one request on one replica after another, until one serves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from openedai.engines.remote.affinity import Prefix
from openedai.engines.remote.connection import Disconnected
from openedai.engines.remote.failures import ReplicaFailed
from openedai.engines.remote.replicas import Replica, Replicas
from openedai.errors import RateLimited


class Attempts:
    """At most `retries` attempts after the first. Once committed, a failure is final."""

    def __init__(self, replicas: Replicas, known: Sequence[Prefix], retries: int) -> None:
        self._replicas = replicas
        self._known = known
        self._left = retries
        self._tried: set[Replica] = set()
        self._next = replicas.choose(known)
        self._committed = False

    def commit(self, replica: Replica) -> None:
        """Note that part of the answer was passed on: no other replica can take over the
        request.
        """
        if not self._committed:
            self._committed = True
            replica.mark(up=True)

    @contextmanager
    def next(self) -> Iterator[Replica]:
        """The replica for the next attempt. If the attempt fails, the failure is suppressed as long
        as another attempt is possible; otherwise the error for the client is raised.
        """
        replica = self._next
        assert replica is not None, "without one, the last failure was raised"
        with self._replicas.use(replica, self._known):
            try:
                yield replica
            except Disconnected:
                return
            except ReplicaFailed as failure:
                if failure.down:
                    replica.mark(up=False)
                self._tried.add(replica)
                self._next = self._choose_after(failure)
                if self._next is None:
                    raise failure.error from failure
            else:
                replica.mark(up=True)

    def _choose_after(self, failure: ReplicaFailed) -> Replica | None:
        if self._committed or not self._left:
            return None
        self._left -= 1
        busy = isinstance(failure.error, RateLimited)
        return self._replicas.choose(self._known, self._tried, only_up=busy)
