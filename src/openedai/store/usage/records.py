"""Stored usage: a record for each model that a request used, and sums by the hour."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from msgspec.structs import astuple

from openedai.store.database import Value
from openedai.store.store import Store

HOUR = 3600
# The fields of a record by which the sums of an hour are divided.
DIMENSIONS = ("kind", "model", "key", "project", "route", "origin", "size")
# What is summed, in addition to the numbers of requests, failed requests and first tokens.
NUMBERS = (
    *("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"),
    *("audio_seconds", "characters", "images", "bytes_in", "bytes_out", "seconds"),
    *("input_cost", "cached_cost", "output_cost", "unit_cost"),
)
_COUNTS = ("requests", "failed", "first_tokens", "first_token_seconds")
# How many are deleted at once, so that no transaction takes long.
_SWEPT = 20_000


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a request used of one model; with an empty `kind`, a request that reached none.

    `at` is when the request ended, in seconds since 1970. `key` is the id of its key and `project`
    whose it was, empty for the local user; `origin` is as in `Exchange`. Costs are in US dollars:
    `unit_cost` is of what is not counted in tokens. The columns are in this order.
    """

    id: str
    at: int
    request: str
    kind: str = ""
    model: str
    key: str = ""
    project: str = ""
    route: str
    origin: str = ""
    size: str = ""
    status: int
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    audio_seconds: float = 0.0
    characters: int = 0
    images: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    first_token_seconds: float | None = None
    input_cost: float = 0.0
    cached_cost: float = 0.0
    output_cost: float = 0.0
    unit_cost: float = 0.0


class UsageRecords:
    """`lifetime` is how long sums are kept, in seconds; at most `most` single records are kept."""

    def __init__(self, store: Store, lifetime: float, most: int) -> None:
        self._store = store
        self._lifetime = lifetime
        self._most = most

    async def write(self, group: Sequence[UsageRecord]) -> None:
        """Write a group as a whole; if it was already written, nothing changes. Raises Unavailable.

        Sums are written in one order, so that servers do not wait for each other.
        """
        database = await self._store.database()
        hours = sorted(_hours(group).items())
        async with database.write() as query:
            if await query("select 1 from usage_records where id=$1", group[0].id):
                return
            await query.many(_INSERT, [astuple(record) for record in group])
            await query.many(_ADD, [(*key, *sums) for key, sums in hours])

    async def sweep(self) -> None:
        """Delete what is too old or too much."""
        database = await self._store.database()
        before = int(time.time() - self._lifetime)
        beyond = "select at from usage_records order by at desc limit 1 offset $1"
        rows = await database.read(beyond, self._most)
        oldest = max([before, *(at + 1 for (at,) in rows)])
        async with database.write() as query:
            await query.run("delete from usage_hours where hour < $1", before - HOUR)
        while await self._deleted(oldest):
            pass

    async def _deleted(self, before: int) -> bool:
        """Delete some records from before a time. Returns whether there were any."""
        some = "select id from usage_records where at < $1 order by at limit $2"
        delete = f"delete from usage_records where id in ({some}) returning 1"
        database = await self._store.database()
        async with database.write() as query:
            return len(await query(delete, before, _SWEPT)) == _SWEPT


def _hours(group: Sequence[UsageRecord]) -> dict[tuple[Value, ...], list[float]]:
    """The sums of the records, in the order of the columns, by the hour and the dimensions."""
    hours: dict[tuple[Value, ...], list[float]] = {}
    for one in group:
        key = (one.at // HOUR * HOUR, *(getattr(one, name) for name in DIMENSIONS))
        first = one.first_token_seconds
        numbers = (
            *(1, int(one.status >= 400), int(first is not None), first or 0.0),
            *(getattr(one, name) for name in NUMBERS),
        )
        sums = hours.setdefault(key, [0] * len(numbers))
        for index, number in enumerate(numbers):
            sums[index] += number
    return hours


def _parameters(count: int) -> str:
    return ", ".join(f"${number}" for number in range(1, count + 1))


_COLUMNS = UsageRecord.__struct_fields__
_INSERT = f"insert into usage_records({', '.join(_COLUMNS)}) values({_parameters(len(_COLUMNS))})"
_KEY = ("hour", *DIMENSIONS)
_SUMS = (*_COUNTS, *NUMBERS)
_ADD = (
    f"insert into usage_hours({', '.join((*_KEY, *_SUMS))}) "
    f"values({_parameters(len(_KEY) + len(_SUMS))}) on conflict({', '.join(_KEY)}) do update set "
    + ", ".join(f"{name} = usage_hours.{name} + excluded.{name}" for name in _SUMS)
)
