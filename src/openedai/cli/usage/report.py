"""`openedai usage`: what was used, as a table, CSV or JSON, with or without a running server."""

from __future__ import annotations

import asyncio
import csv
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openedai.cli.usage.dimensions import By
from openedai.config import ConfigError, Settings
from openedai.serving.usage.kinds import (
    CODE_SESSIONS,
    FILE_SEARCHES,
    OTHER_KINDS,
    WEB_SEARCHES,
)
from openedai.store.store import Store
from openedai.store.usage.records import HOUR
from openedai.store.usage.sums import DAY, UsageFilter, UsageSum, UsageSums
from openedai.store.vector_stores.stores import VectorStores

_DIMENSIONS = {"model": "model", "key": "key", "project": "project", "endpoint": "route"}
_UNITS = {"h": HOUR, "d": DAY, "w": 7 * DAY}
# Spreadsheets treat texts that begin with one of these as formulas.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row, as JSON. `name` is what it is of, `requests` are those to models, `cost` is in US
    dollars, `first_token_seconds` the mean time to the first token and None without any.
    `code_sessions` are containers that were made. `vector_store_bytes` are those that a project
    keeps now; None of other rows.
    """

    name: str
    requests: int
    failed: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    audio_seconds: float
    characters: int
    images: int
    bytes_in: int
    bytes_out: int
    seconds: float
    first_token_seconds: float | None
    cost: float
    file_searches: int
    web_searches: int
    code_sessions: int
    vector_store_bytes: int | None


_TITLES = {
    "requests": "REQUESTS",
    "failed": "FAILED",
    "input_tokens": "INPUT",
    "cached_tokens": "CACHED",
    "output_tokens": "OUTPUT",
    "reasoning_tokens": "REASONING",
    "audio_seconds": "AUDIO S",
    "characters": "CHARACTERS",
    "images": "IMAGES",
    "first_token_seconds": "FIRST TOKEN S",
    "cost": "COST $",
    "file_searches": "FILE SEARCHES",
    "web_searches": "WEB SEARCHES",
    "code_sessions": "CODE SESSIONS",
    "vector_store_bytes": "STORE BYTES",
}


def start_of(since: str, now: float) -> int:
    """The time of `24h`, `7d`, `4w` or a date, in whole hours since 1970. Raises ConfigError."""
    if match := re.fullmatch(r"(\d{1,6})([hdw])", since):
        return int(now - int(match[1]) * _UNITS[match[2]]) // HOUR * HOUR
    try:
        return int(datetime.fromisoformat(since).replace(tzinfo=UTC).timestamp()) // HOUR * HOUR
    except ValueError:
        raise ConfigError(f"--since: write 24h, 7d, 4w or 2026-01-31, not {since!r}") from None


def rows(settings: Settings, since: str, by: By, keys: Sequence[str]) -> list[UsageRow]:
    """What was used since a time. Raises ConfigError and Unavailable."""
    now = time.time()
    start, end = start_of(since, now), int(now) // HOUR * HOUR + HOUR
    width = DAY if by == "day" else None
    group = ["kind"] if by == "day" else [_DIMENSIONS[by], "kind"]
    filter = UsageFilter({"key": keys} if keys else {})
    with_stores = by == "project" and not keys
    sums, stores = asyncio.run(_read(settings, (start, end, width), group, filter, with_stores))
    found: dict[str, list[UsageSum]] = {}
    for one in sums:
        name = _day(one.start) if by == "day" else one.values[_DIMENSIONS[by]]
        found.setdefault(name, []).append(one)
    for owner in stores:
        found.setdefault(owner, [])
    names = sorted(found) if stores else found
    return [_row(name, found[name], stores.get(name, 0) if with_stores else None) for name in names]


async def _read(
    settings: Settings,
    times: tuple[int, int, int | None],
    group: list[str],
    filter: UsageFilter,
    with_stores: bool,
) -> tuple[list[UsageSum], dict[str, int]]:
    """The sums, and the bytes of the vector stores of each project."""
    database = settings.database.reveal() if settings.database else ""
    store = Store(settings.data.expanduser(), database)
    stores: dict[str, int] = {}
    try:
        for owner, _, size in await VectorStores(store).sizes() if with_stores else ():
            stores[owner] = stores.get(owner, 0) + size
        return await UsageSums(store).read(*times, group, filter), stores
    finally:
        await store.close()


def _row(name: str, sums: Sequence[UsageSum], store_bytes: int | None) -> UsageRow:
    """A row of sums by kind."""
    models = [one for one in sums if one.values["kind"] not in OTHER_KINDS]

    def total(number: str) -> Any:
        return sum(getattr(one, number) for one in models)

    def count(kind: str) -> int:
        return sum(one.requests for one in sums if one.values["kind"] == kind)

    first_tokens = total("first_tokens")
    return UsageRow(
        name=name,
        requests=total("requests"),
        failed=total("failed"),
        input_tokens=total("prompt_tokens"),
        cached_tokens=total("cached_tokens"),
        output_tokens=total("completion_tokens"),
        reasoning_tokens=total("reasoning_tokens"),
        audio_seconds=total("audio_seconds"),
        characters=total("characters"),
        images=total("images"),
        bytes_in=total("bytes_in"),
        bytes_out=total("bytes_out"),
        seconds=total("seconds"),
        first_token_seconds=total("first_token_seconds") / first_tokens if first_tokens else None,
        cost=total("cost"),
        file_searches=count(FILE_SEARCHES),
        web_searches=count(WEB_SEARCHES),
        code_sessions=count(CODE_SESSIONS),
        vector_store_bytes=store_bytes,
    )


def _day(start: int) -> str:
    return datetime.fromtimestamp(start, UTC).date().isoformat()


def as_csv(found: Sequence[UsageRow], by: By) -> str:
    """The rows as CSV, with a line of titles. Names that spreadsheets would treat as formulas get
    an apostrophe in front.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    fields = UsageRow.__struct_fields__
    writer.writerow([by, *fields[1:]])
    for row in found:
        numbers = ("" if value is None else value for value in msgspec.structs.astuple(row)[1:])
        writer.writerow([_not_a_formula(row.name), *numbers])
    return text.getvalue()


def _not_a_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text


def as_json(found: Sequence[UsageRow]) -> str:
    return msgspec.json.format(msgspec.json.encode(found)).decode()


def show(found: Sequence[UsageRow], by: By, console: Console) -> None:
    """Print a table, without columns in which nothing was counted."""
    if not found:
        console.print("No usage is recorded for this time.")
        return
    titles = {
        name: title
        for name, title in _TITLES.items()
        if name == "requests" or any(getattr(row, name) for row in found)
    }
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(by.upper(), no_wrap=True)
    for title in titles.values():
        table.add_column(title, justify="right")
    for row in found:
        table.add_row(
            escape(row.name or "(none)"), *(_cell(name, getattr(row, name)) for name in titles)
        )
    if len(found) > 1:
        sums = (
            "" if name == "first_token_seconds" else _cell(name, _sum(found, name))
            for name in titles
        )
        table.add_row("all", *sums, style="bold")
    console.print(table)


def _sum(found: Sequence[UsageRow], name: str) -> Any:
    return sum(getattr(row, name) for row in found)


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name == "cost":
        return f"{value:,.4f}"
    if name == "first_token_seconds":
        return f"{value:,.3f}"
    return f"{value:,.0f}"
