"""The replicas of a remote model: which ones are up, how busy they are, and which one is next."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from yarl import URL

from openedai.engines.remote.affinity import Prefix, PrefixMemory

log = logging.getLogger("openedai.engines")

_SLACK = 2  # requests that a replica may have more than another and still count as equally busy


@dataclass(eq=False)
class Replica:
    """`up` is the result of the last request or health check. `turn` orders replicas by when they
    were last chosen.
    """

    number: int
    url: URL
    up: bool = True
    running: int = 0
    turn: int = 0

    def mark(self, up: bool) -> None:
        """Set `up`, and log a change."""
        if up != self.up:
            self.up = up
            log.log(
                logging.INFO if up else logging.WARNING,
                "the upstream at %s is %s",
                self.url,
                "back" if up else "down",
            )


class Replicas:
    """The replicas of one model, numbered in the order of its addresses."""

    def __init__(self, urls: Sequence[URL]) -> None:
        self.all = tuple(Replica(number, url) for number, url in enumerate(urls))
        self._memory = PrefixMemory()
        self._turns = itertools.count(1)

    def choose(
        self,
        prefixes: Sequence[Prefix] = (),
        tried: Collection[Replica] = (),
        *,
        only_up: bool = False,
    ) -> Replica | None:
        """The replica for a prompt; None if all were tried.

        It is the one that was sent the longest known prefix of the prompt, unless it is clearly
        busier than the least busy replica, which is chosen then. A replica that is down is chosen
        only if no other is left, and with `only_up` never.
        """
        left = [replica for replica in self.all if replica not in tried]
        up = [replica for replica in left if replica.up]
        candidates = up if up or only_up else left
        if not candidates:
            return None
        least_busy = min(candidates, key=lambda replica: (replica.running, replica.turn))
        for number in self._memory.find(reversed(prefixes)):
            known = self.all[number]
            if known in candidates:
                return known if _about_as_free(known, least_busy) else least_busy
        return least_busy

    @contextmanager
    def use(self, replica: Replica, prefixes: Sequence[Prefix] = ()) -> Iterator[None]:
        """Count a request on the replica, and remember the prefixes it was sent."""
        self._memory.remember(prefixes, replica.number)
        replica.turn = next(self._turns)
        replica.running += 1
        try:
            yield
        finally:
            replica.running -= 1


def _about_as_free(replica: Replica, least_busy: Replica) -> bool:
    return replica.running - least_busy.running <= max(_SLACK, least_busy.running // 2)
