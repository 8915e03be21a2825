"""Turns the engine's events into `chat.completion` objects and chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from openedai.api.parameters.chats.custom_inputs import InputReader, input_of
from openedai.api.parameters.chats.logprobs import ChatLogprobs, chat_logprobs
from openedai.api.parameters.generation.prompt_logprobs import PromptLogprobs, prompt_logprobs
from openedai.api.parameters.generation.running_usage import ChunkUsage
from openedai.api.parameters.generation.sampling import StreamOptions
from openedai.api.parameters.generation.usage import UsageObject, usage_object
from openedai.api.parameters.streams import DONE, obfuscation
from openedai.contract.chat import ToolCall
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
)
from openedai.http.respond import TextFrames, data_frame
from openedai.serving.outcome import Indexed, Outcome, fold, total_usage


class FunctionChunk(msgspec.Struct, omit_defaults=True):
    """A part of a function call: of the older `functions`, or inside a call of `tools`."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class CustomChunk(msgspec.Struct, omit_defaults=True):
    """A part of a call of a custom tool."""

    name: str | UnsetType = UNSET
    input: str | UnsetType = UNSET


class ToolCallChunk(msgspec.Struct, omit_defaults=True):
    index: int
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    function: FunctionChunk | UnsetType = UNSET
    custom: CustomChunk | UnsetType = UNSET


class AudioDelta(msgspec.Struct, omit_defaults=True):
    """A part of a spoken answer."""

    id: str | UnsetType = UNSET
    transcript: str | UnsetType = UNSET
    data: str | UnsetType = UNSET
    expires_at: int | UnsetType = UNSET


# The index of a choice, and an event of it.
Spoken = tuple[int, GenerateEvent | AudioDelta]


class Delta(msgspec.Struct, omit_defaults=True):
    role: str | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallChunk] | UnsetType = UNSET
    function_call: FunctionChunk | UnsetType = UNSET
    audio: AudioDelta | UnsetType = UNSET


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
    moderation: msgspec.Struct | UnsetType = UNSET


class FunctionCall(msgspec.Struct):
    name: str
    arguments: str


class CustomCall(msgspec.Struct):
    name: str
    input: str


class ToolCallObject(msgspec.Struct):
    id: str
    function: FunctionCall
    type: str = "function"


class CustomCallObject(msgspec.Struct):
    id: str
    custom: CustomCall
    type: str = "custom"


class AudioObject(msgspec.Struct):
    id: str
    data: str
    expires_at: int
    transcript: str


class AnswerMessage(msgspec.Struct):
    content: str | None
    role: str = "assistant"
    refusal: None = None
    annotations: tuple[()] = ()
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallObject | CustomCallObject] | UnsetType = UNSET
    function_call: FunctionCall | UnsetType = UNSET
    audio: AudioObject | UnsetType = UNSET


class ChatChoice(msgspec.Struct):
    index: int
    message: AnswerMessage
    finish_reason: str
    logprobs: ChatLogprobs | None = None


class ChatCompletion(msgspec.Struct):
    id: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: UsageObject
    object: str = "chat.completion"
    service_tier: str = "default"
    prompt_logprobs: PromptLogprobs | UnsetType = UNSET
    moderation: msgspec.Struct | UnsetType = UNSET


@dataclass(frozen=True)
class ChatCompletionRenderer:
    """Renders one answer, whole or as chunks. With `old_functions` calls have the older shape.
    Calls of the tools in `custom_names` have one text as their input.
    """

    id: str
    created: int
    model: str
    fingerprint: str
    choices: int
    logprobs: bool
    old_functions: bool
    custom_names: frozenset[str]
    options: StreamOptions

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> ChatCompletion:
        return self.completion(await fold(events, self.choices))

    def completion(self, outcomes: Sequence[Outcome]) -> ChatCompletion:
        """The whole answer; `outcomes` has one for each choice."""
        return ChatCompletion(
            id=self.id,
            created=self.created,
            model=self.model,
            system_fingerprint=self.fingerprint,
            choices=[self._choice(index, outcome) for index, outcome in enumerate(outcomes)],
            usage=usage_object(total_usage([o.finish for o in outcomes], self.choices)),
            prompt_logprobs=prompt_logprobs(outcomes[0].finish),
        )

    async def chunks(self, events: AsyncGenerator[Spoken, None]) -> AsyncGenerator[bytes, None]:
        options = self.options
        chunk_usage = ChunkUsage(options, self.choices, self.choices)
        text_frames: dict[int, TextFrames] = {}
        finishes: dict[int, Finish] = {}
        calls: dict[int, _CallDeltas] = {}
        plain = not (self.logprobs or options.include_obfuscation or options.is_continuous)
        async with aclosing(events):
            async for index, event in events:
                usage = chunk_usage.after(index, event)
                if index not in text_frames:
                    text_frames[index] = self._text_frames(index, usage)
                    calls[index] = _CallDeltas(self.custom_names)
                    first = self._first_delta(event)
                    yield data_frame(self.chunk((ChunkChoice(index, first),), usage))
                if isinstance(event, Started):
                    continue
                if isinstance(event, TextDelta) and plain:
                    yield text_frames[index].frame(event.text)
                    continue
                if isinstance(event, Finish):
                    finishes[index] = event
                    for delta in calls[index].end():
                        yield data_frame(self.chunk((ChunkChoice(index, delta),), usage))
                made = self._chunk_choice(index, event, calls[index])
                chunk = self.chunk((made,), usage)
                if options.include_obfuscation:
                    chunk.obfuscation = obfuscation(_visible_text(event))
                yield data_frame(chunk)
        if options.include_usage:
            ordered = [finishes[index] for index in range(self.choices)]
            yield data_frame(self.chunk((), usage_object(total_usage(ordered, self.choices))))
        yield DONE

    def _text_frames(self, index: int, usage: UsageObject | UnsetType | None) -> TextFrames:
        """Makes the frames of the choice's text, without log probabilities and obfuscation."""
        chunk = self.chunk((ChunkChoice(index, Delta(content="")),), usage)
        return TextFrames(data_frame(chunk), "content")

    def _choice(self, index: int, outcome: Outcome) -> ChatChoice:
        calls = [self._call(call) for call in outcome.tool_calls]
        message = AnswerMessage(
            content=None if calls and not outcome.text else outcome.text,
            reasoning_content=outcome.reasoning or UNSET,
        )
        if calls and self.old_functions:
            first = outcome.tool_calls[0]
            message.function_call = FunctionCall(first.name, first.arguments)
        elif calls:
            message.tool_calls = calls
        logprobs = chat_logprobs(outcome.logprobs) if self.logprobs else None
        return ChatChoice(index, message, self._reason(outcome.finish), logprobs)

    def _call(self, call: ToolCall) -> ToolCallObject | CustomCallObject:
        if call.name in self.custom_names:
            return CustomCallObject(call.id, CustomCall(call.name, input_of(call.arguments)))
        return ToolCallObject(call.id, FunctionCall(call.name, call.arguments))

    def _first_delta(self, event: GenerateEvent | AudioDelta) -> Delta:
        content = None if isinstance(event, ToolCallDelta | AudioDelta) else ""
        return Delta(role="assistant", content=content, refusal=None)

    def _chunk_choice(
        self, index: int, event: GenerateEvent | AudioDelta, calls: _CallDeltas
    ) -> ChunkChoice:
        match event:
            case TextDelta(text=text, logprobs=tokens):
                logprobs = chat_logprobs(tokens) if self.logprobs else None
                return ChunkChoice(index, Delta(content=text), logprobs)
            case ReasoningDelta(text=text):
                return ChunkChoice(index, Delta(reasoning_content=text))
            case ToolCallDelta():
                if self.old_functions:
                    function = FunctionChunk(event.name or UNSET, event.arguments)
                    return ChunkChoice(index, Delta(function_call=function))
                return ChunkChoice(index, calls.delta(event))
            case AudioDelta():
                return ChunkChoice(index, Delta(audio=event))
            case Finish():
                return ChunkChoice(index, Delta(), finish_reason=self._reason(event))
            case Started():
                return ChunkChoice(index, Delta())

    def _reason(self, finish: Finish) -> str:
        old = self.old_functions and finish.reason == "tool_calls"
        return "function_call" if old else finish.reason

    def chunk(
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


class _CallDeltas:
    """The calls of one choice, while they are being written."""

    def __init__(self, custom_names: frozenset[str]) -> None:
        self._custom_names = custom_names
        self._inputs: dict[int, InputReader] = {}

    def delta(self, event: ToolCallDelta) -> Delta:
        if event.name in self._custom_names:
            self._inputs[event.index] = InputReader()
        call_id, name = event.id or UNSET, event.name or UNSET
        if (reader := self._inputs.get(event.index)) is not None:
            custom = CustomChunk(name, reader.feed(event.arguments))
            call_type = "custom" if event.id else UNSET
            return Delta(tool_calls=[ToolCallChunk(event.index, call_id, call_type, custom=custom)])
        function = FunctionChunk(name, event.arguments)
        call_type = "function" if event.id else UNSET
        return Delta(tool_calls=[ToolCallChunk(event.index, call_id, call_type, function)])

    def end(self) -> Iterator[Delta]:
        """The rest of the inputs that were not written as expected."""
        for index, reader in self._inputs.items():
            if rest := reader.end():
                yield Delta(tool_calls=[ToolCallChunk(index, custom=CustomChunk(input=rest))])


def _visible_text(event: GenerateEvent | AudioDelta) -> str:
    """The text of an event; an observer of the traffic could see its length."""
    match event:
        case TextDelta(text=text) | ReasoningDelta(text=text):
            return text
        case ToolCallDelta(name=name, arguments=arguments):
            return name + arguments
        case AudioDelta(transcript=str() as text):
            return text
        case AudioDelta() | Finish() | Started():
            return ""
