"""The child process that hosts one Python engine: `python -m openedai.engines.process.worker FD`.

It loads the engine named in the first frame, answers calls until the connection ends, and then
ends itself, even during a call.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec

from openedai.contract.adapter import Adapter
from openedai.contract.chat import Chat
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import (
    Embedder,
    Engine,
    Generator,
    ImageMaker,
    Speaker,
    Tokenizer,
    Transcriber,
)
from openedai.contract.generate import GenerateEvent, GenerateRequest
from openedai.contract.images import ImageEvent, ImageRequest
from openedai.contract.speak import SpeakEvent, SpeakRequest, Voice
from openedai.contract.struct import Struct
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest
from openedai.engines.process.child import Failure, pack, read_frame
from openedai.engines.process.parent import exit_with_parent
from openedai.engines.registry import engine_class
from openedai.errors import EngineCrashed


class Load(Struct, frozen=True, tag="load"):
    """The first frame: which engine, and what it loads."""

    engine: str
    model: str
    path: str | None
    options: dict[str, Any]
    adapters: tuple[Adapter, ...] = ()


class Ready(Struct, frozen=True, tag="ready"):
    """The answer when the engine is loaded."""

    slots: int


class StartCall(Struct, frozen=True, tag="call"):
    """Start a call. The parent chooses the id."""

    id: int
    request: AnyCall


class GenerateCall(Struct, frozen=True, tag="generate"):
    request: GenerateRequest


class TranscribeCall(Struct, frozen=True, tag="transcribe"):
    request: TranscribeRequest


class SpeakCall(Struct, frozen=True, tag="speak"):
    request: SpeakRequest


class ImagesCall(Struct, frozen=True, tag="images"):
    request: ImageRequest


class EmbedCall(Struct, frozen=True, tag="embed"):
    request: EmbedRequest


class TokenizeCall(Struct, frozen=True, tag="tokenize"):
    text: str
    special: bool


class DetokenizeCall(Struct, frozen=True, tag="detokenize"):
    ids: tuple[int, ...]


class CountCall(Struct, frozen=True, tag="count"):
    chat: Chat


class VoicesCall(Struct, frozen=True, tag="voices"):
    """Ask for the voices."""


class Voices(Struct, frozen=True, tag="voice_list"):
    """The answer to VoicesCall."""

    voices: tuple[Voice, ...]


StreamCall = GenerateCall | TranscribeCall | SpeakCall | ImagesCall
ValueCall = EmbedCall | TokenizeCall | DetokenizeCall | CountCall | VoicesCall
AnyCall = StreamCall | ValueCall
StreamEvent = GenerateEvent | TranscribeEvent | SpeakEvent | ImageEvent
Value = EmbedResult | Voices | tuple[int, ...] | str | int


class Cancel(Struct, frozen=True, tag="cancel"):
    """Cancel the call with this id."""

    id: int


class Event(Struct, frozen=True, tag="event"):
    """An event of the call with this id."""

    id: int
    event: StreamEvent


class Result(Struct, frozen=True, tag="result"):
    """The end of a call: its value, its failure, or neither for the end of a stream."""

    id: int
    value: Value | None = None
    failure: Failure | None = None

    @property
    def crashed(self) -> bool:
        """Whether the engine reported that it is dead."""
        return self.failure is not None and self.failure.kind == EngineCrashed.__name__


class Worker:
    """Answers calls to one engine; `calls` are those that run, by their ids."""

    def __init__(self, engine: Engine, writer: asyncio.StreamWriter) -> None:
        self.engine = engine
        self.writer = writer
        self.calls: dict[int, asyncio.Task[None]] = {}

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Start and cancel calls until the connection ends."""
        decoder = msgspec.msgpack.Decoder(StartCall | Cancel)
        while (body := await read_frame(reader)) is not None:
            match decoder.decode(body):
                case Cancel(id=number):
                    if task := self.calls.get(number):
                        task.cancel()
                case StartCall(id=number, request=request):
                    task = asyncio.create_task(self._answer(number, request))
                    self.calls[number] = task

    async def _answer(self, number: int, call: AnyCall) -> None:
        result = Result(id=number)
        try:
            match call:
                case GenerateCall() | TranscribeCall() | SpeakCall() | ImagesCall():
                    async with aclosing(_events(self.engine, call)) as events:
                        async for event in events:
                            self.writer.write(pack(Event(id=number, event=event)))
                            await self.writer.drain()
                case _:
                    result = Result(id=number, value=await _value(self.engine, call))
        except Exception as error:
            result = Result(id=number, failure=Failure.of(error))
        finally:
            del self.calls[number]
        self.writer.write(pack(result))


def _events(engine: Engine, call: StreamCall) -> AsyncGenerator[StreamEvent, None]:
    match call, engine:
        case GenerateCall(request=request), Generator():
            return engine.generate(request)
        case TranscribeCall(request=audio), Transcriber():
            return engine.transcribe(audio)
        case SpeakCall(request=text), Speaker():
            return engine.speak(text)
        case ImagesCall(request=images), ImageMaker():
            return engine.make_images(images)
    raise AssertionError("unreachable: the pool leases by capability")


async def _value(engine: Engine, call: ValueCall) -> Value:
    match call, engine:
        case EmbedCall(request=request), Embedder():
            return await engine.embed(request)
        case TokenizeCall(text=text, special=special), Tokenizer():
            return await engine.tokenize(text, special=special)
        case DetokenizeCall(ids=ids), Tokenizer():
            return await engine.detokenize(ids)
        case CountCall(chat=chat), Tokenizer():
            return await engine.count(chat)
        case VoicesCall(), Speaker():
            return Voices(voices=await engine.voices())
    raise AssertionError("unreachable: the pool leases by capability")


async def _main(connection: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=connection, limit=1 << 20)
    body = await read_frame(reader)
    if body is None:
        return
    load = msgspec.msgpack.decode(body, type=Load)
    path = None if load.path is None else Path(load.path)
    try:
        engine = await engine_class(load.engine).load_with_adapters(
            load.model, path, load.options, load.adapters
        )
    except Exception as error:
        writer.write(pack(Failure.of(error)))
        await writer.drain()
        return
    writer.write(pack(Ready(slots=engine.slots)))
    worker = Worker(engine, writer)
    serving = asyncio.create_task(worker.serve(reader))
    dying = asyncio.create_task(engine.died())
    await asyncio.wait({serving, dying}, return_when=asyncio.FIRST_COMPLETED)


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    exit_with_parent(connection)
    asyncio.run(_main(connection))
    # Threads of the engine may be in native code, which cannot be stopped: do not wait for them.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
