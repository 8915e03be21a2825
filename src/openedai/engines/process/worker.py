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
from dataclasses import dataclass
from pathlib import Path

import msgspec

from openedai.contract.engine import (
    Decider,
    Embedder,
    Engine,
    Generator,
    ImageMaker,
    ImageModerator,
    Moderator,
    Reranker,
    Speaker,
    Tokenizer,
    Transcriber,
)
from openedai.engines.process.connection import Connection, pack
from openedai.engines.process.messages import (
    AdapterCall,
    AnyCall,
    Cancel,
    Close,
    Command,
    CountCall,
    DecideCall,
    DetokenizeCall,
    EmbedCall,
    Events,
    Failure,
    GenerateCall,
    Hold,
    ImagesCall,
    Load,
    ModerateCall,
    ModerateImagesCall,
    Ping,
    Pong,
    Ready,
    Release,
    RerankCall,
    Result,
    SpeakCall,
    StartCall,
    StreamCall,
    StreamEvent,
    TokenizeCall,
    TranscribeCall,
    Value,
    ValueCall,
    Voices,
    VoicesCall,
)
from openedai.engines.process.parent import run_and_exit, socket_to_parent
from openedai.engines.registry import engine_class

# Seconds. An engine's own threads then hardly wait for the event loop's thread.
_SWITCH_INTERVAL = 0.0005
# If nobody waits for each event, this many are sent together, or those of this many seconds. A
# stopped answer loses the unsent ones.
_MOST_TOGETHER = 64
_LONGEST_WAIT = 0.2


@dataclass
class RunningCall:
    """`released` is set unless the parent holds the call's events back."""

    task: asyncio.Task[None]
    released: asyncio.Event


class Worker:
    """Answers calls to one engine; `calls` are those that run, by their ids.

    `close_requested` is set when the parent sends Close.
    """

    def __init__(self, engine: Engine, connection: Connection) -> None:
        self.engine = engine
        self.connection = connection
        self.calls: dict[int, RunningCall] = {}
        self.close_requested = asyncio.Event()
        self._decode = msgspec.msgpack.Decoder[Command](Command).decode

    def receive(self, body: bytes) -> None:
        """Obey a frame of the parent's. Commands for a call that has ended are late: no harm."""
        match self._decode(body):
            case StartCall(id=number, request=request):
                released = asyncio.Event()
                released.set()
                task = asyncio.create_task(self._answer(number, request, released))
                self.calls[number] = RunningCall(task, released)
            case Ping():
                self.connection.send(pack(Pong(progress=self.engine.progress())))
            case Close():
                self.close_requested.set()
            case command if call := self.calls.get(command.id):
                match command:
                    case Cancel():
                        call.task.cancel()
                    case Hold():
                        call.released.clear()
                    case Release():
                        call.released.set()

    async def close(self) -> None:
        """Cancel all calls, and close the engine."""
        tasks = [call.task for call in self.calls.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.engine.close()

    async def _answer(self, number: int, call: AnyCall, released: asyncio.Event) -> None:
        result = Result(id=number)
        try:
            match call:
                case GenerateCall() | TranscribeCall() | SpeakCall() | ImagesCall():
                    await self._stream(number, call, released)
                case _:
                    result = Result(id=number, value=await _value(self.engine, call))
        except Exception as error:
            result = Result(id=number, failure=Failure.of(error))
        finally:
            del self.calls[number]
        self.connection.send(pack(result))

    async def _stream(self, number: int, call: StreamCall, released: asyncio.Event) -> None:
        """Send the events. While the parent has too many unread, the engine's generator waits."""
        connection = self.connection
        together = 1 if _streamed(call) else _MOST_TOGETHER
        now = asyncio.get_running_loop().time
        limit, unsent, sent = 1, list[StreamEvent](), now()
        async with aclosing(_events(self.engine, call)) as events:
            async for event in events:
                unsent.append(event)
                if len(unsent) >= limit or now() - sent >= _LONGEST_WAIT:
                    connection.send(pack(Events(id=number, events=tuple(unsent))))
                    limit, unsent, sent = together, [], now()
                    await connection.writable()
                    await released.wait()
        if unsent:
            connection.send(pack(Events(id=number, events=tuple(unsent))))


def _streamed(call: StreamCall) -> bool:
    return not isinstance(call, GenerateCall) or call.request.streamed


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
        case RerankCall(request=pairs), Reranker():
            return await engine.rerank(pairs)
        case DecideCall(request=questions), Decider():
            return await engine.decide(questions)
        case ModerateCall(request=texts), Moderator():
            return await engine.moderate(texts)
        case ModerateImagesCall(request=pictures), ImageModerator():
            return await engine.moderate_images(pictures)
        case TokenizeCall(text=text, special=special), Tokenizer():
            return await engine.tokenize(text, special=special)
        case DetokenizeCall(ids=ids), Tokenizer():
            return await engine.detokenize(ids)
        case CountCall(chat=chat), Tokenizer():
            return await engine.count(chat)
        case VoicesCall(), Speaker():
            return Voices(voices=await engine.voices())
        case AdapterCall(adapter=adapter), _:
            await engine.add_adapter(adapter)
            return ""
    raise AssertionError("unreachable: the pool leases by capability")


async def _main(end: socket.socket) -> None:
    connection = await Connection.over(end)
    body = await connection.frame()
    if body is None:
        return
    load = msgspec.msgpack.decode(body, type=Load)
    path = None if load.path is None else Path(load.path)
    try:
        engine = await engine_class(load.engine).load_with_adapters(
            load.model, path, load.options, load.adapters
        )
    except Exception as error:
        connection.send(pack(Failure.of(error)))
    else:
        connection.send(pack(Ready(slots=engine.slots)))
        await serve(engine, connection)
    connection.close()
    await connection.closed


async def serve(engine: Engine, connection: Connection) -> None:
    """Answer calls until the engine dies or the parent asks for the end, and then close it."""
    worker = Worker(engine, connection)
    connection.receive_with(worker.receive)
    closing = asyncio.create_task(worker.close_requested.wait())
    dying = asyncio.create_task(engine.died())
    await asyncio.wait({closing, dying}, return_when=asyncio.FIRST_COMPLETED)
    if worker.close_requested.is_set():
        await worker.close()


def send_no_reports() -> None:
    """Call this before ONNX Runtime is imported, which otherwise reports its use to its maker."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def main() -> None:
    send_no_reports()
    end = socket_to_parent()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    run_and_exit(_main(end))


if __name__ == "__main__":
    main()
