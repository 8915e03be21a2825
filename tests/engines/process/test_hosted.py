"""An engine in a worker process: cancelling, dying, failing, cleaning up."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, Any

import msgspec
import psutil
import pytest

from openedai import errors
from openedai.contract.embed import EmbedRequest
from openedai.contract.engine import Embedder, Generator
from openedai.contract.generate import GenerateRequest, Sampling, Text, TextDelta
from openedai.contract.images import ImageRequest
from openedai.contract.speak import SpeakRequest
from openedai.contract.transcribe import TranscribeRequest
from openedai.engines.load import load_engine
from openedai.engines.process.child import Child
from openedai.engines.process.connection import Connection, pack
from openedai.engines.process.hosted import Hosted
from openedai.engines.process.inbox import HOLD_AT
from openedai.engines.process.messages import (
    Cancel,
    Close,
    Command,
    Events,
    Failure,
    Hold,
    Ping,
    Pong,
    Release,
    Result,
    StartCall,
)
from openedai.engines.process.running import RunningProcess
from openedai.engines.process.watchdog import SilenceLimits
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


@dataclass
class PlayedWorker:
    """An engine whose worker is the test: it reads what the engine sends, and answers.

    The process of `child` ends when `stdin` is closed.
    """

    engine: Hosted
    child: Child
    connection: Connection
    stdin: IO[bytes]

    async def command(self) -> Command:
        body = await self.connection.frame()
        assert body is not None
        command: Command = msgspec.msgpack.decode(body, type=Command)
        return command

    async def started(self) -> int:
        """The id of the call that the engine starts."""
        command = await self.command()
        assert isinstance(command, StartCall)
        return command.id


def a_process() -> Popen[bytes]:
    return Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=PIPE, stderr=PIPE)


@asynccontextmanager
async def played_worker(limits: SilenceLimits | None = None) -> AsyncIterator[PlayedWorker]:
    ours, theirs = socket.socketpair()
    process = a_process()
    assert process.stdin is not None
    child = Child(await RunningProcess.of(process), await Connection.over(ours))
    played = PlayedWorker(
        Hosted("m", child, 1, limits), child, await Connection.over(theirs), process.stdin
    )
    try:
        yield played
    finally:
        played.connection.close()
        process.stdin.close()
        process.kill()
        await played.engine.close()


def test_a_cancelled_call_is_cancelled_in_the_worker() -> None:
    async def go() -> None:
        async with played_worker() as played:
            engine = played.engine
            for coroutine in (anext(engine.generate(LONG)), engine.embed(INPUT)):
                task = asyncio.ensure_future(coroutine)
                number = await played.started()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await played.command() == Cancel(id=number)

    asyncio.run(go())


def test_a_call_whose_events_nobody_takes_is_held() -> None:
    text = TextDelta(text="x" * 1000)

    async def go() -> None:
        async with played_worker() as played, aclosing(played.engine.generate(LONG)) as events:
            reading = asyncio.ensure_future(anext(events))
            number = await played.started()
            frame = pack(Events(id=number, events=(text,)))
            sent = HOLD_AT // len(frame) + 2
            for _ in range(sent):
                played.connection.send(frame)
            played.connection.send(pack(Result(id=number)))
            assert await reading == text
            assert await played.command() == Hold(id=number)
            assert [event async for event in events] == [text] * (sent - 1)
            assert await played.command() == Release(id=number)

    asyncio.run(go())


SHORT = 0.05  # seconds
LONG_ENOUGH = 1e6


async def pings(played: PlayedWorker, progress: Callable[[int], int], most: int) -> int:
    """Answer that many pings, or as many as come; returns how many came."""
    for number in range(most):
        body = await played.connection.frame()
        while body is not None and msgspec.msgpack.decode(body, type=Command) != Ping():
            body = await played.connection.frame()
        if body is None:
            return number
        played.connection.send(pack(Pong(progress=progress(number))))
    return most


def test_a_worker_that_answers_no_ping_is_killed_and_every_call_fails() -> None:
    async def go() -> None:
        async with played_worker(SilenceLimits(ping=SHORT, progress=LONG_ENOUGH)) as played:
            calls: list[Coroutine[Any, Any, Any]] = [
                anext(played.engine.generate(LONG)),
                played.engine.embed(INPUT),
                played.engine.tokenize("x"),
                anext(played.engine.transcribe(TranscribeRequest(path="x", file_name="x"))),
                anext(played.engine.speak(SpeakRequest(text="x", voice="x"))),
                anext(played.engine.make_images(ImageRequest(prompt="x"))),
            ]
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(error) for error in found} == {EngineCrashed}
            assert not played.engine.alive()
            await played.engine.died()
            await played.child.wait()

    asyncio.run(go())


def test_a_worker_that_answers_pings_and_makes_no_progress_is_killed() -> None:
    async def go() -> None:
        async with played_worker(SilenceLimits(ping=LONG_ENOUGH, progress=SHORT)) as played:
            reading = asyncio.ensure_future(anext(played.engine.generate(LONG)))
            assert await pings(played, lambda number: 7, 100) < 100
            with pytest.raises(EngineCrashed):
                await reading

    asyncio.run(go())


def test_a_slow_worker_that_makes_progress_lives() -> None:
    async def go() -> None:
        async with played_worker(SilenceLimits(ping=60, progress=SHORT)) as played:
            reading = asyncio.ensure_future(anext(played.engine.generate(LONG)))
            assert await pings(played, lambda number: number + 1, 100) == 100
            assert not reading.done()
            reading.cancel()

    asyncio.run(go())


def test_a_client_that_leaves_before_the_limit_does_not_save_a_hung_worker() -> None:
    async def go() -> None:
        async with played_worker(SilenceLimits(ping=LONG_ENOUGH, progress=SHORT)) as played:
            calls = 0
            while played.engine.alive():
                with suppress(TimeoutError, EngineCrashed):
                    await asyncio.wait_for(anext(played.engine.generate(LONG)), SHORT / 4)
                calls += 1
            assert calls > 2

    asyncio.run(go())


def test_a_held_call_does_not_hold_others() -> None:
    async def scenario(engine: Hosted) -> None:
        async with aclosing(engine.generate(LONG)) as held:
            taken = [await anext(held)]
            for _ in range(2):
                others = [event async for event in engine.generate(LONG)]
            taken += [event async for event in held]
        assert taken == others

    with_worker(scenario, repeat=5, context=10_000)


def test_closing_asks_the_worker_and_waits_for_its_end() -> None:
    async def go() -> None:
        async with played_worker() as played:
            closing = asyncio.ensure_future(played.engine.close())
            assert await played.command() == Close()
            assert not played.engine.alive()
            assert not closing.done()
            played.stdin.close()
            await closing
            assert played.child.process.returncode == 0

    asyncio.run(go())


def test_a_cancelled_close_ends_the_worker() -> None:
    async def scenario(engine: Hosted, child: psutil.Process) -> None:
        child.suspend()
        closing = asyncio.ensure_future(engine.close())
        await until(lambda: not engine.alive())
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert not child.is_running()

    with_child(scenario)


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
        engine.close_timeout = 0.01
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
        async with played_worker() as played:
            assert played.engine.alive()
            played.child.connection.abort()
            assert not played.engine.alive()
            with pytest.raises(EngineCrashed):
                await played.engine.embed(INPUT)

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


def test_a_load_that_does_nothing_is_ended(children: Children) -> None:
    async def go() -> None:
        options = {"worker": True, "load_delay": 600}
        limits = SilenceLimits(load=1.0)
        with pytest.raises(EngineFailed) as caught:
            await load_engine("echo", "m", None, options, limits=limits)
        assert caught.value.code == "engine_crashed"
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


@pytest.mark.parametrize("odd", [{"seed": 10**30}, {"logit_bias": ((2**64, 1.0),)}], ids=str)
def test_what_no_frame_can_hold_is_refused(odd: dict[str, Any]) -> None:
    async def scenario(engine: Hosted) -> None:
        for prompt in ("hi", "\ud800"):
            sampling = Sampling(**odd) if prompt == "hi" else Sampling()
            request = GenerateRequest(prompt=Text(text=prompt), sampling=sampling)
            with pytest.raises(errors.InvalidRequest):
                await anext(engine.generate(request))
        assert await engine.tokenize("hi")

    with_worker(scenario)
