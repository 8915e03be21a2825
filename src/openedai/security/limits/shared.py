"""Counters in a database that several servers share, so that a limit holds for all of them
together.

Each request asks the database, in a transaction that locks its counters. Requests that arrive
during a transaction share the next one, so a server runs one at a time. While the database cannot
be used, each server counts for itself.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from openedai.errors import APIError
from openedai.security.limits.counter import (
    HOLD,
    Charge,
    Counter,
    Counters,
    admit,
    apply,
    standing,
)
from openedai.security.limits.memory import steady_clock
from openedai.security.limits.scopes import Cost, Measure, Refusal, Scope, Standing
from openedai.store.limits import LimitRecords

log = logging.getLogger("openedai.limits")

_MOST_TOGETHER = 256
_KEPT_COUNTERS = 10_000

Result = Charge | Refusal | None


@dataclass(eq=False)
class _Step:
    """An operation on counters, and who waits for its result."""

    names: Sequence[str]
    run: Callable[[Counters, int], Result]
    waiting: asyncio.Future[Any] | None = None

    def end(self, result: Result) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(result)


class SharedCounts:
    def __init__(self, records: LimitRecords) -> None:
        self._records = records
        self._clock = steady_clock()
        self._ahead = 0  # how many milliseconds the database's clock is ahead
        self._server = secrets.token_hex(8)
        self._steps: list[_Step] = []
        self._work: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._counters: dict[str, Counter] = {}  # as this server last saw them
        self._made: set[str] = set()
        self._held: dict[str, int] = {}
        self._alone = False

    def now(self) -> int:
        return int(self._clock() * 1000) + self._ahead

    async def admit(
        self, scopes: tuple[Scope, ...], cost: Cost, *, background: bool
    ) -> Charge | Refusal:
        def run(counters: Counters, now: int) -> Result:
            return admit(counters, scopes, cost, now, self._server, background=background)

        waiting: asyncio.Future[Charge | Refusal] = asyncio.get_running_loop().create_future()
        self._add(_Step(_names(scopes), run, waiting))
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            waiting.add_done_callback(self._undo)
            raise

    def change(self, charge: Charge, differences: Mapping[Measure, int], *, hold: int = 0) -> None:
        self._hold(charge.scopes, hold)

        def run(counters: Counters, now: int) -> Result:
            apply(counters, charge, differences, now, self._server)
            return None

        self._add(_Step(_names(charge.scopes), run))

    def standing(self, scopes: Sequence[Scope]) -> Mapping[Measure, Standing]:
        known = {scope.name: self._counters.get(scope.name) or Counter() for scope in scopes}
        return standing(known, scopes, self.now())

    async def close(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        while self._work is not None:
            await asyncio.gather(self._work, return_exceptions=True)

    def _undo(self, waiting: asyncio.Future[Charge | Refusal]) -> None:
        result = waiting.result()
        if isinstance(result, Charge):
            back = {measure: -amount for measure, amount in result.amounts.items()}
            self.change(result, back, hold=-1)

    def _hold(self, scopes: Sequence[Scope], difference: int) -> None:
        """Count requests as running on this server."""
        for scope in scopes:
            if scope.at_once and difference:
                count = self._held.pop(scope.name, 0) + difference
                if count > 0:
                    self._held[scope.name] = count
        if self._held and self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())

    def _add(self, step: _Step) -> None:
        self._steps.append(step)
        if self._work is None:
            self._work = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._steps:
                steps = self._steps[:_MOST_TOGETHER]
                del self._steps[:_MOST_TOGETHER]
                results = await self._results(steps)
                for step, result in zip(steps, results, strict=True):
                    if isinstance(result, Charge):
                        self._hold(result.scopes, 1)
                    step.end(result)
        finally:
            self._work = None

    async def _renew(self) -> None:
        """Report in time that the requests on this server are still running."""
        while self._held:
            await asyncio.sleep(HOLD / 3000)
            self._add(_Step(sorted(self._held), lambda counters, now: None))
        self._renewing = None

    async def _results(self, steps: Sequence[_Step]) -> list[Result]:
        names = sorted({name for step in steps for name in step.names})
        try:
            results = await self._in_database(steps, names)
        except Exception as error:
            if not self._alone:
                known = isinstance(error, APIError)
                log.warning(
                    "limits are counted by this server alone: %s",
                    error,
                    exc_info=None if known else error,
                )
            self._alone = True
            counters = {name: self._counters.setdefault(name, Counter()) for name in names}
            return self._done(steps, counters, self.now())
        self._alone = False
        return results

    async def _in_database(self, steps: Sequence[_Step], names: Sequence[str]) -> list[Result]:
        records = self._records
        database = await records.store.database()
        async with database.write() as query:
            if new := [name for name in names if name not in self._made]:
                await records.make(query, new)
            seconds, states = await records.load(query, names)
            now = int(seconds * 1000)
            counters = {
                name: msgspec.json.decode(states.get(name, "{}"), type=Counter) for name in names
            }
            results = self._done(steps, counters, now)
            encoded = {name: msgspec.json.encode(one).decode() for name, one in counters.items()}
            await records.save(query, encoded, seconds)
        self._ahead = now - int(self._clock() * 1000)
        if len(self._made) > _KEPT_COUNTERS:
            self._made.clear()
            self._counters.clear()
        self._made.update(names)
        self._counters.update(counters)
        return results

    def _done(self, steps: Sequence[_Step], counters: Counters, now: int) -> list[Result]:
        for name, counter in counters.items():
            counter.set_hold(self._server, self._held.get(name, 0), now)
        return [step.run(counters, now) for step in steps]


def _names(scopes: Sequence[Scope]) -> list[str]:
    return [scope.name for scope in scopes]
