"""The parent's side of a worker: the engine's capabilities, over a framed connection.

It does not know which engine that is, nor where the worker runs.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from openedai.contract.adapter import Adapter
from openedai.contract.chat import Chat
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import (
    Embedder,
    Generator,
    ImageMaker,
    Speaker,
    Tokenizer,
    Transcriber,
)
from openedai.contract.generate import Finish, GenerateEvent, GenerateRequest
from openedai.contract.images import ImageEvent, ImageRequest, ImagesFinish
from openedai.contract.speak import SpeakEvent, SpeakFinish, SpeakRequest, Voice
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest, TranscriptFinish
from openedai.engines.process.child import Child, Failure, pack, read_frame
from openedai.engines.process.worker import (
    AnyCall,
    Cancel,
    CountCall,
    DetokenizeCall,
    EmbedCall,
    Event,
    GenerateCall,
    ImagesCall,
    Load,
    Ready,
    Result,
    SpeakCall,
    StartCall,
    StreamCall,
    TokenizeCall,
    TranscribeCall,
    ValueCall,
    Voices,
    VoicesCall,
)
from openedai.errors import EngineCrashed, EngineFailed

_LAST_EVENTS = (Finish, TranscriptFinish, SpeakFinish, ImagesFinish)
_Answers = asyncio.Queue[Event | Result | None]
V = TypeVar("V", EmbedResult, Voices, tuple[int, ...], str, int)


class Hosted(Generator, Embedder, Tokenizer, Transcriber, Speaker, ImageMaker):
    """An engine in a worker process.

    It has the methods of every capability; the class of the engine tells which ones work.
    """

    def __init__(self, model: str, child: Child, slots: int) -> None:
        self.model = model
        self.slots = slots
        self._child = child
        self._numbers = itertools.count()
        self._answers: dict[int, _Answers] = {}
        self._gone = False
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        engine: str,
        model: str,
        path: Path | None,
        options: Mapping[str, Any],
        adapters: Sequence[Adapter] = (),
    ) -> Hosted:
        """Start a worker and load `engine` in it. Raises the APIError that loading raised there."""
        hello = Load(
            engine=engine,
            model=model,
            path=None if path is None else str(path),
            options=dict(options),
            adapters=tuple(adapters),
        )
        child = await Child.start("openedai.engines.process.worker", hello)
        match msgspec.msgpack.decode(await child.first_frame(model), type=Ready | Failure):
            case Ready(slots=slots):
                return cls(model, child, slots)
            case Failure() as failure:
                await child.stop()
                raise failure.error()
        raise AssertionError("unreachable")

    async def close(self) -> None:
        await self._child.stop()
        await self._reading

    def memory(self) -> int:
        return self._child.resident_bytes()

    def alive(self) -> bool:
        return not (self._gone or self._child.writer.is_closing())

    async def died(self) -> None:
        await asyncio.shield(self._reading)

    def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        return self._events(GenerateCall(request=request))

    def transcribe(self, request: TranscribeRequest) -> AsyncGenerator[TranscribeEvent, None]:
        return self._events(TranscribeCall(request=request))

    def speak(self, request: SpeakRequest) -> AsyncGenerator[SpeakEvent, None]:
        return self._events(SpeakCall(request=request))

    def make_images(self, request: ImageRequest) -> AsyncGenerator[ImageEvent, None]:
        return self._events(ImagesCall(request=request))

    async def voices(self) -> tuple[Voice, ...]:
        return (await self._value(VoicesCall(), Voices)).voices

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        return await self._value(EmbedCall(request=request), EmbedResult)

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        return await self._value(TokenizeCall(text=text, special=special), tuple)

    async def detokenize(self, ids: Sequence[int]) -> str:
        return await self._value(DetokenizeCall(ids=tuple(ids)), str)

    async def count(self, chat: Chat) -> int:
        return await self._value(CountCall(chat=chat), int)

    async def _events(self, call: StreamCall) -> AsyncGenerator[Any, None]:
        """The events of a stream. The protocol ensures that they are those of the call."""
        number, answers = self._call(call)
        ended = False
        try:
            while True:
                match await answers.get():
                    case Event(event=event):
                        ended = isinstance(event, _LAST_EVENTS)
                        yield event
                    case Result(failure=failure):
                        ended = True
                        if failure is not None:
                            raise failure.error()
                        return
                    case None:
                        raise EngineCrashed(self.model)
        finally:
            self._forget(number, cancel=not ended)

    async def _value(self, call: ValueCall, expected: type[V]) -> V:
        """The result of a call that is not a stream."""
        number, answers = self._call(call)
        answer: Event | Result | None = None
        try:
            answer = await answers.get()
        finally:
            self._forget(number, cancel=answer is None)
        match answer:
            case Result(failure=Failure() as failure):
                raise failure.error()
            case Result(value=value) if isinstance(value, expected):
                return value
            case None:
                raise EngineCrashed(self.model)
        raise EngineFailed(f"The worker of model `{self.model}` broke the protocol.")

    def _call(self, call: AnyCall) -> tuple[int, _Answers]:
        if not self.alive():
            raise EngineCrashed(self.model)
        number = next(self._numbers)
        answers = self._answers[number] = _Answers()
        self._child.writer.write(pack(StartCall(id=number, request=call)))
        return number, answers

    def _forget(self, number: int, *, cancel: bool) -> None:
        del self._answers[number]
        if cancel and self.alive():
            self._child.writer.write(pack(Cancel(id=number)))

    async def _read(self) -> None:
        """Pass every frame to its call; when the worker is gone, end all calls."""
        decoder = msgspec.msgpack.Decoder(Event | Result)
        while (body := await read_frame(self._child.reader)) is not None:
            answer = decoder.decode(body)
            if isinstance(answer, Result) and answer.crashed:
                self._gone = True  # its connection ends soon; it gets no more calls
            if answers := self._answers.get(answer.id):
                answers.put_nowait(answer)
        self._gone = True
        for answers in self._answers.values():
            answers.put_nowait(None)
