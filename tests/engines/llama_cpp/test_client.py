"""The client for the engine's own server, against servers that say just what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openedai.engines.llama_cpp.server.client import UnixClient

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


async def _serve(
    path: Path, pieces: list[bytes], scenario: Callable[[UnixClient], Coroutine[Any, Any, None]]
) -> bytes:
    """Answer one request with `pieces`, then close; returns the request that it received."""
    received = asyncio.get_running_loop().create_future()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        received.set_result(head + await reader.readexactly(length))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async with await asyncio.start_unix_server(handle, path):
        await scenario(UnixClient(path, "secret"))
        return bytes(await received)


def test_a_request_and_its_answer(tmp_path: Path) -> None:
    async def scenario(client: UnixClient) -> None:
        async with client.request("POST", "/x", {"a": [1, "ü"]}) as response:
            assert response.status == 404
            assert await response.read() == b'{"b": 2}'

    answer = b'HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\n\r\n{"b": 2}'
    received = asyncio.run(_serve(tmp_path / "s", [answer], scenario))
    assert received.startswith(b"POST /x HTTP/1.1\r\n")
    assert b"Authorization: Bearer secret\r\n" in received
    assert received.endswith('{"a":[1,"ü"]}'.encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    events=st.lists(st.text(min_size=1).filter(lambda text: "\n" not in text), max_size=8),
    data=st.data(),
)
def test_events_survive_any_splitting(
    tmp_path: Path, events: list[str], data: st.DataObject
) -> None:
    body = b"".join(event.encode("utf-8", "replace") + b"\n\n" for event in events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]
    wire = HEAD + b"".join(map(chunked, parts)) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]

    async def scenario(client: UnixClient) -> None:
        async with client.request("GET", "/") as response:
            found = [event.decode() async for event in response.events()]
        assert found == [event.encode("utf-8", "replace").decode() for event in events]

    asyncio.run(_serve(tmp_path / "s", pieces, scenario))


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200", HEAD + chunked(b"x"), HEAD + b"zz\r\n", b"nonsense\r\n\r\n"]
)
def test_answers_that_end_too_early(tmp_path: Path, answer: bytes) -> None:
    async def scenario(client: UnixClient) -> None:
        async def ask() -> None:
            async with client.request("GET", "/") as response:
                await response.read()

        with pytest.raises(ConnectionError):
            await ask()

    asyncio.run(_serve(tmp_path / "s", [answer], scenario))


def test_a_server_that_does_not_exist(tmp_path: Path) -> None:
    async def go() -> None:
        with pytest.raises(OSError, match="No such file"):
            async with UnixClient(tmp_path / "none", "k").request("GET", "/"):
                pass

    asyncio.run(go())


def test_a_slow_reader_gets_everything(tmp_path: Path) -> None:
    """The body is larger than what is read ahead: the connection is paused, then resumed."""
    pieces = [chunked(b"%06d" % number * 1000) for number in range(200)]

    async def scenario(client: UnixClient) -> None:
        async with client.request("GET", "/") as response:
            while response.reading:  # noqa: ASYNC110 - nothing reports the pause
                await asyncio.sleep(0)
            body = await response.read()
        assert body == b"".join(b"%06d" % number * 1000 for number in range(200))

    asyncio.run(_serve(tmp_path / "s", [HEAD, *pieces, b"0\r\n\r\n"], scenario))
