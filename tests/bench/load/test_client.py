"""The load client against a real server, and against faulty servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from bench.figures import SUBJECT
from bench.load.client import Connection, LoadError, Reply, Target, post
from tests.support import ServerThread, echo_settings

CHAT = "/chat/completions"


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with ServerThread(echo_settings()) as running:
        yield Target(SUBJECT, f"{running.url}/v1", "echo")


@pytest.mark.parametrize("stream", [True, False])
def test_counts_tokens_and_chunks(target: Target, stream: bool) -> None:
    body = target.chat("One two three four.", 3, stream=stream)
    reply = asyncio.run(post(target, CHAT, body))
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == (5, 3, 0)
    assert reply.chunks == (3 if stream else 1)
    assert 0 < reply.first <= reply.seconds


@pytest.mark.parametrize("stream", [True, False])
def test_responses(target: Target, stream: bool) -> None:
    body = target.response("One two three four.", 16, stream=stream)
    reply = asyncio.run(post(target, "/responses", body))
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == (5, 4, 0)
    assert reply.chunks == (4 if stream else 0)
    assert 0 < reply.first <= reply.seconds


def test_bodies_are_fetched(target: Target) -> None:
    async def go() -> tuple[Any, Any]:
        async with await Connection.open(target) as connection:
            first = json.loads(await connection.fetch("/responses", target.response("One", 16)))
            body = target.response("Two", 16, previous=first["id"])
            second = json.loads(await connection.fetch("/responses", body))
            return second, json.loads(await connection.fetch(f"/responses/{second['id']}"))

    second, again = asyncio.run(go())
    assert second == again
    assert second["previous_response_id"] is not None


def test_a_connection_serves_several_requests(target: Target) -> None:
    async def go() -> list[Reply]:
        async with await Connection.open(target) as connection:
            return [
                await connection.post(CHAT, target.chat("Again and again.", 9, stream=stream))
                for stream in (True, False, True)
            ]

    assert [reply.completion_tokens for reply in asyncio.run(go())] == [3, 3, 3]


def test_embeddings(target: Target) -> None:
    reply = asyncio.run(post(target, "/embeddings", target.embeddings(["One.", "And two."])))
    assert reply.prompt_tokens == 3


def test_the_first_token_is_not_the_role(target: Target) -> None:
    slow = Target(SUBJECT, target.url, "slow")
    reply = asyncio.run(post(slow, CHAT, slow.chat("Slow ", 5)))
    assert 0.02 <= reply.first <= reply.seconds - 4 * 0.02


def test_an_error_is_shown(target: Target) -> None:
    unknown = Target(SUBJECT, target.url, "unknown")
    with pytest.raises(LoadError, match=r"404.*model_not_found"):
        asyncio.run(post(unknown, CHAT, unknown.chat("Hello", 1)))


def test_an_error_within_a_stream_is_shown(target: Target) -> None:
    failing = Target(SUBJECT, target.url, "fails-later")
    with pytest.raises(LoadError, match="told to fail"):
        asyncio.run(post(failing, CHAT, failing.chat("One two three four", 4)))


def test_a_port_without_a_server() -> None:
    async def go() -> None:
        nobody = Target("nobody", f"http://127.0.0.1:{await _closed_port()}/v1", "echo")
        await post(nobody, CHAT, nobody.chat("Hello", 1))

    with pytest.raises(LoadError, match="nobody cannot be reached"):
        asyncio.run(go())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
def test_an_incomplete_answer(answer: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    with pytest.raises(LoadError, match="closed the connection"):
        asyncio.run(_against(handle))


async def _against(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> Reply:
    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        broken = Target("broken", f"http://127.0.0.1:{port}/v1", "echo")
        return await post(broken, CHAT, broken.chat("Hello", 1))


async def _closed_port() -> int:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
