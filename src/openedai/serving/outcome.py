"""The outcome of a generation. This is the only place where events are folded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, Self

from openedai.contract.chat import ToolCall
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from openedai.errors import EngineFailed

# The index of a generation, and an event of it.
Indexed = tuple[int, GenerateEvent]


@dataclass(slots=True)
class Section:
    """A run of text, of reasoning, or one tool call, as its deltas.

    The deltas of a call are its arguments; `id` and `name` are the call's.
    """

    type: Literal["text", "reasoning", "tool_call"]
    id: str = ""
    name: str = ""
    deltas: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.deltas)


@dataclass(slots=True)
class Outcome:
    """One generation so far: its sections in order, and how it ended, once it has."""

    sections: list[Section] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    _calls: list[Section] = field(default_factory=list)
    _finish: Finish | None = None

    @classmethod
    def of(cls, events: Iterable[GenerateEvent]) -> Self:
        outcome = cls()
        for event in events:
            outcome.add(event)
        return outcome

    @property
    def text(self) -> str:
        return "".join(section.text for section in self.sections if section.type == "text")

    @property
    def text_deltas(self) -> list[str]:
        texts = (section.deltas for section in self.sections if section.type == "text")
        return [delta for deltas in texts for delta in deltas]

    @property
    def reasoning(self) -> str:
        return "".join(section.text for section in self.sections if section.type == "reasoning")

    @property
    def tool_calls(self) -> list[ToolCall]:
        return [ToolCall(id=call.id, name=call.name, arguments=call.text) for call in self._calls]

    @property
    def finish(self) -> Finish:
        """The last event. Raises EngineFailed if the generation ended without it."""
        if self._finish is None:
            raise EngineFailed("The engine ended its answer without saying why.")
        return self._finish

    def add(self, event: GenerateEvent) -> None:
        match event:
            case TextDelta(text=text, logprobs=logprobs):
                self._section("text").deltas.append(text)
                self.logprobs.extend(logprobs)
            case ReasoningDelta(text=text):
                self._section("reasoning").deltas.append(text)
            case ToolCallDelta():
                self._call(event).deltas.append(event.arguments)
            case Finish():
                self._finish = event

    def _section(self, type: Literal["text", "reasoning"]) -> Section:
        if not self.sections or self.sections[-1].type != type:
            self.sections.append(Section(type))
        return self.sections[-1]

    def _call(self, delta: ToolCallDelta) -> Section:
        if delta.index == len(self._calls):
            call = Section("tool_call", delta.id, delta.name)
            self._calls.append(call)
            self.sections.append(call)
        return self._calls[delta.index]


async def fold(events: AsyncGenerator[Indexed, None], count: int) -> list[Outcome]:
    """The outcomes of `count` generations, in their order."""
    outcomes = [Outcome() for _ in range(count)]
    async with aclosing(events):
        async for index, event in events:
            outcomes[index].add(event)
    return outcomes


def total_usage(finishes: Sequence[Finish], choices: int) -> Usage:
    """The usage of a request with several prompts and `choices` for each.

    A prompt counts once, however many answers it got.
    """
    prompts = [finish.usage for finish in finishes[::choices]]
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in prompts),
        cached_tokens=sum(usage.cached_tokens for usage in prompts),
        completion_tokens=sum(finish.usage.completion_tokens for finish in finishes),
        reasoning_tokens=sum(finish.usage.reasoning_tokens for finish in finishes),
    )
