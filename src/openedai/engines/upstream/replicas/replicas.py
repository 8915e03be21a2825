"""The replicas of an upstream: which are there, how busy they are, which one is next."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from yarl import URL

from openedai.engines.upstream.replicas.affinity import Memory, Prefix

log = logging.getLogger("openedai.engines.upstream")

_SLACK = 2  # requests that a replica may have more than another and still be no busier


@dataclass(eq=False)
class Replica:
    """`up` is what the last request or check said; `turn` when it was chosen last."""

    number: int
    url: URL
    up: bool = True
    running: int = 0
    turn: int = 0

    def mark(self, up: bool) -> None:
        if up != self.up:
            self.up = up
            log.log(
                logging.INFO if up else logging.WARNING,
                "the upstream at %s is %s",
                self.url,
                "back" if up else "down",
            )


class Replicas:
    def __init__(self, urls: Sequence[URL]) -> None:
        self.all = tuple(Replica(number, url) for number, url in enumerate(urls))
        self._memory = Memory()
        self._turns = itertools.count(1)

    def choose(
        self,
        prefixes: Sequence[Prefix] = (),
        tried: Collection[Replica] = (),
        *,
        only_up: bool = False,
    ) -> Replica | None:
        """The replica for a prompt; None if there is none that was not tried.

        The one that was sent the longest known beginning of the prompt, unless it is clearly
        busier than the least busy one; that one otherwise. Those that are down only where no
        other is left.
        """
        left = [replica for replica in self.all if replica not in tried]
        up = [replica for replica in left if replica.up]
        candidates = up if up or only_up else left
        if not candidates:
            return None
        idlest = min(candidates, key=lambda replica: (replica.running, replica.turn))
        for number in self._memory.find(reversed(prefixes)):
            known = self.all[number]
            if known in candidates:
                return known if _as_free(known, idlest) else idlest
        return idlest

    @contextmanager
    def use(self, replica: Replica, prefixes: Sequence[Prefix] = ()) -> Iterator[None]:
        """Count a request on it, and remember what it was sent."""
        self._memory.note(prefixes, replica.number)
        replica.turn = next(self._turns)
        replica.running += 1
        try:
            yield
        finally:
            replica.running -= 1


def _as_free(replica: Replica, idlest: Replica) -> bool:
    return replica.running - idlest.running <= max(_SLACK, idlest.running // 2)
