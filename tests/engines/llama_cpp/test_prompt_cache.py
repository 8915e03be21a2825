"""Prompts that are kept on disk after an unload."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.generate import GenerateRequest, Sampling, Text
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.llama_cpp.prefixes import Prefixes
from openedai.engines.llama_cpp.prompt_cache import PromptCache
from openedai.errors import EngineFailed
from tests.engines.llama_cpp.fake_context import FakeContext
from tests.events import collect, finish_of

LONG = "A long story about many small things. " * 40


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"weights")
    return path


def opened(tmp_path: Path, weights: Path, slots: int = 2) -> PromptCache:
    return PromptCache.open(str(tmp_path / "kept"), "owner/m", weights, slots, "b1")


def filled(*contents: list[int]) -> tuple[Prefixes, FakeContext]:
    """Slots with these keys."""
    context = FakeContext(len(contents))
    prefixes = Prefixes(context, len(contents), 0)
    for slot, keys in zip(prefixes.slots(), contents, strict=True):
        context.slots[slot.number] = list(keys)
        prefixes.release(slot, keys)
    return prefixes, context


def kept(cache: PromptCache) -> int:
    return len(list(cache.folder.iterdir()))


def test_slots_are_restored_once(tmp_path: Path, weights: Path) -> None:
    cache = opened(tmp_path, weights, slots=3)
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    cache.save(filled([1], [], [3, 4])[0])
    assert kept(cache) == 2

    prefixes, context = filled([], [], [])
    opened(tmp_path, weights, slots=3).restore(prefixes)
    assert list(context.slots.values()) == [[1], [], [3, 4]]
    assert [slot.keys for slot in prefixes.slots()] == [[1], [], [3, 4]]
    assert kept(cache) == 0


def test_other_weights_do_not_get_them(tmp_path: Path, weights: Path) -> None:
    cache = opened(tmp_path, weights)
    (cache.folder / "notes.txt").write_text("of the user")
    cache.save(filled([1], [2])[0])
    assert kept(cache) == 3
    weights.write_bytes(b"other weights")
    prefixes, context = filled([], [])
    cache = opened(tmp_path, weights)
    assert [file.name for file in cache.folder.iterdir()] == ["notes.txt"]
    cache.restore(prefixes)
    assert list(context.slots.values()) == [[], []]


def test_fewer_slots_leave_no_files_behind(tmp_path: Path, weights: Path) -> None:
    cache = opened(tmp_path, weights)
    cache.save(filled([1], [2])[0])
    assert kept(opened(tmp_path, weights, slots=1)) == 1


def test_a_broken_file_is_dropped(
    tmp_path: Path, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = opened(tmp_path, weights)
    cache.save(filled([1], [2])[0])
    first, _ = sorted(cache.folder.iterdir())
    first.write_bytes(b"\xc1 is no msgpack")
    prefixes, context = filled([], [])
    cache.restore(prefixes)
    assert list(context.slots.values()) == [[], [2]]
    assert kept(cache) == 0
    assert "of no use" in caplog.text


def test_a_folder_that_is_gone_does_not_stop_an_unload(
    tmp_path: Path, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = opened(tmp_path, weights)
    cache.folder.rmdir()
    cache.save(filled([1], [2])[0])
    assert caplog.text.count("could not be kept") == 2


def test_a_folder_that_cannot_be_made(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(EngineFailed, match="`m`"):
        PromptCache.open(str(weights), "m", weights, 1, "b1")


async def cached_tokens(path: Path, options: dict[str, Any], question: str) -> int:
    engine = await LlamaCpp.load("m", path, {"slots": 1, "context": 1024, **options})
    try:
        request = GenerateRequest(
            prompt=Text(text=LONG + question), sampling=Sampling(temperature=0.0), max_tokens=2
        )
        return finish_of(await collect(engine, request)).usage.cached_tokens
    finally:
        await engine.close()


@pytest.mark.real
def test_a_prompt_is_still_cached_after_a_reload(smollm2_path: Path, tmp_path: Path) -> None:
    options = {"prompt_cache": str(tmp_path / "kept")}

    async def go() -> None:
        assert await cached_tokens(smollm2_path, options, "First") == 0
        assert await cached_tokens(smollm2_path, {}, "Second") == 0
        assert await cached_tokens(smollm2_path, options, "Third") > 300

    asyncio.run(go())


@pytest.mark.real
def test_a_damaged_file_does_not_stop_a_load(smollm2_path: Path, tmp_path: Path) -> None:
    options = {"prompt_cache": str(tmp_path)}
    asyncio.run(cached_tokens(smollm2_path, options, "First"))
    (file,) = tmp_path.rglob("*.slot")
    file.write_bytes(file.read_bytes()[:5000])
    assert asyncio.run(cached_tokens(smollm2_path, options, "Second")) == 0
