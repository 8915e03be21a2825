"""Frames, and how a stream of them is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec
import pytest
from starlette.types import Message

from openedai.api.openai.dialect import OPENAI
from openedai.errors import EngineCrashed
from openedai.http.exchange import Exchange
from openedai.http.respond import EventStream, FileStream, TextFrames, data_frame

HARD = ["", 'a "quoted" \\ text\n', '"content":""', "ünïcode \U0001f600", "\x00\x1f"]


class Delta(msgspec.Struct):
    model: str
    content: str
    end: str | None = None


@pytest.mark.parametrize("text", HARD)
@pytest.mark.parametrize("model", HARD)
def test_text_frames_are_those_of_the_whole_value(model: str, text: str) -> None:
    frames = TextFrames(data_frame(Delta(model, "", text)), "content")
    assert frames.frame(text) == data_frame(Delta(model, text, text))


@pytest.mark.parametrize("fails", [False, True])
def test_only_the_beginning_and_the_end_of_a_stream_pass_the_layers(fails: bool) -> None:
    through_layers: list[Message] = []
    directly: list[Message] = []

    async def send(message: Message) -> None:
        through_layers.append(message)

    async def send_directly(message: Message) -> None:
        directly.append(message)

    async def rest() -> AsyncGenerator[bytes, None]:
        yield b"2"
        yield b"3"
        if fails:
            raise ValueError("broken")

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def go() -> None:
        exchange = Exchange("req_1", "GET", "/", OPENAI, send=send_directly)
        await EventStream(exchange, b"1", rest())({}, receive, send)

    asyncio.run(go())
    assert [message["body"] for message in directly] == [b"1", b"2", b"3"]
    assert all(message["more_body"] for message in directly)
    start, end = through_layers
    assert start["type"] == "http.response.start"
    assert not end["more_body"]
    assert (b"error" in end["body"]) is fails


@pytest.mark.parametrize("error", [EngineCrashed("m"), ValueError("broken")])
def test_a_file_that_breaks_off_is_not_ended(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Only an error that nobody expected has a traceback in the log."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def rest() -> AsyncGenerator[bytes, None]:
        yield b"2"
        raise error

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def go() -> None:
        exchange = Exchange("req_1", "GET", "/", OPENAI)
        await FileStream(exchange, b"1", rest(), {}, "audio/wav")({}, receive, send)

    asyncio.run(go())
    assert [message["body"] for message in sent[1:]] == [b"1", b"2"]
    assert all(message["more_body"] for message in sent[1:])
    assert "req_1 broke off" in caplog.text
    assert ("Traceback" in caplog.text) is isinstance(error, ValueError)
