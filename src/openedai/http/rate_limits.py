"""The limits of a caller, as reported in an answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RateLimit:
    """`limit` is in requests or tokens, of which `remaining` are left. If nothing else is used, all
    are available again at `reset_at`, a time of `time.perf_counter`.
    """

    limit: int
    remaining: int
    reset_at: float

    @property
    def reset_ms(self) -> int:
        """The milliseconds until `reset_at`."""
        return max(0, math.ceil(round((self.reset_at - time.perf_counter()) * 1000, 3)))


@dataclass(frozen=True)
class RateLimits:
    """`measures` are what is limited, "requests" or "tokens"; `read` returns the present state."""

    measures: frozenset[str]
    read: Callable[[], Mapping[str, RateLimit]]


def rate_limit_headers(limits: Mapping[str, RateLimit]) -> Iterator[tuple[bytes, bytes]]:
    """The headers, as in the official API and in Azure's."""
    for measure, one in limits.items():
        name = measure.encode()
        yield b"x-ratelimit-limit-" + name, b"%d" % one.limit
        yield b"x-ratelimit-remaining-" + name, b"%d" % one.remaining
        yield b"x-ratelimit-reset-" + name, shown_duration(one.reset_ms).encode()


def shown_duration(milliseconds: int) -> str:
    """`17ms`, `2s`, `1m26.4s`, `1h0m2s`: to the millisecond."""
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds
