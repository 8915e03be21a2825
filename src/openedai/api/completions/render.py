"""Events of the engine to `text_completion` objects."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from openedai.api.services import Indexed, add_usage
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
class Answer:
    """What all chunks of one answer share. `choices` counts those of one prompt, `total` all."""

    id: str
    created: int
    model: str
    fingerprint: str
    choices: int
    total: int

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> Completion:
        """Fold the events of every choice into one object."""
        texts: list[list[str]] = [[] for _ in range(self.total)]
        ends: dict[int, Finish] = {}
        async with aclosing(events):
            async for index, event in events:
                match event:
                    case TextDelta(text=text):
                        texts[index].append(text)
                    case Finish():
                        ends[index] = event
        choices = [
            Choice("".join(pieces), index, finish_reason=ends[index].reason)
            for index, pieces in enumerate(texts)
        ]
        return self._object(choices, self._usage(ends))

    async def chunks(
        self, events: AsyncGenerator[Indexed, None], *, with_usage: bool
    ) -> AsyncGenerator[bytes, None]:
        """The same as server-sent events."""
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
            yield data_frame(self._object([], self._usage(ends)))
        yield DONE

    def _usage(self, ends: dict[int, Finish]) -> UsageObject:
        finishes = [ends[index] for index in range(self.total)]
        return usage_object(add_usage(finishes, self.choices))

    def _object(self, choices: list[Choice], usage: UsageObject | UnsetType | None) -> Completion:
        return Completion(self.id, self.created, self.model, self.fingerprint, choices, usage)
