"""Events of the engine to `chat.completion` objects and chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from openedai.api.openai.chat.logprobs import ChatLogprobs, chat_logprobs
from openedai.api.parameters.sampling import StreamOptions
from openedai.api.parameters.usage import UsageObject, obfuscation, usage_object
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from openedai.http.respond import DONE, data_frame
from openedai.serving.generation import Indexed, Outcome, add_usage, fold


class FunctionDelta(msgspec.Struct, omit_defaults=True):
    """A call of `functions`, or what is inside a call of `tools`."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class CallDelta(msgspec.Struct, omit_defaults=True):
    index: int
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    function: FunctionDelta | UnsetType = UNSET


class Delta(msgspec.Struct, omit_defaults=True):
    role: str | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[CallDelta] | UnsetType = UNSET
    function_call: FunctionDelta | UnsetType = UNSET


class ChunkChoice(msgspec.Struct):
    index: int
    delta: Delta
    logprobs: ChatLogprobs | None = None
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
    obfuscation: str | UnsetType = UNSET


class Function(msgspec.Struct):
    name: str
    arguments: str


class Call(msgspec.Struct):
    id: str
    function: Function
    type: str = "function"


class AnswerMessage(msgspec.Struct):
    content: str | None
    role: str = "assistant"
    refusal: None = None
    annotations: tuple[()] = ()
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[Call] | UnsetType = UNSET
    function_call: Function | UnsetType = UNSET


class Choice(msgspec.Struct):
    index: int
    message: AnswerMessage
    finish_reason: str
    logprobs: ChatLogprobs | None = None


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
    """What all chunks of one answer share. With `old_functions` calls have the older shape."""

    id: str
    created: int
    model: str
    fingerprint: str
    choices: int
    logprobs: bool
    old_functions: bool
    options: StreamOptions

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> ChatCompletion:
        outcomes = await fold(events, self.choices)
        return ChatCompletion(
            id=self.id,
            created=self.created,
            model=self.model,
            system_fingerprint=self.fingerprint,
            choices=[self._choice(index, outcome) for index, outcome in enumerate(outcomes)],
            usage=usage_object(add_usage([o.finish for o in outcomes], self.choices)),
        )

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        options = self.options
        nothing: UnsetType | None = None if options.include_usage else UNSET
        begun: set[int] = set()
        ends: dict[int, Finish] = {}
        async with aclosing(events):
            async for index, event in events:
                if index not in begun:
                    begun.add(index)
                    first = self._first(event)
                    yield data_frame(self._chunk((ChunkChoice(index, first),), nothing))
                if isinstance(event, Finish):
                    ends[index] = event
                chunk = self._chunk((self._piece(index, event),), nothing)
                if options.include_obfuscation:
                    chunk.obfuscation = obfuscation(_shown(event))
                yield data_frame(chunk)
        if options.include_usage:
            finishes = [ends[index] for index in range(self.choices)]
            usage = usage_object(add_usage(finishes, self.choices))
            yield data_frame(self._chunk((), usage))
        yield DONE

    def _choice(self, index: int, outcome: Outcome) -> Choice:
        calls = [Call(c.id, Function(c.name, c.arguments)) for c in outcome.calls]
        message = AnswerMessage(
            content=None if calls and not outcome.text else outcome.text,
            reasoning_content=outcome.reasoning or UNSET,
        )
        if calls and self.old_functions:
            message.function_call = calls[0].function
        elif calls:
            message.tool_calls = calls
        logprobs = chat_logprobs(outcome.logprobs) if self.logprobs else None
        return Choice(index, message, self._reason(outcome.finish), logprobs)

    def _first(self, event: GenerateEvent) -> Delta:
        content = None if isinstance(event, ToolCallDelta) else ""
        return Delta(role="assistant", content=content, refusal=None)

    def _piece(self, index: int, event: GenerateEvent) -> ChunkChoice:
        match event:
            case TextDelta(text=text, logprobs=tokens):
                logprobs = chat_logprobs(tokens) if self.logprobs else None
                return ChunkChoice(index, Delta(content=text), logprobs)
            case ReasoningDelta(text=text):
                return ChunkChoice(index, Delta(reasoning_content=text))
            case ToolCallDelta():
                return ChunkChoice(index, self._call_piece(event))
            case Finish():
                return ChunkChoice(index, Delta(), finish_reason=self._reason(event))

    def _call_piece(self, event: ToolCallDelta) -> Delta:
        function = FunctionDelta(event.name or UNSET, event.arguments)
        if self.old_functions:
            return Delta(function_call=function)
        kind = "function" if event.id else UNSET
        return Delta(tool_calls=[CallDelta(event.index, event.id or UNSET, kind, function)])

    def _reason(self, finish: Finish) -> str:
        old = self.old_functions and finish.reason == "tool_calls"
        return "function_call" if old else finish.reason

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


def _shown(event: GenerateEvent) -> str:
    """The text in an event, whose length could be seen from outside."""
    match event:
        case TextDelta(text=text) | ReasoningDelta(text=text):
            return text
        case ToolCallDelta(name=name, arguments=arguments):
            return name + arguments
        case Finish():
            return ""
