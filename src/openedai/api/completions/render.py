"""Events of the engine to `text_completion` objects."""

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


class Choice(msgspec.Struct):
    text: str
    index: int
    logprobs: None = None
    finish_reason: str | None = None


class Completion(msgspec.Struct):
    """A whole answer, and each chunk of a streamed one."""

    id: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: UsageObject | UnsetType | None = UNSET
    object: str = "text_completion"


@dataclass(frozen=True)
class CompletionRenderer:
    """What all chunks of one answer share. `choices` counts those of one prompt, `total` all."""

    id: str
    created: int
    model: str
    fingerprint: str
    choices: int
    total: int

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> Completion:
        outcomes = await fold(events, self.total)
        choices = [
            Choice(outcome.text, index, finish_reason=outcome.finish.reason)
            for index, outcome in enumerate(outcomes)
        ]
        return self._object(choices, self._usage([outcome.finish for outcome in outcomes]))

    async def chunks(
        self, events: AsyncGenerator[Indexed, None], *, with_usage: bool
    ) -> AsyncGenerator[bytes, None]:
        nothing: UnsetType | None = None if with_usage else UNSET
        ends: dict[int, Finish] = {}
        async with aclosing(events):
            async for index, event in events:
                match event:
                    case TextDelta(text=text):
                        choice = Choice(text, index)
                    case Finish(reason=reason):
                        ends[index] = event
                        choice = Choice("", index, finish_reason=reason)
                yield data_frame(self._object([choice], nothing))
        if with_usage:
            yield data_frame(self._object([], self._usage([ends[i] for i in range(self.total)])))
        yield DONE

    def _usage(self, finishes: list[Finish]) -> UsageObject:
        return usage_object(add_usage(finishes, self.choices))

    def _object(self, choices: list[Choice], usage: UsageObject | UnsetType | None) -> Completion:
        return Completion(self.id, self.created, self.model, self.fingerprint, choices, usage)
