"""How much was used in the last 60 seconds: a sliding window, not a bucket that is refilled.

A bucket of N allows 2 N within a minute: N at once, and N that are refilled meanwhile. Here no 60
seconds ever have more than N. Times are whole milliseconds, so that announced waiting times are
exact to the millisecond.
"""

from __future__ import annotations

import msgspec

SPAN = 60_000  # milliseconds
# Beyond this many moments, neighbouring ones are merged into the latest of them: a window is never
# too generous, and stays small.
_MOST_MOMENTS = 128
_NEAR = SPAN // _MOST_MOMENTS


class Moment(msgspec.Struct, array_like=True):
    """What was used from `first` to `last`, which leaves the window 60 seconds after `last`."""

    first: int
    last: int
    amount: int


class Window(msgspec.Struct, array_like=True):
    """The moments of the window in the order of their times, and the sum of their amounts."""

    moments: list[Moment] = msgspec.field(default_factory=list)
    total: int = 0

    def used(self, now: int) -> int:
        """The sum of the 60 seconds before `now`."""
        gone = 0
        for moment in self.moments:
            if moment.last + SPAN > now:
                break
            self.total -= moment.amount
            gone += 1
        if gone:
            del self.moments[:gone]
        return self.total

    def wait(self, amount: int, limit: int, now: int) -> int:
        """The milliseconds until `amount` more is within the limit, if nothing else is used."""
        excess = self.used(now) + amount - limit
        if excess <= 0:
            return 0
        for moment in self.moments:
            excess -= moment.amount
            if excess <= 0:
                return moment.last + SPAN - now
        return SPAN

    def reset(self, now: int) -> int:
        """The milliseconds until the window is empty, if nothing else is used."""
        self.used(now)
        return self.moments[-1].last + SPAN - now if self.moments else 0

    def add(self, amount: int, now: int) -> None:
        self.used(now)
        self.total += amount
        last = self.moments[-1] if self.moments else None
        if last is not None and (
            now <= last.last or (len(self.moments) >= _MOST_MOMENTS and now - last.first <= _NEAR)
        ):
            last.amount += amount
            last.last = max(last.last, now)
            return
        self.moments.append(Moment(now, now, amount))

    def change(self, at: int, difference: int, now: int) -> None:
        """Correct what was added at this time. What has left the window cannot be given back; an
        increase is then added now.
        """
        self.used(now)
        for moment in reversed(self.moments):
            if moment.first <= at <= moment.last:
                changed = max(0, moment.amount + difference)
                self.total += changed - moment.amount
                moment.amount = changed
                return
        if difference > 0:
            self.add(difference, now)
