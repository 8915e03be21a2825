"""Sums of usage, by time and by what it was used for.

Sums by hours and days are read from sums by the hour, those by minutes from the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from openedai.store.database import Value
from openedai.store.store import Store
from openedai.store.usage.records import DIMENSIONS, HOUR

MINUTE, DAY = 60, 24 * HOUR


@dataclass(frozen=True)
class UsageFilter:
    """What is summed. A dimension that is not in `only` is not restricted. `batch` is whether it
    was part of a batch; None for either.
    """

    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    batch: bool | None = None


class UsageSum(msgspec.Struct, frozen=True, kw_only=True):
    """A sum over the time that begins at `start`, in seconds since 1970.

    `values` are the values of the dimensions by which it was grouped. `first_tokens` is how many
    requests had a first token, after `first_token_seconds` in total. Costs are in US dollars.
    """

    start: int
    values: dict[str, str]
    requests: int
    failed: int
    first_tokens: int
    first_token_seconds: float
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    audio_seconds: float
    characters: int
    images: int
    bytes_in: int
    bytes_out: int
    seconds: float
    input_cost: float
    cached_cost: float
    output_cost: float
    unit_cost: float

    @property
    def cost(self) -> float:
        return self.input_cost + self.cached_cost + self.output_cost + self.unit_cost


_NUMBERS = UsageSum.__struct_fields__[2:]
# How the columns that only the sums of an hour have follow from a record.
_OF_RECORDS = {
    "requests": "1",
    "failed": "case when status >= 400 then 1 else 0 end",
    "first_tokens": "case when first_token_seconds is null then 0 else 1 end",
    "first_token_seconds": "coalesce(first_token_seconds, 0.0)",
}


class UsageSums:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(
        self,
        start: int,
        end: int,
        width: int | None,
        group: Sequence[str] = (),
        filter: UsageFilter = UsageFilter(),
    ) -> list[UsageSum]:
        """The sums of what ended from `start` up to `end`, exclusive, by buckets of `width` seconds
        and by the dimensions in `group`, in their order. Without a width the whole time is one
        bucket.

        Times are multiples of the width, or of an hour if there is no width or it is more than an
        hour. If nothing is stored, nothing is read and no database is made. Raises Unavailable.
        """
        if not self._store.exists:
            return []
        sql, args = statement(start, end, width, group, filter)
        rows = await (await self._store.database()).read(sql, *args)
        return [
            UsageSum(
                start=row[0],
                values=dict(zip(group, row[1:], strict=False)),
                **dict(zip(_NUMBERS, row[1 + len(group) :], strict=True)),
            )
            for row in rows
        ]


def statement(
    start: int, end: int, width: int | None, group: Sequence[str], filter: UsageFilter
) -> tuple[str, list[Value]]:
    """The SQL of sums, and its arguments. The names in `group` are among `DIMENSIONS`."""
    assert set(group) | filter.only.keys() <= {*DIMENSIONS}
    single = width is not None and width < HOUR
    table, time = ("usage_records", "at") if single else ("usage_hours", "hour")
    args: list[Value] = [start, end]
    conditions = [f"{time} >= $1", f"{time} < $2"]
    for name, values in filter.only.items():
        conditions.append(f"{name} in ({', '.join(_add(args, value) for value in values)})")
    if filter.batch is not None:
        conditions.append(f"origin {'=' if filter.batch else '<>'} 'batch'")
    bucket = "$1" if width is None else f"{time} / {_add(args, width)} * {_add(args, width)}"
    columns = [f"cast({bucket} as bigint)", *group]
    numbers = [_sum(name, _OF_RECORDS.get(name, name) if single else name) for name in _NUMBERS]
    by = ", ".join(str(number) for number in range(1, len(columns) + 1))
    return (
        f"select {', '.join([*columns, *numbers])} from {table} "
        f"where {' and '.join(conditions)} group by {by} order by {by}"
    ), args


def _sum(name: str, expression: str) -> str:
    real = name.endswith(("seconds", "cost"))
    return f"cast(sum({expression}) as {'double precision' if real else 'bigint'})"


def _add(args: list[Value], value: Value) -> str:
    args.append(value)
    return f"${len(args)}"
