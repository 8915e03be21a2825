"""The parent's side of a worker: the engine's capabilities, over a framed connection.

It knows neither which engine that is nor where the worker runs.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from openedai.contract.adapter import Adapter
from openedai.contract.chat import Chat
from openedai.contract.decide import DecideRequest, DecideResult
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import (
    Decider,
    Embedder,
    Generator,
    ImageMaker,
    ImageModerator,
    Moderator,
    Reranker,
    Speaker,
    Tokenizer,
    Transcriber,
)
from openedai.contract.generate import Finish, GenerateEvent, GenerateRequest
from openedai.contract.images import ImageEvent, ImageRequest, ImagesFinish
from openedai.contract.moderate import ModerateImagesRequest, ModerateRequest, ModerateResult
from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.contract.speak import SpeakEvent, SpeakFinish, SpeakRequest, Voice
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest, TranscriptFinish
from openedai.engines.process.child import Child
from openedai.engines.process.connection import pack
from openedai.engines.process.early import WORKER, EarlyStart
from openedai.engines.process.inbox import Answer, Inbox
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
    TokenizeCall,
    TranscribeCall,
    ValueCall,
    Voices,
    VoicesCall,
)
from openedai.engines.process.watchdog import SilenceLimits, Watchdog
from openedai.errors import APIError, EngineCrashed, EngineFailed, InvalidRequest

log = logging.getLogger("openedai.engines")

_LAST_EVENTS = (Finish, TranscriptFinish, SpeakFinish, ImagesFinish)
_CLOSE_TIMEOUT = 5.0
V = TypeVar(
    "V",
    EmbedResult,
    RerankResult,
    ModerateResult,
    DecideResult,
    Voices,
    tuple[int, ...],
    str,
    int,
)


class Hosted(
    Generator,
    Embedder,
    Reranker,
    Moderator,
    ImageModerator,
    Decider,
    Tokenizer,
    Transcriber,
    Speaker,
    ImageMaker,
):
    """An engine in a worker process.

    It has the methods of every capability; the class of the engine tells which ones work. A
    worker that takes longer than `close_timeout` seconds to close its engine is ended anyway, and
    one that is silent for longer than `limits` allow is killed.
    """

    def __init__(
        self, model: str, child: Child, slots: int, limits: SilenceLimits | None = None
    ) -> None:
        self.model = model
        self.slots = slots
        self.close_timeout = _CLOSE_TIMEOUT
        self._child = child
        self._connection = child.connection
        self._numbers = itertools.count()
        self._inboxes: dict[int, Inbox] = {}
        self._gone = False
        self._added: set[str] = set()  # the names of adapters
        self._decode = msgspec.msgpack.Decoder(Events | Result | Pong).decode
        self._watchdog = Watchdog(
            limits or SilenceLimits(), self._waits, lambda: self._send(Ping()), self._kill
        )
        self._connection.receive_with(self._receive)
        self._connection.closed.add_done_callback(self._end)

    @classmethod
    async def start(
        cls,
        engine: str,
        model: str,
        path: Path | None,
        options: Mapping[str, Any],
        adapters: Sequence[Adapter] = (),
        early: EarlyStart | None = None,
        limits: SilenceLimits | None = None,
    ) -> Hosted:
        """Start a worker and load `engine` in it. Raises the APIError that loading raised there.

        `early` may have a worker that is already loading it.
        """
        hello = Load(
            engine=engine,
            model=model,
            path=None if path is None else str(path),
            options=dict(options),
            adapters=tuple(adapters),
        )
        frame = pack(hello)
        limits = limits or SilenceLimits()
        hosted = None if early is None else await cls._adopted(model, frame, early, limits)
        hosted = hosted or await cls._loaded(model, await Child.start(WORKER, hello), limits)
        if early is not None:
            early.remember(frame, [one for one in (hello.path, *_paths(adapters)) if one])
        return hosted

    @classmethod
    async def _adopted(
        cls, model: str, frame: bytes, early: EarlyStart, limits: SilenceLimits
    ) -> Hosted | None:
        """The engine in the early worker, if that loads the same and succeeds."""
        child = await early.adopt(frame)
        if child is None:
            return None
        try:
            return await cls._loaded(model, child, limits)
        except APIError:
            return None

    @classmethod
    async def _loaded(cls, model: str, child: Child, limits: SilenceLimits) -> Hosted:
        frame = await child.first_frame(model, limits.load)
        match msgspec.msgpack.decode(frame, type=Ready | Failure):
            case Ready(slots=slots):
                return cls(model, child, slots, limits)
            case Failure() as failure:
                await child.stop()
                raise failure.error()
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Let the worker close the engine, which may save what it computed, and end it."""
        try:
            if self.alive():
                self._gone = True  # it gets no more calls
                self._connection.send(pack(Close()))
                async with asyncio.timeout(self.close_timeout):
                    await self._child.wait()
        except TimeoutError:
            self._child.kill()
        except asyncio.CancelledError:
            self._child.kill()
            raise
        finally:
            await self._child.stop()
        await self._connection.closed

    async def add_adapter(self, adapter: Adapter) -> None:
        if adapter.name not in self._added:
            await self._value(AdapterCall(adapter=adapter), str)
            self._added.add(adapter.name)

    def memory(self) -> int:
        return self._child.resident_bytes()

    def alive(self) -> bool:
        return not (self._gone or self._connection.is_closing())

    async def died(self) -> None:
        await asyncio.shield(self._connection.closed)

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

    async def rerank(self, request: RerankRequest) -> RerankResult:
        return await self._value(RerankCall(request=request), RerankResult)

    async def decide(self, request: DecideRequest) -> DecideResult:
        return await self._value(DecideCall(request=request), DecideResult)

    async def moderate(self, request: ModerateRequest) -> ModerateResult:
        return await self._value(ModerateCall(request=request), ModerateResult)

    async def moderate_images(self, request: ModerateImagesRequest) -> ModerateResult:
        return await self._value(ModerateImagesCall(request=request), ModerateResult)

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        return await self._value(TokenizeCall(text=text, special=special), tuple)

    async def detokenize(self, ids: Sequence[int]) -> str:
        return await self._value(DetokenizeCall(ids=tuple(ids)), str)

    async def count(self, chat: Chat) -> int:
        return await self._value(CountCall(chat=chat), int)

    async def _events(self, call: StreamCall) -> AsyncGenerator[Any, None]:
        """The events of a stream. The protocol ensures that they belong to the call."""
        number, inbox = self._call(call)
        ended = False
        try:
            while True:
                while inbox.empty():
                    await inbox.arrival()
                match inbox.take():
                    case Events(events=events):
                        ended = isinstance(events[-1], _LAST_EVENTS)
                        for event in events:
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
        number, inbox = self._call(call)
        answer: Answer = None
        try:
            while inbox.empty():
                await inbox.arrival()
            answer = inbox.take()
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

    def _call(self, call: AnyCall) -> tuple[int, Inbox]:
        if not self.alive():
            raise EngineCrashed(self.model)
        number = next(self._numbers)
        try:
            frame = pack(StartCall(id=number, request=call))
        except (OverflowError, UnicodeEncodeError) as error:
            raise InvalidRequest(
                "A number in the request has more than 64 bits, or a text is not valid Unicode.",
                code="invalid_value",
            ) from error

        def hold(held: bool) -> None:
            self._send(Hold(id=number) if held else Release(id=number))

        inbox = self._inboxes[number] = Inbox(hold)
        self._connection.send(frame)
        self._watchdog.start()
        return number, inbox

    def _forget(self, number: int, *, cancel: bool) -> None:
        del self._inboxes[number]
        if not self._inboxes:
            self._watchdog.stop()
        if cancel:
            self._send(Cancel(id=number))

    def _send(self, command: Command) -> None:
        if self.alive():
            self._connection.send(pack(command))

    def _receive(self, body: bytes) -> None:
        """Pass a frame to its call."""
        answer = self._decode(body)
        if isinstance(answer, Pong):
            self._watchdog.answer(answer.progress)
            return
        self._watchdog.hear()
        if isinstance(answer, Result) and answer.crashed:
            self._gone = True  # its connection ends soon; it gets no more calls
        if inbox := self._inboxes.get(answer.id):
            inbox.put(answer, len(body))

    def _waits(self) -> bool:
        """Whether an event is expected: the reader of some call has taken all that came."""
        return self.alive() and any(inbox.empty() for inbox in self._inboxes.values())

    def _kill(self, why: str) -> None:
        log.error("the worker of %s is killed: %s", self.model, why)
        self._gone = True
        self._child.kill()

    def _end(self, _: object) -> None:
        """The worker is gone: end all calls."""
        self._gone = True
        self._watchdog.stop()
        for inbox in self._inboxes.values():
            inbox.put(None)


def _paths(adapters: Sequence[Adapter]) -> list[str]:
    return [adapter.path for adapter in adapters]
