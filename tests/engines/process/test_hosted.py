"""An engine in a worker process: cancelling, dying, failing, cleaning up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
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
from openedai.engines.process.child import Failure, pack, read_frame
from openedai.engines.process.hosted import Hosted, load_engine
from openedai.errors import (
    PARAM,
    APIError,
    EngineCrashed,
    EngineFailed,
    InvalidRequest,
    Unsupported,
)

LONG = GenerateRequest(prompt=Text(text="word " * 1000))


class Children:
    """The child processes that a test started; servers that tests share have their own."""

    def __init__(self) -> None:
        self.before = set(psutil.Process().children())

    def new(self) -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if child not in self.before]


@pytest.fixture(name="children")
def _children() -> Children:
    return Children()


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110 - nothing else tells of another process
            await asyncio.sleep(0.01)


def with_worker(scenario: Callable[[Hosted], Coroutine[Any, Any, None]], **options: object) -> None:
    children = Children()

    async def go() -> None:
        engine = await Hosted.start("echo", "m", None, options)
        try:
            await scenario(engine)
        finally:
            await engine.close()
        assert not children.new()

    asyncio.run(go())


def test_cancelled_calls_end_in_the_worker() -> None:
    """With one slot's worth of patience: a second call is answered while the first is given up."""

    async def scenario(engine: Hosted) -> None:
        for _ in range(20):
            async with aclosing(engine.generate(LONG)) as events:
                await anext(events)
        task = asyncio.create_task(engine.embed(EmbedRequest(inputs=(Text(text="x"),))))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engine._answers == {}

    with_worker(scenario, delay=0.01)


def test_every_call_hears_of_the_end() -> None:
    async def scenario(engine: Hosted) -> None:
        async def read() -> None:
            async for _ in engine.generate(LONG):
                pass

        readers = [asyncio.create_task(read()) for _ in range(8)]
        embedding = asyncio.create_task(engine.embed(EmbedRequest(inputs=(Text(text="x"),))))
        psutil.Process(engine._child.process.pid).kill()
        await engine.died()
        found = await asyncio.gather(*readers, embedding, return_exceptions=True)
        assert {type(error) for error in found} == {EngineCrashed}
        with pytest.raises(EngineCrashed):
            await read()

    with_worker(scenario, delay=10)


def test_a_crash_that_was_told_is_an_end_at_once() -> None:
    async def scenario(engine: Hosted) -> None:
        with pytest.raises(EngineCrashed):
            await anext(engine.generate(LONG))
        assert not engine.alive()
        await engine.died()

    with_worker(scenario, crash_after=0)


def test_a_lost_connection_is_an_end_at_once() -> None:
    async def scenario(engine: Hosted) -> None:
        async with aclosing(engine.generate(LONG)) as events:
            await anext(events)
            engine._child.writer.transport.abort()
            assert not engine.alive()
        with pytest.raises(EngineCrashed):
            await engine.embed(EmbedRequest(inputs=(Text(text="x"),)))

    with_worker(scenario, delay=0.01)


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
