"""Counters in the memory of one server; counts of days and months are saved every second."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy

import msgspec

from openedai.errors import APIError
from openedai.security.limits.counter import Charge, Counter, Period, admit, apply, standing
from openedai.security.limits.scopes import Cost, Measure, Refusal, Scope, Standing
from openedai.store.limits import LimitRecords

log = logging.getLogger("openedai.limits")

_SERVER = "this"
_MOST_COUNTERS = 10_000
_SAVE_SECONDS = 1.0

Periods = Mapping[str, Period]


def steady_clock() -> Callable[[], float]:
    """Seconds since 1970 that never jump."""
    began = time.time() - time.monotonic()
    return lambda: began + time.monotonic()


class MemoryCounts:
    """With `records` None nothing is saved. Servers that share records add up their counts of days
    and months every second.
    """

    def __init__(
        self, records: LimitRecords | None, clock: Callable[[], float] | None = None
    ) -> None:
        self._records = records
        self._clock = clock or steady_clock()
        self._counters: dict[str, Counter] = {}
        # What was last saved or loaded; the rest is added to it.
        self._saved: dict[str, Periods] = {}
        self._unsaved: set[str] = set()
        self._saving: asyncio.Task[None] | None = None
        self._failing = False

    def now(self) -> int:
        return int(self._clock() * 1000)

    async def admit(
        self, scopes: tuple[Scope, ...], cost: Cost, *, background: bool
    ) -> Charge | Refusal:
        unknown = [one.name for one in scopes if one.is_lasting and one.name not in self._saved]
        if unknown and self._records is not None:
            await self._load(unknown)
        counters = self._of(scopes)
        result = admit(counters, scopes, cost, self.now(), _SERVER, background=background)
        if isinstance(result, Charge):
            self._note(scopes)
        return result

    def change(self, charge: Charge, differences: Mapping[Measure, int], *, hold: int = 0) -> None:
        apply(self._of(charge.scopes), charge, differences, self.now(), _SERVER, hold=hold)
        self._note(charge.scopes)

    def standing(self, scopes: Sequence[Scope]) -> Mapping[Measure, Standing]:
        return standing(self._of(scopes), scopes, self.now())

    async def close(self) -> None:
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.gather(self._saving, return_exceptions=True)
        if self._unsaved:
            await self._try_to_save()

    def _of(self, scopes: Sequence[Scope]) -> dict[str, Counter]:
        if len(self._counters) > _MOST_COUNTERS:
            self._forget_empty()
        return {scope.name: self._counter(scope.name) for scope in scopes}

    def _counter(self, name: str) -> Counter:
        """The counter. Running requests never expire, because they end with the process."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = Counter()
        for hold in counter.holds.values():
            hold.until = self.now() + 1
        return counter

    def _forget_empty(self) -> None:
        now = self.now()
        for name, counter in list(self._counters.items()):
            if name not in self._unsaved and counter.is_empty(now):
                del self._counters[name]
                self._saved.pop(name, None)

    def _note(self, scopes: Sequence[Scope]) -> None:
        """Have the lasting counts saved."""
        if self._records is None:
            return
        lasting = [scope.name for scope in scopes if scope.is_lasting]
        self._unsaved.update(lasting)
        if lasting and self._saving is None:
            self._saving = asyncio.create_task(self._save_later())

    async def _save_later(self) -> None:
        try:
            while self._unsaved:
                await asyncio.sleep(_SAVE_SECONDS)
                await self._try_to_save()
        finally:
            self._saving = None

    async def _try_to_save(self) -> None:
        names, self._unsaved = sorted(self._unsaved), set()
        if not await self._merged(names):
            self._unsaved.update(names)

    async def _load(self, names: Sequence[str]) -> None:
        """Load what other servers, and this one before its restart, have counted. If the database
        cannot be used, this is added later.
        """
        await self._merged(sorted(names))

    async def _merged(self, names: Sequence[str]) -> bool:
        """Merge, and return whether it succeeded. A failure is logged only once until it succeeds
        again.
        """
        try:
            await self._merge(names)
        except APIError as error:
            if not self._failing:
                log.warning("what was used of limits cannot be saved now: %s", error.message)
            self._failing = True
            return False
        if self._failing:
            log.info("what was used of limits is saved again")
        self._failing = False
        return True

    async def _merge(self, names: Sequence[str]) -> None:
        """Add to the database what it lacks, and adopt the sums."""
        records = self._records
        assert records is not None
        database = await records.store.database()
        async with database.write() as query:
            now, rows = await records.load(query, names)
            counted = {name: deepcopy(self._counter(name).periods) for name in names}
            merged = {
                name: _added(
                    msgspec.json.decode(rows.get(name, "{}"), type=Counter).periods,
                    _since(counted[name], self._saved.get(name, {})),
                )
                for name in names
            }
            states = {
                name: msgspec.json.encode(Counter(periods=dict(periods))).decode()
                for name, periods in merged.items()
            }
            await records.save(query, states, now)
        for name, periods in merged.items():
            counter = self._counter(name)
            meanwhile = _since(counter.periods, counted[name])
            counter.periods = _added(periods, meanwhile)
            self._saved[name] = periods


def _since(periods: Periods, before: Periods) -> dict[str, Period]:
    """What was added to the periods."""
    found: dict[str, Period] = {}
    for per, period in periods.items():
        old = before.get(per, Period())
        known = old.amounts if old.end == period.end else {}
        found[per] = Period(
            period.end,
            {name: amount - known.get(name, 0) for name, amount in period.amounts.items()},
        )
    return found


def _added(periods: Periods, differences: Periods) -> dict[str, Period]:
    """The sums of periods. If two periods differ, the later one counts."""
    sums = {per: Period(one.end, dict(one.amounts)) for per, one in periods.items()}
    for per, one in differences.items():
        total = sums.get(per, Period())
        if one.end > total.end:
            total = Period(one.end)
        if one.end == total.end:
            for name, amount in one.amounts.items():
                total.amounts[name] = max(0, total.amounts.get(name, 0) + amount)
        sums[per] = total
    return sums
