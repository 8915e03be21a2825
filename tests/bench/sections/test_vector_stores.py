"""The section of vector stores, with few chunks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from bench.figures import SUBJECT
from bench.load.client import LoadError
from bench.scale import QUICK
from bench.sections.vector_stores.inputs import DIMENSIONS, queries, write_inputs
from bench.sections.vector_stores.search_peer import BOTH, Searching, _searches
from bench.sections.vector_stores.searches import searches
from bench.sections.vector_stores.section import _added_in, _texts, measure
from tests.support import ServerThread, echo_settings

TINY = replace(QUICK, rounds=2, store_searches=3)


def test_searches_of_a_process(tmp_path: Path) -> None:
    versions: dict[str, str] = {}
    figures = asyncio.run(searches(100, TINY, tmp_path, versions=versions))
    assert len({figure.case for figure in figures}) == len(figures) == 6
    for figure in figures:
        assert len(figure.values[SUBJECT]) == 2
        assert all(value > 0 for value in figure.values[SUBJECT])
    bounds = {figure.unit: figure.budget for figure in figures if figure.budget is not None}
    assert bounds.keys() == {"s", "MB"}  # none of the processor, for so few chunks
    assert "openedai: numpy" in versions


def test_the_inputs_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_inputs(tmp_path / name, 5)
    for name in ("texts.json", "vectors.npy"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    first, other = queries(2, 0), queries(2, 1)
    assert first == queries(2, 0) != other
    assert len(first[0]["vector"]) == DIMENSIONS
    assert first[0]["text"].endswith("?")


def test_searches_stop_when_the_time_is_up(tmp_path: Path) -> None:
    """After one that is measured, at least."""
    asked: list[str] = []

    class Library:
        def open(self, folder: Path, way: str, dimensions: int) -> Searching:
            return lambda text, vector: asked.append(text)

    searched = queries(3, 0)
    for seconds, count in ((0, 2), (60, 3)):
        asked.clear()
        question = {"queries": searched, "way": BOTH, "seconds": seconds}
        found = _searches(Library(), tmp_path, question)
        assert asked == [query["text"] for query in searched[:count]]
        assert found.keys() == {"first", "milliseconds", "memory"}


def test_parts_of_the_section() -> None:
    stores = QUICK.with_stores([300, 5000], 4)
    assert (stores.store_chunks, stores.store_files) == ((300, 5000), 4)
    assert QUICK.with_stores(None, None) == QUICK
    nothing = QUICK.with_stores([0], 0)
    assert asyncio.run(measure(nothing)) == []


def test_files_are_added(tmp_path: Path) -> None:
    async def added(url: str, store: dict[str, object]) -> float:
        async with aiohttp.ClientSession() as session:
            return await _added_in(session, f"{url}/v1", _texts(3, "a"), store)

    with ServerThread(echo_settings(data=tmp_path)) as running:
        assert asyncio.run(added(running.url, {"embedding_model": "echo"})) > 0
        with pytest.raises(LoadError, match="no-model"):
            asyncio.run(added(running.url, {"embedding_model": "no-model"}))
