"""A worker that was started before the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from openedai.contract.generate import GenerateRequest, Text, TextDelta
from openedai.engines.load import load_engine
from openedai.engines.process.early import EarlyStart
from openedai.engines.process.hosted import Hosted
from openedai.errors import APIError
from tests.children import Children, until

Begin = Callable[..., EarlyStart]


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Begins a start of a server with these settings."""

    def make(key: str = "settings") -> EarlyStart:
        early = EarlyStart(tmp_path / "cache" / "first-load", key)
        early.begin()
        return early

    return make


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    return path


async def load(early: EarlyStart, path: Path | None, **options: object) -> Hosted:
    engine = await load_engine("echo", "echo", path, {"worker": True, **options}, early=early)
    assert isinstance(engine, Hosted)
    return engine


def first_server(begin: Begin, path: Path | None, **options: object) -> None:
    """A server that loaded the model, and ended."""

    async def go() -> None:
        early = begin()
        engine = await load(early, path, **options)
        await engine.close()
        early.end()

    asyncio.run(go())


def second_server(
    early: EarlyStart, children: Children, path: Path | None, **options: object
) -> bool:
    """Whether a server that loads the model uses its early worker."""

    async def go() -> bool:
        started = {child.pid for child in children.new()}
        engine = await load(early, path, **options)
        request = GenerateRequest(prompt=Text(text="one two"))
        events = [event async for event in engine.generate(request)]
        assert "".join(one.text for one in events if isinstance(one, TextDelta)) == "one two"
        used = {child.pid for child in children.new()} == started
        early.end()
        assert len(children.new()) == 1
        await engine.close()
        return used

    used = asyncio.run(go())
    assert not children.new()
    return used


def test_the_first_start_has_no_worker(begin: Begin) -> None:
    children = Children()
    early = begin()
    assert not children.new()
    early.end()


def test_the_same_load_is_adopted(begin: Begin, weights: Path) -> None:
    first_server(begin, weights)
    children = Children()
    early = begin()
    assert len(children.new()) == 1
    assert second_server(early, children, weights)


def test_without_weights(begin: Begin) -> None:
    first_server(begin, None)
    children = Children()
    assert second_server(begin(), children, None)


def test_other_settings_have_no_worker(begin: Begin, weights: Path) -> None:
    first_server(begin, weights)
    children = Children()
    early = begin("others")
    assert not children.new()
    early.end()


def test_other_options_are_not_adopted(begin: Begin, weights: Path) -> None:
    first_server(begin, weights)
    children = Children()
    assert not second_server(begin(), children, weights, slots=3)


def test_changed_weights_have_no_worker(begin: Begin, weights: Path) -> None:
    first_server(begin, weights)
    weights.write_bytes(b"others")
    children = Children()
    early = begin()
    assert not children.new()
    early.end()


def test_weights_that_change_later_are_not_adopted(begin: Begin, weights: Path) -> None:
    first_server(begin, weights)
    children = Children()
    early = begin()
    weights.write_bytes(b"others")
    assert not second_server(early, children, weights)


def test_files_in_a_folder_count(begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a").write_bytes(b"a")
    first_server(begin, tmp_path / "model")
    (tmp_path / "model" / "b").write_bytes(b"b")
    children = Children()
    early = begin()
    assert not children.new()
    early.end()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x81\xa1a\x01"])
def test_a_damaged_file(begin: Begin, weights: Path, tmp_path: Path, content: bytes) -> None:
    first_server(begin, weights)
    (tmp_path / "cache" / "first-load").write_bytes(content)
    children = Children()
    early = begin()
    assert not children.new()
    assert not second_server(early, children, weights)


def test_the_file_is_private(begin: Begin, weights: Path, tmp_path: Path) -> None:
    first_server(begin, weights)
    (file,) = (tmp_path / "cache").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_worker_that_is_not_needed_is_ended(begin: Begin, weights: Path) -> None:
    first_server(begin, weights)
    children = Children()
    early = begin()
    (worker,) = children.new()
    early.end()
    early.end()
    assert not worker.is_running()


def test_a_worker_that_died_is_replaced(begin: Begin, weights: Path) -> None:
    first_server(begin, weights)
    children = Children()
    early = begin()
    (worker,) = children.new()
    worker.kill()

    async def go() -> None:
        await until(lambda: worker.status() == psutil.STATUS_ZOMBIE)
        engine = await load(early, weights)
        assert [child.pid for child in children.new()] != [worker.pid]
        await engine.close()

    asyncio.run(go())
    early.end()
    assert not children.new()


def test_a_failed_load_is_not_remembered(begin: Begin, weights: Path, tmp_path: Path) -> None:
    async def go() -> None:
        with pytest.raises(APIError, match="broken"):
            await load(begin(), weights, load_error="It is broken.")

    asyncio.run(go())
    assert not (tmp_path / "cache").exists()


def test_a_cancelled_load_ends_the_worker(begin: Begin, weights: Path) -> None:
    first_server(begin, weights, load_delay=0.1)
    children = Children()
    early = begin()

    async def go() -> None:
        loading = asyncio.ensure_future(load(early, weights, load_delay=0.1))
        await asyncio.sleep(0)
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)

    asyncio.run(go())
    early.end()
    assert not children.new()


def test_a_worker_is_adopted_once(begin: Begin, weights: Path) -> None:
    first_server(begin, weights)
    children = Children()
    early = begin()

    async def go() -> None:
        one, other = await asyncio.gather(load(early, weights), load(early, weights))
        assert len(children.new()) == 2
        await one.close()
        await other.close()

    asyncio.run(go())
    assert not children.new()
