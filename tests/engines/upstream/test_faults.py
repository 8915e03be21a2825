"""The outcome of a request when an upstream fails, as in the table of docs/upstream.md."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from openedai.contract.chat import Chat, Message
from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import Finish, GenerateRequest, Text, TextDelta, Usage
from openedai.engines.remote.connection import make_session
from openedai.engines.remote.health import check
from openedai.engines.remote.replicas import Replicas
from openedai.engines.upstream.engine import Upstream
from openedai.engines.upstream.options import addresses, read_options
from openedai.errors import APIError, BadGateway, RateLimited, Unavailable
from tests.docs.pages import section, tables
from tests.engines.upstream import faults
from tests.engines.upstream.faults import Fault, FaultyServer, Peer, ReceivedRequest, faulty_server
from tests.support import Running

HELLO = GenerateRequest(prompt=Chat(messages=(Message(role="user", content="hi"),)))
TIMEOUTS = {"first_byte_timeout": 1.0, "idle_timeout": 1.0, "connect_timeout": 2.0}

# Each fault by its words in the table; None is a port where nothing listens.
FAULTS: dict[str, Fault | None] = {
    "Nothing listens": None,
    "The connection is closed without an answer": faults.hangs_up,
    "The connection is reset": faults.resets,
    "No answer within `first_byte_timeout`": faults.stays_silent,
    "Status 500": faults.fails,
    "Status 503": faults.is_overloaded,
    "Status 429 with `retry-after`": faults.limits_the_rate,
    "Status 401: a wrong key": faults.refuses_the_key,
    "Status 400: a wrong request": faults.refuses_the_request,
    "A redirect": faults.redirects,
    "A web page with status 200": faults.sends_a_web_page,
    "Broken JSON as the first event": faults.sends_broken_json,
    "Half an event, then the end": faults.sends_half_an_event,
    "An error as the first event": faults.sends_an_error,
    "A call of a tool without a name": faults.sends_a_call_without_a_name,
    "The end before the first word": faults.ends_before_the_text,
    "A byte now and then, never an event": faults.sends_single_bytes,
    "A line without an end": faults.never_ends_a_line,
    "An error page without an end": faults.never_ends_an_error,
    "The end after the first word": faults.ends_after_the_start,
    "A broken connection after the first word": faults.breaks_off_after_the_start,
    "Nonsense after the first word": faults.sends_nonsense_after,
    "Silence for `idle_timeout` after the first word": faults.falls_silent,
}


async def load(*urls: str, **options: Any) -> Upstream:
    return await Upstream.load("ours", None, {"urls": list(urls), "health_interval": 0, **options})


def unrelated_request(number: int) -> GenerateRequest:
    """Requests without a common prefix."""
    return GenerateRequest(prompt=Text(text=f"{number} and so on"), max_tokens=9)


async def wait_for_checks(server: FaultyServer, until: Callable[[], bool]) -> None:
    """Wait for health checks of the replica, until `until()` is true."""
    while not until():
        server.checked.clear()
        await server.checked.wait()


async def outcome(engine: Upstream, request: GenerateRequest = HELLO) -> str:
    """The outcome for the caller, in the words of the table."""
    text = ""
    try:
        async with aclosing(engine.generate(request)) as events:
            async for event in events:
                text += event.text if isinstance(event, TextDelta) else ""
    except APIError as error:
        status = str(error.status)
        if error.retry_after is not None:
            status += " with `retry-after`"
        return f"part of the answer, then {status}" if text else status
    assert text == "good day"
    return "the answer"


def recorded() -> dict[str, list[str]]:
    (table,) = tables(section("docs/upstream.md", "When an upstream fails"))
    return {row[0]: row[1:] for row in table}


def test_the_table_has_every_fault() -> None:
    assert list(recorded()) == list(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_the_outcome_is_that_of_the_table(name: str) -> None:
    async def scenario() -> list[str]:
        async with AsyncExitStack() as stack:
            fault = FAULTS[name]
            bad = "http://127.0.0.1:1"
            if fault is not None:
                bad = (await stack.enter_async_context(faulty_server(fault))).url
            alone = await load(bad, **TIMEOUTS)
            stack.push_async_callback(alone.close)
            good = await stack.enter_async_context(faulty_server(faults.answers))
            two = await load(bad, good.url, **TIMEOUTS)
            stack.push_async_callback(two.close)
            return [await outcome(alone), await outcome(two)]

    assert asyncio.run(scenario()) == recorded()[name]


def test_a_replica_that_is_down_gets_no_requests_until_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with faulty_server(faults.fails) as first, faulty_server(faults.answers) as second:
            first.up = False
            engine = await load(first.url, second.url, health_interval=0.02)
            try:
                for number in range(4):
                    assert await outcome(engine, unrelated_request(number)) == "the answer"
                assert (len(first.requests), len(second.requests)) == (1, 4)
                first.fault, first.up = faults.answers, True
                await wait_for_checks(first, until=lambda: "is back" in caplog.text)
                assert await outcome(engine, unrelated_request(4)) == "the answer"
                assert (len(first.requests), len(second.requests)) == (2, 4)
            finally:
                await engine.close()

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())


def test_a_single_replica_that_is_back_is_used_at_once() -> None:
    async def scenario() -> None:
        async with faulty_server(faults.fails) as only:
            engine = await load(only.url)
            try:
                assert await outcome(engine) == "502"
                only.fault = faults.answers
                assert await outcome(engine) == "the answer"
            finally:
                await engine.close()

    asyncio.run(scenario())


def test_an_idle_replica_that_fails_is_noticed_by_its_check(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with faulty_server(faults.answers) as first, faulty_server(faults.answers) as second:
            engine = await load(first.url, second.url, health_interval=0.02)
            try:
                first.up = False
                await wait_for_checks(first, until=lambda: "is down" in caplog.text)
                for _ in range(3):
                    assert await outcome(engine) == "the answer"
                assert first.requests == []
            finally:
                await engine.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())


def test_no_more_replicas_are_tried_than_retries_allow() -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(faulty_server(faults.resets)) for _ in range(4)
            ]
            engine = await load(*(server.url for server in servers), retries=2)
            stack.push_async_callback(engine.close)
            assert await outcome(engine) == "502"
            assert sum(len(server.requests) for server in servers) == 3

    asyncio.run(scenario())


def test_a_rate_limit_does_not_send_a_request_to_a_replica_that_is_down() -> None:
    async def scenario() -> None:
        async with (
            faulty_server(faults.fails) as down,
            faulty_server(faults.limits_the_rate) as busy,
        ):
            engine = await load(down.url, busy.url, retries=1)
            try:
                with pytest.raises(RateLimited) as caught:
                    await engine.embed(EmbedRequest(inputs=(Text(text="a"),)))
                assert caught.value.retry_after == 7
                assert await outcome(engine) == "429 with `retry-after`"
                assert len(down.requests) == 1
            finally:
                await engine.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("begun", [False, True], ids=["before", "after"])
def test_a_cancelled_generation_closes_the_connection(begun: bool) -> None:
    async def scenario() -> None:
        arrived = asyncio.Event()

        async def waits(peer: Peer, request: ReceivedRequest) -> None:
            if begun:
                await peer.send(faults.HEAD + faults.chunk("good "))
            arrived.set()
            await peer.disconnected()

        async with faulty_server(waits) as server:
            engine = await load(server.url)
            try:
                events = engine.generate(HELLO)
                task = asyncio.ensure_future(anext(events))
                await arrived.wait()
                if begun:
                    await task
                    await events.aclose()
                else:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                await server.idle.wait()
            finally:
                await engine.close()

    asyncio.run(scenario())


def test_cancelled_embeddings_close_the_connection() -> None:
    async def scenario() -> None:
        arrived = asyncio.Event()

        async def waits(peer: Peer, request: ReceivedRequest) -> None:
            arrived.set()
            await peer.disconnected()

        async with faulty_server(waits) as server:
            engine = await load(server.url)
            try:
                task = asyncio.create_task(engine.embed(EmbedRequest(inputs=(Text(text="a"),))))
                await arrived.wait()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await server.idle.wait()
            finally:
                await engine.close()

    asyncio.run(scenario())


def test_embeddings_go_to_another_replica() -> None:
    async def sends_embeddings(peer: Peer, request: ReceivedRequest) -> None:
        body = b'{"data": [{"index": 0, "embedding": [0.6, 0.8]}], "usage": {"prompt_tokens": 3}}'
        await peer.answer(200, body, content_type="application/json")

    async def scenario() -> None:
        async with faulty_server(faults.resets) as bad, faulty_server(sends_embeddings) as good:
            engine = await load(bad.url, good.url)
            try:
                result = await engine.embed(EmbedRequest(inputs=(Text(text="a"),)))
                assert (result.dimensions, result.prompt_tokens) == (2, 3)
            finally:
                await engine.close()

    asyncio.run(scenario())


def test_an_embedding_without_an_end_is_an_error() -> None:
    async def floods(peer: Peer, request: ReceivedRequest) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            await peer.send(b" " * (1 << 16))

    async def scenario() -> None:
        async with faulty_server(floods) as server:
            engine = await load(server.url)
            try:
                with pytest.raises(BadGateway, match="without an end"):
                    await engine.embed(EmbedRequest(inputs=(Text(text="a"),)))
                await server.idle.wait()
            finally:
                await engine.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/event-stream", b'data: {"choices": [{"delta": {"content": "good day"}}]}\n\n'),
        ("text/event-stream", b'data: {"choices": [{"message": {"content": "good day"}}]}\n\n'),
        ("application/json", b'{"choices": [{"message": {"content": "good day"}}]}'),
    ],
)
def test_an_answer_without_a_finish_reason(content_type: str, body: bytes) -> None:
    """A stream says at least that it is done; a whole answer need not."""

    async def answers(ends: bytes) -> str:
        async def fault(peer: Peer, request: ReceivedRequest) -> None:
            await peer.answer(200, body + ends, Content_Type=content_type)

        async with faulty_server(fault) as server:
            engine = await load(server.url, **TIMEOUTS)
            try:
                return await outcome(engine)
            finally:
                await engine.close()

    streamed = "stream" in content_type
    assert asyncio.run(answers(b"data: [DONE]\n\n" if streamed else b"")) == "the answer"
    if streamed:
        assert asyncio.run(answers(b"data: [DONE]")) == "the answer"
        assert asyncio.run(answers(b"")) == "part of the answer, then 502"


def test_nonsense_after_the_finish_reason_is_ignored() -> None:
    """The answer is whole; only its usage may be unknown."""

    async def stops_short(peer: Peer, request: ReceivedRequest) -> None:
        await peer.send(faults.HEAD + faults.chunk("good day") + faults.chunk(finish_reason="stop"))
        await peer.send(b"data: nonsense\n\n")

    async def scenario() -> None:
        async with faulty_server(stops_short) as server:
            engine = await load(server.url)
            try:
                async with aclosing(engine.generate(HELLO)) as events:
                    *_, finish = [event async for event in events]
                assert finish == Finish(reason="stop", usage=Usage())
            finally:
                await engine.close()

    asyncio.run(scenario())


def test_a_kept_connection_that_was_closed_is_opened_again() -> None:
    """The first answer leaves the connection open; the second request finds it closed."""
    whole = faults.chunk("good day", finish_reason="stop") + b"data: [DONE]\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"

    async def scenario() -> None:
        served = 0

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal served
            await _request(reader)
            served += 1
            writer.write(head % len(whole) + whole)
            await _request(reader)  # the next one is read, and not answered
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        engine = await load(f"http://127.0.0.1:{port}")
        try:
            assert await outcome(engine) == "the answer"
            assert await outcome(engine) == "the answer"
            assert served == 2
        finally:
            await engine.close()
            server.close()

    asyncio.run(scenario())


def test_a_check_may_use_a_connection_that_was_kept(echo_server: Running) -> None:
    async def scenario() -> None:
        options = read_options("ours", {"url": echo_server.url})
        replicas = Replicas(addresses("ours", options))
        session = make_session(options.connect_timeout, {})
        try:
            async with session.get(f"{echo_server.url}/v1/models") as response:
                await response.read()
            replicas.all[0].up = False
            await check(session, replicas.all[0], "models", timeout=30)
            assert replicas.all[0].up
        finally:
            await session.close()

    asyncio.run(scenario())


def test_each_chunk_is_passed_on_at_once() -> None:
    async def scenario() -> None:
        received = asyncio.Event()

        async def waits_for_the_reader(peer: Peer, request: ReceivedRequest) -> None:
            await peer.send(faults.HEAD)
            for word in ("good ", "day"):
                received.clear()
                await peer.send(faults.chunk(word))
                await received.wait()
            await peer.send(faults.chunk(finish_reason="stop"))

        async with faulty_server(waits_for_the_reader) as server:
            engine = await load(server.url)
            try:
                async with aclosing(engine.generate(HELLO)) as events:
                    async for _ in events:
                        received.set()
            finally:
                await engine.close()

    asyncio.run(scenario())


async def _request(reader: asyncio.StreamReader) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return
    size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    await reader.readexactly(size)


def test_closing_ends_everything_that_runs() -> None:
    async def scenario() -> None:
        async with faulty_server(faults.falls_silent) as server:
            engine = await load(server.url, "http://127.0.0.1:1", health_interval=30)
            events = engine.generate(HELLO)
            while not isinstance(await anext(events), TextDelta):
                pass
            await engine.close()
            await engine.close()
            with pytest.raises((BadGateway, Unavailable)):
                await anext(events)
            await server.idle.wait()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert not [task for task in others if "watch" in repr(task.get_coro())]

    asyncio.run(scenario())


def only_request(server: FaultyServer) -> ReceivedRequest:
    (request,) = server.requests
    return request


def test_keys_and_headers_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "sk-secret")

    async def scenario() -> None:
        async with faulty_server(faults.answers) as server:
            engine = await load(server.url, key="$UPSTREAM_KEY", headers={"x-team": "blue"})
            try:
                assert await outcome(engine) == "the answer"
            finally:
                await engine.close()
            request = only_request(server)
            assert request.headers["authorization"] == "Bearer sk-secret"
            assert request.headers["x-team"] == "blue"
            assert request.headers["accept-encoding"] == "identity"
            assert request.path == "/v1/chat/completions"
            assert request.body["model"] == "ours"

    asyncio.run(scenario())
