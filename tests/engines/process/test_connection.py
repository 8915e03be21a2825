"""Frames over a socket pair: splitting, writing together, waiting for the other side."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.process.connection import Connection, FrameSplitter, pack


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Connection, Connection]]:
    one, other = [await Connection.over(end) for end in socket.socketpair()]
    try:
        yield one, other
    finally:
        for connection in (one, other):
            connection.abort()
            await connection.closed


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False


@given(st.lists(st.binary(max_size=300), max_size=20), st.data())
def test_frames_survive_any_splitting(bodies: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))
    splitter = FrameSplitter()
    parts = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert [body for part in parts for body in splitter.feed(part)] == bodies


def test_a_cut_frame_is_an_end() -> None:
    async def go() -> None:
        async with connected() as (one, other):
            one.send(pack("something"))
            one.send(pack("more")[:-1])
            one.close()
            body = await other.frame()
            assert body is not None
            assert msgspec.msgpack.decode(body) == "something"
            assert await other.frame() is None

    asyncio.run(go())


def test_what_is_sent_in_one_iteration_is_written_at_once() -> None:
    async def go() -> None:
        transport, connection = Transport(), Connection()
        connection.connection_made(transport)
        for number in range(3):
            connection.send(pack(number))
        assert transport.written == []
        await asyncio.sleep(0)
        assert transport.written == [b"".join(map(pack, range(3)))]
        connection.send(pack(3))
        await asyncio.sleep(0)
        assert transport.written[1:] == [pack(3)]

    asyncio.run(go())


def test_much_is_written_before_the_iteration_ends() -> None:
    async def go() -> None:
        transport, connection = Transport(), Connection()
        connection.connection_made(transport)
        frame = pack(bytes(1000))
        for _ in range(1000):
            connection.send(frame)
        unwritten = 1000 * len(frame) - sum(map(len, transport.written))
        assert 0 <= unwritten < 100_000

    asyncio.run(go())


def test_writing_waits_for_the_other_side() -> None:
    async def go() -> None:
        async with connected() as (one, other):
            waiting = asyncio.ensure_future(one.writable())
            await waiting
            frame = pack(bytes(100_000))
            for _ in range(100):
                one.send(frame)
            waiting = asyncio.ensure_future(one.writable())
            await asyncio.sleep(0)
            assert not waiting.done()
            for _ in range(100):
                assert await other.frame() == frame[4:]
            await waiting

    asyncio.run(go())


def test_frames_that_came_early_are_received() -> None:
    async def go() -> None:
        async with connected() as (one, other):
            for number in range(3):
                one.send(pack(number))
            first = await other.frame()
            received = [first]
            other.receive_with(received.append)
            one.send(pack(3))
            one.close()
            await other.closed
            assert received == [pack(number)[4:] for number in range(4)]

    asyncio.run(go())


def test_nothing_is_sent_once_it_is_closed() -> None:
    async def go() -> None:
        async with connected() as (one, other):
            one.send(pack(1))
            one.close()
            one.send(pack(2))
            await one.closed
            assert await other.frame() == pack(1)[4:]
            assert await other.frame() is None

    asyncio.run(go())
