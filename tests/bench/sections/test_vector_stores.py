"""The section of vector stores, with few chunks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp

from bench.figures import SUBJECT
from bench.scale import QUICK
from bench.sections.vector_stores import _added_in, _searches, _texts
from tests.support import ServerThread, echo_settings

TINY = replace(QUICK, rounds=2, store_searches=3)


def test_searches_of_a_process() -> None:
    spent, first = asyncio.run(_searches(100, TINY))
    assert len(spent.values[SUBJECT]) == len(first.values[SUBJECT]) == 2
    assert all(value > 0 for value in [*spent.values[SUBJECT], *first.values[SUBJECT]])
    assert spent.budget is None
    assert first.budget is not None


def test_files_are_added(tmp_path: Path) -> None:
    async def added(url: str) -> float:
        async with aiohttp.ClientSession() as session:
            return await _added_in(session, f"{url}/v1", _texts(3, "a"))

    with ServerThread(echo_settings(data=tmp_path)) as running:
        assert asyncio.run(added(running.url)) > 0
