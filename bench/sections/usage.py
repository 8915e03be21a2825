"""What recording usage costs a request, and how fast the sums of many records are read."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.figures import SUBJECT, Budget, Figure
from bench.scale import Scale
from openedai.api.openai.dialect import OPENAI
from openedai.contract.generate import Usage
from openedai.http.exchange import Exchange
from openedai.serving.usage.kinds import COMPLETIONS
from openedai.serving.usage.prices import Prices
from openedai.serving.usage.recording import UsageRecording
from openedai.serving.usage.writing import UsageWriter
from openedai.store.store import Store
from openedai.store.usage.records import HOUR, UsageRecord, UsageRecords
from openedai.store.usage.sums import DAY, MINUTE, UsageSums

SECTION = "usage"
_REQUESTS = 10_000
_GROUP = 1000
_RECORDS = 1_000_000
_DAYS = 30
_NOW = 1_800_000_000 // DAY * DAY
_LIFETIME = 10.0**10


async def measure(scale: Scale) -> list[Figure]:
    """In this process, with SQLite: the record of a request, its writing, and sums of a million."""
    with tempfile.TemporaryDirectory() as folder:
        costs = [await _cost(Path(folder, str(number))) for number in range(scale.starts)]
        reads = await _reads(Path(folder, "many"))
    figures = [
        Figure(
            SECTION,
            "processor time for a request",
            "ms",
            False,
            {SUBJECT: costs},
            Budget(0.1, "at most"),
            note="its record, and its part of writing a group, in all threads",
        )
    ]
    for name, seconds in reads.items():
        note = "of a million records of 30 days, by model and project"
        figures.append(Figure(SECTION, name, "ms", False, {SUBJECT: seconds}, note=note))
    return figures


async def _cost(folder: Path) -> float:
    store = Store(folder)
    await store.database()
    writer = UsageWriter(UsageRecords(store, _LIFETIME, _RECORDS))
    recording = UsageRecording(writer, Prices({}))
    began = time.process_time()
    for number in range(_REQUESTS):
        exchange = Exchange(f"req_{number}", "POST", "/v1/chat/completions", OPENAI)
        exchange.model = "model"
        exchange.use("model", "model", COMPLETIONS).add(Usage(10, 20))
        recording.record(exchange, "/v1/chat/completions")
        if number % _GROUP == _GROUP - 1:
            await writer.flush()
    await recording.close()
    spent = time.process_time() - began
    await store.close()
    return spent / _REQUESTS * 1000


async def _reads(folder: Path) -> dict[str, list[float]]:
    """The milliseconds of reading pages of sums, with the longest that may be asked for."""
    store = Store(folder)
    records = UsageRecords(store, _LIFETIME, _RECORDS)
    for start in range(0, _RECORDS, _GROUP):
        await records.write([_record(number) for number in range(start, start + _GROUP)])
    sums = UsageSums(store)
    seconds: dict[str, list[float]] = {}
    for name, width, buckets in (
        ("31 days", DAY, 31),
        ("168 hours", HOUR, 168),
        ("1,440 minutes", MINUTE, 1440),
    ):
        for _ in range(5):
            began = time.perf_counter()
            await sums.read(_NOW - buckets * width, _NOW, width, ["model", "project"])
            seconds.setdefault(name, []).append((time.perf_counter() - began) * 1000)
    await store.close()
    return seconds


def _record(number: int) -> UsageRecord:
    return UsageRecord(
        id=f"usage_{number:07}",
        at=_NOW - _DAYS * DAY + number * _DAYS * DAY // _RECORDS,
        request=f"req_{number:032}",
        kind=COMPLETIONS,
        model=f"model-{number % 5}",
        key=f"key_{number % 20}",
        project=f"proj_{number % 10}",
        route="/v1/chat/completions",
        status=200,
        prompt_tokens=100,
        completion_tokens=20,
        seconds=0.5,
    )
