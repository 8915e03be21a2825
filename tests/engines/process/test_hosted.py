"""An engine in a worker process: cancelling, dying, failing, cleaning up."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai import errors
from openedai.contract.embed import EmbedRequest
from openedai.contract.engine import Embedder, Generator
from openedai.contract.generate import GenerateRequest, Text
from openedai.engines.load import load_engine
from openedai.engines.process.child import Child, Failure, pack, read_frame
from openedai.engines.process.hosted import Hosted
from openedai.engines.process.worker import Cancel, StartCall
from openedai.errors import (
    PARAM,
    APIError,
    EngineCrashed,
    EngineFailed,
    InvalidRequest,
    Unsupported,
)
from tests.children import Children, until

LONG = GenerateRequest(prompt=Text(text="word " * 1000))
INPUT = EmbedRequest(inputs=(Text(text="x"),))


@pytest.fixture(name="children")
def _children() -> Children:
    return Children()


def with_worker(scenario: Callable[[Hosted], Coroutine[Any, Any, None]], **options: object) -> None:
    with_child(lambda engine, child: scenario(engine), **options)


def with_child(
    scenario: Callable[[Hosted, psutil.Process], Coroutine[Any, Any, None]], **options: object
) -> None:
    children = Children()

    async def go() -> None:
        engine = await Hosted.start("echo", "m", None, options)
        (child,) = children.new()
        try:
            await scenario(engine, child)
        finally:
            await engine.close()
        assert not children.new()

    asyncio.run(go())


@asynccontextmanager
async def played_worker() -> AsyncIterator[tuple[Hosted, Child, asyncio.StreamReader]]:
    """An engine whose worker is played by the test, which reads what the engine sends."""
    ours, theirs = socket.socketpair()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=PIPE)
    child = Child(process, *await asyncio.open_unix_connection(sock=ours))
    reader, writer = await asyncio.open_unix_connection(sock=theirs)
    engine = Hosted("m", child, slots=1)
    try:
        yield engine, child, reader
    finally:
        writer.close()
        process.kill()
        await engine.close()


def test_a_cancelled_call_is_cancelled_in_the_worker() -> None:
    async def go() -> None:
        async with played_worker() as (engine, _, reader):

            async def frame() -> StartCall | Cancel:
                body = await read_frame(reader)
                assert body is not None
                return msgspec.msgpack.decode(body, type=StartCall | Cancel)

            for coroutine in (anext(engine.generate(LONG)), engine.embed(INPUT)):
                task = asyncio.ensure_future(coroutine)
                started = await frame()
                assert isinstance(started, StartCall)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await frame() == Cancel(id=started.id)

    asyncio.run(go())


def test_a_worker_goes_on_after_cancelled_calls() -> None:
    async def scenario(engine: Hosted) -> None:
        for _ in range(20):
            async with aclosing(engine.generate(LONG)) as events:
                await anext(events)
        assert (await engine.embed(INPUT)).prompt_tokens == 1

    with_worker(scenario, delay=0.01)


def test_a_worker_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    before = psutil.Process().num_fds()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/nonexistent/python")
        with pytest.raises(EngineFailed, match=r"worker process could not be started: .*No such"):
            asyncio.run(Hosted.start("echo", "m", None, {}))
    assert psutil.Process().num_fds() == before


def test_a_stuck_worker_is_killed() -> None:
    async def scenario(engine: Hosted, child: psutil.Process) -> None:
        child.suspend()
        await engine.close()
        assert not child.is_running()
        assert engine.memory() == 0

    with_child(scenario)


def test_every_call_fails_when_the_worker_is_killed() -> None:
    async def scenario(engine: Hosted, child: psutil.Process) -> None:
        async def read() -> None:
            async for _ in engine.generate(LONG):
                pass

        readers = [asyncio.create_task(read()) for _ in range(8)]
        embedding = asyncio.create_task(engine.embed(INPUT))
        child.kill()
        await engine.died()
        found = await asyncio.gather(*readers, embedding, return_exceptions=True)
        assert {type(error) for error in found} == {EngineCrashed}
        with pytest.raises(EngineCrashed):
            await read()

    with_child(scenario, delay=10)


def test_a_reported_crash_ends_the_engine_at_once() -> None:
    async def scenario(engine: Hosted) -> None:
        with pytest.raises(EngineCrashed):
            await anext(engine.generate(LONG))
        assert not engine.alive()
        await engine.died()

    with_worker(scenario, crash_after=0)


def test_a_lost_connection_is_an_end_at_once() -> None:
    async def go() -> None:
        async with played_worker() as (engine, child, _):
            assert engine.alive()
            child.writer.transport.abort()
            assert not engine.alive()
            with pytest.raises(EngineCrashed):
                await engine.embed(INPUT)

    asyncio.run(go())


def test_errors_keep_their_class() -> None:
    async def scenario(engine: Hosted) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await engine.embed(EmbedRequest(inputs=(Text(text="x"),), dimensions=99))
        assert caught.value.param == "dimensions"

    with_worker(scenario)


def test_a_failed_load_leaves_nothing(children: Children) -> None:
    async def go() -> None:
        with pytest.raises(EngineFailed, match="no good"):
            await load_engine("echo", "m", None, {"worker": True, "load_error": "no good"})
        assert not children.new()

    asyncio.run(go())


def test_a_cancelled_load_leaves_nothing(children: Children) -> None:
    async def go() -> None:
        load = asyncio.create_task(
            load_engine("echo", "m", None, {"worker": True, "load_delay": 60})
        )
        await until(lambda: bool(children.new()))
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        assert not children.new()

    asyncio.run(go())


def test_hosted_engines_have_every_capability() -> None:
    assert issubclass(Hosted, Generator)
    assert issubclass(Hosted, Embedder)


@pytest.mark.real
def test_a_cancelled_load_of_llama_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smollm2_path: Path, children: Children
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def go() -> None:
        load = asyncio.create_task(load_engine("llama_cpp", "m", smollm2_path, {"slots": 1}))
        await until(lambda: bool(children.new()))
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        assert not children.new()

    asyncio.run(go())
    assert list(tmp_path.iterdir()) == []


def every_error(root: type[APIError]) -> list[type[APIError]]:
    return [root, *(kind for sub in root.__subclasses__() for kind in every_error(sub))]


@pytest.mark.parametrize("kind", every_error(APIError))
def test_every_error_survives_the_socket(kind: type[APIError]) -> None:
    error = kind.__new__(kind)
    APIError.__init__(error, "why", code="c", param="p", retry_after=2.5)
    sent = msgspec.msgpack.encode(Failure.of(error))
    back = msgspec.msgpack.decode(sent, type=Failure).error()
    assert type(back) is kind
    assert (back.message, back.code, back.param, back.retry_after) == ("why", "c", "p", 2.5)


def test_the_parameter_of_an_error_can_be_renamed_after_the_socket() -> None:
    failure = Failure.of(Unsupported(f"No '{PARAM}'.", param="reasoning_effort"))
    back = failure.error().renamed({"reasoning_effort": "think"})
    assert (type(back), back.message, back.param) == (Unsupported, "No 'think'.", "think")


def test_other_exceptions_become_engine_failures() -> None:
    back = Failure.of(ZeroDivisionError("oops")).error()
    assert type(back) is errors.EngineFailed
    assert "oops" in back.message


@given(st.lists(st.binary(max_size=300), max_size=20), st.data())
def test_frames_survive_any_splitting(bodies: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))

    async def go() -> None:
        reader = asyncio.StreamReader()
        for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
            reader.feed_data(wire[start:end])
        reader.feed_eof()
        assert [await read_frame(reader) for _ in bodies] == bodies
        assert await read_frame(reader) is None

    asyncio.run(go())


def test_a_cut_frame_is_an_end() -> None:
    async def go() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(pack("something")[:-1])
        reader.feed_eof()
        assert await read_frame(reader) is None

    asyncio.run(go())
