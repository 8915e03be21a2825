"""The usage of an answer while it is streamed, for `continuous_usage_stats`."""

from __future__ import annotations

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from openedai.api.parameters.generation.sampling import StreamOptions
from openedai.api.parameters.generation.usage import UsageObject, usage_object
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    Usage,
)


class ChunkUsage:
    """The usage that each chunk of a stream has.

    It is missing without `include_usage`, and null with it, as in the official API. With
    `continuous_usage_stats` it is what was generated so far: the engine's numbers of the choices
    that have ended, and for the others a token for each delta and the prompt's once it is known.
    """

    def __init__(self, options: StreamOptions, generations: int, choices: int) -> None:
        """The answer has so many `generations`, and `choices` of them for each prompt."""
        self._plain: UnsetType | None = None if options.include_usage else UNSET
        self._usages = [Usage()] * generations if options.is_continuous else []
        self._choices = choices

    def after(self, index: int, event: object) -> UsageObject | UnsetType | None:
        """The usage of the chunks of an event of generation `index`."""
        if not self._usages:
            return self._plain
        self._usages[index] = _added(self._usages[index], event)
        return usage_object(self._total())

    def _total(self) -> Usage:
        """A prompt counts once, as soon as one of its answers has begun."""
        total = Usage()
        for first in range(0, len(self._usages), self._choices):
            answers = self._usages[first:][: self._choices]
            total = Usage(
                prompt_tokens=total.prompt_tokens + max(one.prompt_tokens for one in answers),
                cached_tokens=total.cached_tokens + answers[0].cached_tokens,
                completion_tokens=total.completion_tokens
                + sum(one.completion_tokens for one in answers),
                reasoning_tokens=total.reasoning_tokens
                + sum(one.reasoning_tokens for one in answers),
            )
        return total


def _added(usage: Usage, event: GenerateEvent | object) -> Usage:
    match event:
        case Started():
            return replace(
                usage, prompt_tokens=event.prompt_tokens, cached_tokens=event.cached_tokens
            )
        case ReasoningDelta():
            return replace(
                usage,
                completion_tokens=usage.completion_tokens + 1,
                reasoning_tokens=usage.reasoning_tokens + 1,
            )
        case TextDelta() | ToolCallDelta():
            return replace(usage, completion_tokens=usage.completion_tokens + 1)
        case Finish():
            return event.usage
        case _:
            return usage
