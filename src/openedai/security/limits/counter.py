"""The counts of one scope, and how a request changes those of all its scopes.

All times are milliseconds since 1970, of one clock. Nothing here awaits or reads a clock, so that a
counter works the same in memory and in a row of the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from openedai.security.limits.scopes import (
    Bound,
    Cost,
    Measure,
    Reason,
    Refusal,
    Scope,
    Standing,
)
from openedai.security.limits.window import Window

# How long the requests of a server that died keep counting as running.
HOLD = 30_000
# When a place becomes free is not known; this is when the caller should try again.
_LOOK_AGAIN = 1_000
# Requests that no client waits for leave one in this many of each limit per minute to the others.
_LEFT_TO_CLIENTS = 5


class Hold(msgspec.Struct, array_like=True):
    """Requests running on a server, which has to report them again before the time `until`."""

    count: int
    until: int


class Period(msgspec.Struct, array_like=True):
    """What was used since the day or month began; `end` is when the next one begins."""

    end: int = 0
    amounts: dict[Measure, int] = msgspec.field(default_factory=dict)


class Counter(msgspec.Struct, omit_defaults=True):
    """The windows by measure, the periods by "day" and "month", and the running requests by
    server.
    """

    minute: dict[Measure, Window] = msgspec.field(default_factory=dict)
    periods: dict[str, Period] = msgspec.field(default_factory=dict)
    holds: dict[str, Hold] = msgspec.field(default_factory=dict)

    def window(self, measure: Measure) -> Window:
        window = self.minute.get(measure)
        if window is None:
            window = self.minute[measure] = Window()
        return window

    def period(self, per: str, now: int) -> Period:
        period = self.periods.get(per)
        if period is None or period.end <= now:
            period = self.periods[per] = Period(end_of(per, now))
        return period

    def used(self, bound: Bound, now: int) -> int:
        if bound.per == "minute":
            return self.window(bound.measure).used(now)
        return self.period(bound.per, now).amounts.get(bound.measure, 0)

    def wait(self, bound: Bound, amount: int, limit: int, now: int) -> int:
        """The milliseconds until `amount` more is within the limit, if nothing else is used."""
        if bound.per == "minute":
            return self.window(bound.measure).wait(amount, limit, now)
        return self.period(bound.per, now).end - now

    def standing(self, bound: Bound, now: int) -> Standing:
        used = self.used(bound, now)
        if bound.per == "minute":
            reset = self.window(bound.measure).reset(now)
        else:
            reset = self.period(bound.per, now).end - now if used else 0
        return Standing(bound.limit, max(0, bound.limit - used), now + reset)

    def change(self, bound: Bound, at: int, difference: int, now: int) -> None:
        """Add to what was used at that time."""
        if bound.per == "minute":
            self.window(bound.measure).change(at, difference, now)
            return
        period = self.period(bound.per, now)
        if difference > 0 or end_of(bound.per, at) == period.end:
            used = period.amounts.get(bound.measure, 0)
            period.amounts[bound.measure] = max(0, used + difference)

    def held(self, now: int) -> int:
        """The running requests, without those of servers that died."""
        for server in [name for name, hold in self.holds.items() if hold.until <= now]:
            del self.holds[server]
        return sum(hold.count for hold in self.holds.values())

    def hold(self, server: str, difference: int, now: int) -> None:
        """Count more or fewer requests as running on a server."""
        hold = self.holds.get(server)
        self.set_hold(server, (hold.count if hold else 0) + difference, now)

    def set_hold(self, server: str, count: int, now: int) -> None:
        """Set the number of requests running on a server."""
        if count > 0:
            self.holds[server] = Hold(count, now + HOLD)
        else:
            self.holds.pop(server, None)

    def is_empty(self, now: int) -> bool:
        """Whether a new counter would be equivalent."""
        periods = any(one.end > now and any(one.amounts.values()) for one in self.periods.values())
        windows = any(window.used(now) or window.moments for window in self.minute.values())
        return not periods and not windows and not self.held(now)


Counters = Mapping[str, Counter]


@dataclass
class Charge:
    """What a request was counted with at the time `at`; it is corrected when more is known."""

    scopes: tuple[Scope, ...]
    at: int
    amounts: dict[Measure, int]


def admit(
    counters: Counters,
    scopes: tuple[Scope, ...],
    cost: Cost,
    now: int,
    server: str,
    *,
    background: bool = False,
) -> Charge | Refusal:
    """Count a request that begins now in all scopes, or in none if it exceeds a limit of one of
    them.

    A request that no client waits for leaves a part of the limits per minute, and of those on
    running requests, to requests that clients wait for.
    """
    refusals: list[Refusal] = []
    room = cost.likely_tokens
    for scope in scopes:
        counter = counters[scope.name]
        if scope.at_once:
            refusals += _too_many(scope, counter, now, background=background)
        for bound in scope.bounds:
            used, least = counter.used(bound, now), cost.least(bound.measure)
            if not least:
                continue
            leaves = background and bound.per == "minute"
            limit = _for_background(bound.limit, least) if leaves else bound.limit
            if used + least > limit:
                refusals.append(_refusal(bound, counter, least, limit, now))
            elif bound.measure == "tokens":
                room = min(room, limit - used - cost.tokens)
    if refusals:
        return max(refusals, key=lambda one: (one.reason == "size", one.wait))
    charge = Charge(scopes, now, _amounts(cost, room))
    apply(counters, charge, charge.amounts, now, server, hold=1)
    return charge


def apply(
    counters: Counters,
    charge: Charge,
    differences: Mapping[Measure, int],
    now: int,
    server: str,
    *,
    hold: int = 0,
) -> None:
    """Add the differences to the amounts of a charge, and to the running requests."""
    for scope in charge.scopes:
        counter = counters[scope.name]
        if scope.at_once and hold:
            counter.hold(server, hold, now)
        for bound in scope.bounds:
            if difference := differences.get(bound.measure, 0):
                counter.change(bound, charge.at, difference, now)


def standing(counters: Counters, scopes: Sequence[Scope], now: int) -> dict[Measure, Standing]:
    """For requests and for tokens, the limit of which the least is left."""
    found: dict[Measure, Standing] = {}
    for scope in scopes:
        for bound in scope.bounds:
            if bound.measure in ("requests", "tokens"):
                one = counters[scope.name].standing(bound, now)
                least = found.get(bound.measure)
                if least is None or (one.remaining, -one.reset_at) < (
                    least.remaining,
                    -least.reset_at,
                ):
                    found[bound.measure] = one
    return found


def end_of(per: str, now: int) -> int:
    """When the UTC day or month that contains the time ends."""
    date = datetime.fromtimestamp(now / 1000, UTC)
    if per == "day":
        return (now // 86_400_000 + 1) * 86_400_000
    year, month = (date.year + 1, 1) if date.month == 12 else (date.year, date.month + 1)
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000


def _amounts(cost: Cost, likely_tokens: int) -> dict[Measure, int]:
    amounts: dict[Measure, int] = {
        "requests": 1,
        "tokens": cost.tokens + likely_tokens,
        "images": cost.images,
        "audio": cost.audio,
    }
    return {measure: amount for measure, amount in amounts.items() if amount}


def _for_background(limit: int, amount: int) -> int:
    """The part of a limit that background requests may use; never nothing."""
    return max(limit - max(1, limit // _LEFT_TO_CLIENTS), min(amount, limit), 1)


def _too_many(scope: Scope, counter: Counter, now: int, *, background: bool) -> list[Refusal]:
    limit = _for_background(scope.at_once, 1) if background else scope.at_once
    held = counter.held(now)
    if held < limit:
        return []
    words = "requests at once"
    return [Refusal("rate", "requests", words, scope.at_once, held, 1, _LOOK_AGAIN)]


def _refusal(bound: Bound, counter: Counter, least: int, limit: int, now: int) -> Refusal:
    reason: Reason = "quota" if bound.per != "minute" else "rate"
    if reason == "rate" and least > bound.limit:
        reason = "size"
    used, wait = counter.used(bound, now), counter.wait(bound, least, limit, now)
    return Refusal(reason, bound.measure, bound.words, bound.limit, used, least, wait)
