"""Events of the engine to `chat.completion` objects and chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from openedai.api.generation import Indexed, add_usage, fold
from openedai.api.wire import UsageObject, usage_object
from openedai.engines.base import Finish, TextDelta
from openedai.http.respond import DONE, data_frame


class Delta(msgspec.Struct, omit_defaults=True):
    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    refusal: UnsetType | None = UNSET


class ChunkChoice(msgspec.Struct):
    index: int
    delta: Delta
    logprobs: None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    id: str
    object: str
    created: int
    model: str
    service_tier: str
    system_fingerprint: str
    choices: tuple[ChunkChoice, ...]
    usage: UsageObject | UnsetType | None = UNSET


class AnswerMessage(msgspec.Struct):
    content: str
    role: str = "assistant"
    refusal: None = None
    annotations: tuple[()] = ()


class Choice(msgspec.Struct):
    index: int
    message: AnswerMessage
    finish_reason: str
    logprobs: None = None


class ChatCompletion(msgspec.Struct):
    id: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: UsageObject
    object: str = "chat.completion"
    service_tier: str = "default"


@dataclass(frozen=True)
class ChatCompletionRenderer:
    """What all chunks of one answer share."""

    id: str
    created: int
    model: str
    fingerprint: str
    choices: int

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> ChatCompletion:
        outcomes = await fold(events, self.choices)
        return ChatCompletion(
            id=self.id,
            created=self.created,
            model=self.model,
            system_fingerprint=self.fingerprint,
            choices=[
                Choice(index, AnswerMessage(outcome.text), outcome.finish.reason)
                for index, outcome in enumerate(outcomes)
            ],
            usage=usage_object(add_usage([o.finish for o in outcomes], self.choices)),
        )

    async def chunks(
        self, events: AsyncGenerator[Indexed, None], *, with_usage: bool
    ) -> AsyncGenerator[bytes, None]:
        nothing: UnsetType | None = None if with_usage else UNSET
        begun: set[int] = set()
        ends: dict[int, Finish] = {}

        def frame(index: int, delta: Delta, reason: str | None = None) -> bytes:
            choice = ChunkChoice(index, delta, finish_reason=reason)
            return data_frame(self._chunk((choice,), nothing))

        async with aclosing(events):
            async for index, event in events:
                if index not in begun:
                    begun.add(index)
                    yield frame(index, Delta(role="assistant", content="", refusal=None))
                match event:
                    case TextDelta(text=text):
                        yield frame(index, Delta(content=text))
                    case Finish(reason=reason):
                        ends[index] = event
                        yield frame(index, Delta(), reason)
        if with_usage:
            finishes = [ends[index] for index in range(self.choices)]
            usage = usage_object(add_usage(finishes, self.choices))
            yield data_frame(self._chunk((), usage))
        yield DONE

    def _chunk(
        self, choices: tuple[ChunkChoice, ...], usage: UsageObject | UnsetType | None
    ) -> Chunk:
        return Chunk(
            self.id,
            "chat.completion.chunk",
            self.created,
            self.model,
            "default",
            self.fingerprint,
            choices,
            usage,
        )
