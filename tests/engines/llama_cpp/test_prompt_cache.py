"""Prompts that are kept on disk after an unload."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.generate import GenerateRequest, Sampling, Text
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.llama_cpp.prompt_cache import PromptCache
from openedai.engines.llama_cpp.server.api import LlamaApi
from openedai.engines.llama_cpp.server.client import UnixClient
from openedai.errors import EngineFailed
from tests.events import collect, finish_of

LONG = "A long story about many small things. " * 40


class Slots(LlamaApi):
    """A server that saves and restores the texts of its slots; one of them can be broken."""

    def __init__(self, folder: Path, texts: list[str], broken: int | None = None) -> None:
        super().__init__("m", UnixClient(folder / "no.sock", ""))
        self.folder = folder
        self.texts = texts
        self.broken = broken

    async def call(self, method: str, path: str, body: Any = None, param: str = "prompt") -> Any:
        slot, _, action = path.removeprefix("/slots/").partition("?action=")
        file = self.folder / body["filename"]
        if int(slot) == self.broken:
            raise EngineFailed("this slot is broken")
        if action == "save":
            file.write_text(self.texts[int(slot)])
        else:
            self.texts[int(slot)] = file.read_text()
        return {f"n_{action}d": len(self.texts[int(slot)])}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"weights")
    return path


def opened(tmp_path: Path, weights: Path, slots: int = 2) -> PromptCache:
    return PromptCache.open(str(tmp_path / "kept"), "owner/m", weights, slots)


def kept(cache: PromptCache) -> list[str]:
    return sorted(file.read_text() for file in cache.folder.iterdir())


def test_slots_are_restored_once(tmp_path: Path, weights: Path) -> None:
    async def go() -> None:
        cache = opened(tmp_path, weights, slots=3)
        assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
        await cache.save(Slots(cache.folder, ["one", "", "three"]))
        assert kept(cache) == ["one", "three"]

        api = Slots(cache.folder, ["", "", ""])
        await opened(tmp_path, weights, slots=3).restore(api)
        assert api.texts == ["one", "", "three"]
        assert kept(cache) == []

    asyncio.run(go())


def test_other_weights_do_not_get_them(tmp_path: Path, weights: Path) -> None:
    cache = opened(tmp_path, weights)
    (cache.folder / "notes.txt").write_text("of the user")
    asyncio.run(cache.save(Slots(cache.folder, ["one", "two"])))
    weights.write_bytes(b"other weights")
    api = Slots(cache.folder, ["", ""])
    cache = opened(tmp_path, weights)
    assert kept(cache) == ["of the user"]
    asyncio.run(cache.restore(api))
    assert api.texts == ["", ""]


def test_fewer_slots_leave_no_files_behind(tmp_path: Path, weights: Path) -> None:
    cache = opened(tmp_path, weights)
    asyncio.run(cache.save(Slots(cache.folder, ["one", "two"])))
    assert kept(opened(tmp_path, weights, slots=1)) == ["one"]


def test_a_broken_file_is_dropped(
    tmp_path: Path, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def go() -> None:
        cache = opened(tmp_path, weights)
        await cache.save(Slots(cache.folder, ["one", "two"]))
        api = Slots(cache.folder, ["", ""], broken=0)
        await cache.restore(api)
        assert api.texts == ["", "two"]
        assert kept(cache) == []

    asyncio.run(go())
    assert "this slot is broken" in caplog.text


def test_a_save_that_fails_leaves_nothing_half_done(tmp_path: Path, weights: Path) -> None:
    cache = opened(tmp_path, weights)
    asyncio.run(cache.save(Slots(cache.folder, ["one", "two"], broken=1)))
    assert kept(cache) == ["one"]


def test_a_folder_that_cannot_be_made(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(EngineFailed, match="`m`"):
        PromptCache.open(str(weights), "m", weights, 1)


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
@pytest.mark.parametrize("native", [False, True], ids=["wheel", "native"])
def test_a_prompt_is_still_cached_after_a_reload(
    native: bool, smollm2_path: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("native_server") if native else "wheel"
    options = {"prompt_cache": str(tmp_path / "kept"), "server": server}

    async def go() -> None:
        assert await cached_tokens(smollm2_path, options, "First") == 0
        assert await cached_tokens(smollm2_path, {"server": server}, "Second") == 0
        assert await cached_tokens(smollm2_path, options, "Third") > 300

    asyncio.run(go())


@pytest.mark.real
def test_a_damaged_file_does_not_stop_a_load(smollm2_path: Path, tmp_path: Path) -> None:
    options = {"prompt_cache": str(tmp_path), "server": "wheel"}

    asyncio.run(cached_tokens(smollm2_path, options, "First"))
    (file,) = tmp_path.rglob("*.slot")
    file.write_bytes(file.read_bytes()[:5000])
    assert asyncio.run(cached_tokens(smollm2_path, options, "Second")) == 0
