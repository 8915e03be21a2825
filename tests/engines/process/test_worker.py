"""The worker's side of calls, with the test as the parent."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from openedai.contract.engine import Generator, Tokenizer
from openedai.contract.generate import GenerateEvent, GenerateRequest, Text, TextDelta
from openedai.engines.process.connection import Connection, pack
from openedai.engines.process.messages import (
    Close,
    Command,
    Events,
    GenerateCall,
    Hold,
    Release,
    Result,
    StartCall,
    TokenizeCall,
)
from openedai.engines.process.worker import serve

GENERATE = GenerateCall(request=GenerateRequest(prompt=Text(text="")))


class Endless(Generator, Tokenizer):
    """Generates without end. `generated` counts the events of all calls."""

    def __init__(self, size: int = 1) -> None:
        self.text = "x" * size
        self.generated = 0
        self.running = 0
        self.closed = False

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        self.running += 1
        try:
            while True:
                self.generated += 1
                yield TextDelta(text=self.text)
                await asyncio.sleep(0)
        finally:
            self.running -= 1

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        return ()

    async def close(self) -> None:
        assert self.running == 0
        self.closed = True


class Parent:
    """What the parent sends and gets."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def send(self, command: Command) -> None:
        self.connection.send(pack(command))

    async def answer(self) -> Events | Result:
        body = await self.connection.frame()
        assert body is not None
        return msgspec.msgpack.decode(body, type=Events | Result)

    async def events_until_result(self, number: int) -> list[int]:
        """Start a short call with that id: the ids of the events before its result."""
        self.send(StartCall(id=number, request=TokenizeCall(text="", special=False)))
        events = []
        while isinstance(answer := await self.answer(), Events):
            events.append(answer.id)
        assert answer == Result(id=number, value=())
        return events


@asynccontextmanager
async def serving(engine: Endless) -> AsyncIterator[tuple[Parent, asyncio.Task[None]]]:
    ours, theirs = [await Connection.over(end) for end in socket.socketpair()]
    task = asyncio.create_task(serve(engine, theirs))
    try:
        yield Parent(ours), task
    finally:
        ours.send(pack(Close()))
        await task
        for connection in (ours, theirs):
            connection.abort()
            await connection.closed


def test_a_held_call_is_not_advanced_while_others_are() -> None:
    async def go() -> None:
        async with serving(Endless()) as (parent, _):
            for number in (1, 2):
                parent.send(StartCall(id=number, request=GENERATE))
            assert {(await parent.answer()).id for _ in range(4)} == {1, 2}
            parent.send(Hold(id=1))
            await parent.events_until_result(3)
            for number in range(4, 8):
                assert 1 not in await parent.events_until_result(number)
            for _ in range(3):
                assert (await parent.answer()).id == 2
            parent.send(Release(id=1))
            while (await parent.answer()).id != 1:
                pass

    asyncio.run(go())


def test_a_parent_that_does_not_read_stops_the_calls() -> None:
    async def go() -> None:
        engine = Endless(size=10_000)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(serve(engine, await Connection.over(theirs)))
        await loop.sock_sendall(ours, pack(StartCall(id=1, request=GENERATE)))
        before = -1
        while before < engine.generated:
            before = engine.generated
            for _ in range(10):
                await asyncio.sleep(0)
        while engine.generated < 2 * before:
            await loop.sock_recv(ours, 1 << 16)
        await loop.sock_sendall(ours, pack(Close()))
        await task
        ours.close()

    asyncio.run(go())


def test_commands_for_an_ended_call_are_late() -> None:
    async def go() -> None:
        async with serving(Endless()) as (parent, _):
            await parent.events_until_result(1)
            parent.send(Hold(id=1))
            parent.send(Release(id=1))
            assert await parent.events_until_result(2) == []

    asyncio.run(go())


@pytest.mark.parametrize("held", [False, True])
def test_close_cancels_the_calls_and_closes_the_engine(held: bool) -> None:
    async def go() -> None:
        engine = Endless()
        async with serving(engine) as (parent, task):
            parent.send(StartCall(id=1, request=GENERATE))
            await parent.answer()
            if held:
                parent.send(Hold(id=1))
            parent.send(Close())
            await task
            assert engine.closed

    asyncio.run(go())


def test_onnx_runtime_reports_nothing(tmp_path: Path) -> None:
    """If it did, it would keep a file with the number of its user."""
    program = (
        "from openedai.engines.process.worker import send_no_reports\n"
        "send_no_reports()\n"
        "import onnxruntime"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert list(tmp_path.iterdir()) == []


class Counting(Endless):
    """Counts to 100."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        for number in range(100):
            yield TextDelta(text=str(number))


@pytest.mark.parametrize(
    ("streamed", "wait", "sizes"),
    [(True, 1e6, {1}), (False, 1e6, {1, 64, 35}), (False, 0.0, {1})],
)
def test_events_that_nobody_waits_for_come_together(
    streamed: bool, wait: float, sizes: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the first of them would wait for long."""
    monkeypatch.setattr("openedai.engines.process.worker._LONGEST_WAIT", wait)

    async def go() -> None:
        request = GenerateRequest(prompt=Text(text=""), streamed=streamed)
        async with serving(Counting()) as (parent, _):
            parent.send(StartCall(id=1, request=GenerateCall(request=request)))
            frames = []
            while isinstance(answer := await parent.answer(), Events):
                frames.append(answer.events)
            assert answer == Result(id=1)
        numbers = [TextDelta(text=str(number)) for number in range(100)]
        assert [event for events in frames for event in events] == numbers
        assert {len(events) for events in frames} == sizes

    asyncio.run(go())
