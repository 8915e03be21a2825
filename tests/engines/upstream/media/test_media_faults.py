"""The outcome of requests with audio and images when an upstream fails, as in docs/upstream.md."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.images import ImageRequest
from openedai.contract.speak import SpeakRequest
from openedai.contract.transcribe import TranscribeRequest
from openedai.engines.upstream.engine import Upstream
from openedai.errors import APIError, BadGateway
from tests.engines.upstream import faults
from tests.engines.upstream.faults import Fault, FaultyServer, Peer, ReceivedRequest, faulty_server
from tests.engines.upstream.media import hosted
from tests.engines.upstream.media.hosted import sends, sends_audio, streams
from tests.engines.upstream.media.media_engine import ask
from tests.engines.upstream.test_faults import FAULTS, TIMEOUTS, load, recorded

Start = Callable[[Upstream, str], AsyncGenerator[Any, None]]
SOURCE = hosted.IMAGE
CALLS: dict[str, tuple[Start, Fault]] = {
    "transcription": (
        lambda engine, audio: engine.transcribe(TranscribeRequest(path=audio)),
        sends(hosted.WHOLE),
    ),
    "streamed transcription": (
        lambda engine, audio: engine.transcribe(TranscribeRequest(path=audio, stream=True)),
        streams(*hosted.DELTAS, hosted.DONE),
    ),
    "speech": (
        lambda engine, _: engine.speak(SpeakRequest(text="Good day.", voice="alloy")),
        sends_audio(hosted.MP3),
    ),
    "images": (
        lambda engine, _: engine.make_images(ImageRequest(prompt="a circle")),
        sends(hosted.IMAGES),
    ),
    "streamed edit": (
        lambda engine, _: engine.make_images(
            ImageRequest(prompt="a circle", task="edit", images=(SOURCE,), partial_images=1)
        ),
        streams(*hosted.image_events("image_edit", 1)),
    ),
}
# Those that come before the first event, whatever is requested.
EARLY = (
    "Nothing listens",
    "The connection is closed without an answer",
    "The connection is reset",
    "No answer within `first_byte_timeout`",
    "Status 500",
    "Status 503",
    "Status 429 with `retry-after`",
    "Status 401: a wrong key",
    "Status 400: a wrong request",
    "A redirect",
    "A web page with status 200",
    "An error page without an end",
)


@pytest.fixture
def audio(tmp_path: Path) -> str:
    file = tmp_path / "upload"
    file.write_bytes(b"x" * (64 << 10))
    return str(file)


@pytest.fixture
def long_audio(tmp_path: Path) -> str:
    """A file that is larger than what the system buffers of a connection."""
    file = tmp_path / "long-upload"
    file.write_bytes(b"x" * (16 << 20))
    return str(file)


async def outcome(events: AsyncGenerator[Any, None]) -> str:
    """The outcome for the caller, in the words of the table."""
    found = []
    try:
        async with aclosing(events) as stream:
            async for event in stream:
                found.append(event)  # noqa: PERF401
    except APIError as error:
        retry = " with `retry-after`" if error.retry_after is not None else ""
        return f"{'part of the answer, then ' if found else ''}{error.status}{retry}"
    return "the answer"


@pytest.mark.parametrize("name", EARLY)
@pytest.mark.parametrize("call", CALLS)
def test_the_outcome_is_that_of_the_table(name: str, call: str, audio: str) -> None:
    start, answer = CALLS[call]

    async def scenario() -> list[str]:
        async with AsyncExitStack() as stack:
            fault = FAULTS[name]
            bad = "http://127.0.0.1:1"
            if fault is not None:
                bad = (await stack.enter_async_context(faulty_server(fault))).url
            good = (await stack.enter_async_context(faulty_server(answer))).url
            engines = [await load(bad, **TIMEOUTS), await load(bad, good, **TIMEOUTS)]
            for engine in engines:
                stack.push_async_callback(engine.close)
            return [await outcome(start(engine, audio)) for engine in engines]

    assert asyncio.run(scenario()) == recorded()[name]


LATE: dict[str, tuple[Start, Fault]] = {
    "a transcript that breaks off": (
        CALLS["transcription"][0],
        sends_audio(b'{"text": "Good', content_type=hosted.JSON, missing=9),
    ),
    "a stream that ends before its text": (CALLS["streamed transcription"][0], streams()),
    "nonsense as the first event": (CALLS["streamed transcription"][0], faults.sends_broken_json),
    "half an image": (
        CALLS["images"][0],
        sends_audio(b'{"data": [{"b64_json": "iVBO', content_type=hosted.JSON, missing=9),
    ),
    "a line of an image without an end": (CALLS["streamed edit"][0], faults.sends_half_an_event),
    "audio that breaks off at once": (CALLS["speech"][0], sends_audio(b"\xff", missing=9)),
}


@pytest.mark.parametrize("name", LATE)
def test_a_broken_answer_of_which_nothing_was_passed_on(name: str, audio: str) -> None:
    start, fault = LATE[name]
    (answer,) = (good for one, good in CALLS.values() if one is start)

    async def scenario() -> list[str]:
        async with faulty_server(fault) as bad, faulty_server(answer) as good:
            alone, two = await load(bad.url, **TIMEOUTS), await load(bad.url, good.url)
            try:
                return [await outcome(start(alone, audio)), await outcome(start(two, audio))]
            finally:
                await alone.close()
                await two.close()

    assert asyncio.run(scenario()) == ["502", "the answer"]


def test_silence_in_the_middle_of_speech(audio: str) -> None:
    async def falls_silent(peer: Peer, request: ReceivedRequest) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n" + hosted.MP3)
        await peer.disconnected()

    async def scenario(engine: Upstream, server: FaultyServer) -> str:
        text = await outcome(CALLS["speech"][0](engine, audio))
        await server.idle.wait()
        return text

    assert ask(falls_silent, scenario, **TIMEOUTS) == "part of the answer, then 502"


@pytest.mark.parametrize("call", CALLS)
def test_a_caller_that_leaves_before_the_answer_closes_the_connection(
    call: str, audio: str
) -> None:
    arrived = asyncio.Event()

    async def waits(peer: Peer, request: ReceivedRequest) -> None:
        arrived.set()
        await peer.disconnected()

    async def scenario(engine: Upstream, server: FaultyServer) -> None:
        task = asyncio.create_task(outcome(CALLS[call][0](engine, audio)))
        await arrived.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.idle.wait()

    ask(waits, scenario)


def test_a_caller_that_leaves_in_the_middle_of_speech(audio: str) -> None:
    async def goes_on(peer: Peer, request: ReceivedRequest) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n" + hosted.MP3)
        await peer.disconnected()

    async def scenario(engine: Upstream, server: FaultyServer) -> None:
        events = CALLS["speech"][0](engine, audio)
        await anext(events)
        await events.aclose()
        await server.idle.wait()

    ask(goes_on, scenario)


def test_a_caller_that_leaves_during_the_upload(long_audio: str) -> None:
    begun, left = asyncio.Event(), asyncio.Event()
    received = 0

    async def reads_slowly(peer: Peer, request: ReceivedRequest) -> None:
        nonlocal received
        begun.set()
        await left.wait()
        while chunk := await peer.reader.read(1 << 20):
            received += len(chunk)

    async def scenario(engine: Upstream, server: FaultyServer) -> None:
        server.reads_bodies = False
        task = asyncio.create_task(outcome(CALLS["transcription"][0](engine, long_audio)))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        left.set()
        await server.idle.wait()

    ask(reads_slowly, scenario)
    assert received < Path(long_audio).stat().st_size


@pytest.mark.parametrize(
    ("status", "expected"), [(401, "502"), (413, "413"), (429, "429 with `retry-after`")]
)
def test_an_answer_during_the_upload(status: int, expected: str, long_audio: str) -> None:
    """A server that refuses a request without reading all of it, as proxies do."""

    async def refuses(peer: Peer, request: ReceivedRequest) -> None:
        await peer.answer(status, b"{}", retry_after="7")
        await peer.disconnected()

    async def scenario(engine: Upstream, server: FaultyServer) -> str:
        server.reads_bodies = False
        found = await outcome(CALLS["transcription"][0](engine, long_audio))
        await server.idle.wait()
        return found

    assert ask(refuses, scenario) == expected


def test_voices_of_an_upstream_that_is_down() -> None:
    async def scenario() -> None:
        engine = await load("http://127.0.0.1:1")
        try:
            with pytest.raises(APIError) as caught:
                await engine.voices()
            assert caught.value.status == 503
        finally:
            await engine.close()

    asyncio.run(scenario())


def test_an_answer_without_an_end_is_an_error(audio: str) -> None:
    async def floods(peer: Peer, request: ReceivedRequest) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            await peer.send(b" " * (1 << 20))

    async def scenario(engine: Upstream, server: FaultyServer) -> None:
        transcript = engine.transcribe(TranscribeRequest(path=audio))
        with pytest.raises(BadGateway, match="without an end"):
            await anext(transcript)
        await server.idle.wait()

    ask(floods, scenario)


def test_a_file_is_sent_again_on_a_new_connection(audio: str) -> None:
    """The first answer leaves the connection open; the second request finds it closed."""
    whole = json.dumps(hosted.WHOLE).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    sizes = []

    async def answers_once(peer: Peer, request: ReceivedRequest) -> None:
        sizes.append(len(request.files[0][-1]))
        await peer.send(head % len(whole) + whole)
        await peer.reader.readuntil(b"\r\n\r\n")  # the next one is not answered

    async def scenario(engine: Upstream, server: FaultyServer) -> list[str]:
        return [await outcome(CALLS["transcription"][0](engine, audio)) for _ in range(2)]

    assert ask(answers_once, scenario) == ["the answer", "the answer"]
    assert sizes == [64 << 10] * 2
