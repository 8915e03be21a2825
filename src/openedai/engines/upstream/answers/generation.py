"""The chunks of an upstream's stream as events of the contract.

Servers differ in what they leave out. What a chunk must have to be understood is checked by its
type; everything else may be missing or null.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from openedai.contract.chat import Chat
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from openedai.engines.upstream.answers.logprobs import Logprobs, parsed
from openedai.errors import PARAM, Unsupported
from openedai.prompts.reading.call_events import new_call_id

Reason = Literal["stop", "length", "tool_calls", "content_filter"]

_REASONS: dict[str, Reason] = {
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_FAILED = frozenset({"abort", "error"})


class FunctionPiece(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CallPiece(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None


class Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[CallPiece] | None = None


class Choice(msgspec.Struct):
    """`stop_reason` (vLLM) and `matched_stop` (SGLang) are the stop string, or a token's id."""

    index: int = 0
    delta: Delta | None = None
    text: str | None = None
    logprobs: Logprobs | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    matched_stop: Any = None


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Counts(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    def usage(self) -> Usage:
        prompt = max(0, self.prompt_tokens or 0)
        completion = max(0, self.completion_tokens or 0)
        cached = self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens
        thought = self.reasoning_tokens
        if self.completion_tokens_details is not None:
            thought = self.completion_tokens_details.reasoning_tokens or thought
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=min(prompt, max(0, cached or 0)),
            reasoning_tokens=min(completion, max(0, thought or 0)),
        )


class Chunk(msgspec.Struct):
    """`error` and the flat form of one, which some servers send inside of a stream."""

    choices: list[Choice] | None = None
    usage: Counts | None = None
    error: Any = None
    object: str | None = None


class Broken(ValueError):
    """The answer is none; the message says what the upstream did."""


class AnswerEvents:
    """Reads the chunks of one answer. Raises Broken for what is none, and Unsupported where it
    shows that the upstream ignored what was asked for.

    Text beside required calls is left out, and calls beside the only one that is allowed.
    """

    def __init__(self, request: GenerateRequest) -> None:
        chat = request.prompt if isinstance(request.prompt, Chat) else None
        self._logprobs = request.logprobs
        self._single = chat is not None and not chat.parallel_calls
        self._call_required = chat is not None and chat.call_required
        self._calls = _Calls()
        self._pending: list[TokenLogprob] = []
        self._said = False
        self._reason: str | None = None
        self._stops = request.stop
        self._stop: str | None = None
        self._usage = Usage()

    @property
    def complete(self) -> bool:
        """Whether the upstream said why its answer ended."""
        return self._reason is not None

    def read(self, chunk: Chunk) -> Iterator[GenerateEvent]:
        if chunk.usage is not None:
            self._usage = chunk.usage.usage()
        for choice in chunk.choices or ():
            if choice.index == 0:
                yield from self._choice(choice)

    def end(self) -> Iterator[GenerateEvent]:
        """What is left to say, and the Finish."""
        if self._reason is None:
            raise Broken("ended its answer too early")
        if self._reason in _FAILED:
            raise Broken("gave its answer up")
        if self._call_required and self._said and not self._calls.begun:
            raise _ignored("tool_choice")
        reason = _REASONS.get(self._reason, "stop")
        if self._calls.begun and reason == "stop":
            reason = "tool_calls"
        elif reason == "tool_calls" and not self._calls.begun:
            reason = "stop"
        if reason == "tool_calls":
            yield from self._calls.rest(self._single)
        yield Finish(reason=reason, usage=self._usage, stop=self._stop)

    def _choice(self, choice: Choice) -> Iterator[GenerateEvent]:
        delta = choice.delta or Delta(content=choice.text)
        if thought := delta.reasoning_content or delta.reasoning:
            yield ReasoningDelta(text=thought)
        self._pending.extend(parsed(choice.logprobs, self._logprobs or 0))
        if said := delta.content or delta.refusal:
            text = self._text(said)
            if not self._call_required:
                yield text
        for piece in delta.tool_calls or ():
            event = self._calls.add(piece)
            if event is not None and not (self._single and event.index):
                yield event
        self._reason = choice.finish_reason or self._reason
        for told in (choice.stop_reason, choice.matched_stop):
            if isinstance(told, str) and told in self._stops:
                self._stop = told

    def _text(self, text: str) -> TextDelta:
        first, self._said = not self._said, True
        if self._logprobs is None:
            return TextDelta(text=text)
        tokens, self._pending = tuple(self._pending), []
        if first and not tokens:
            raise _ignored("logprobs")
        return TextDelta(text=text, logprobs=tokens)


def _ignored(name: str) -> Unsupported:
    """The upstream answered as if a parameter had not been there."""
    return Unsupported(
        f"Unsupported parameter: '{PARAM}' has no effect in the upstream of this model.",
        code="unsupported_parameter",
        param=name,
    )


class _Calls:
    """Numbers calls from 0, whatever the upstream numbers them by."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._numbers: dict[int, int] = {}
        self._arguments: list[bool] = []

    @property
    def begun(self) -> bool:
        return bool(self._ids)

    def add(self, piece: CallPiece) -> ToolCallDelta | None:
        function = piece.function or FunctionPiece()
        arguments = function.arguments or ""
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(arguments).decode()
        number = self._known(piece)
        if number is None:
            return self._begin(piece, function.name, arguments)
        if not arguments:
            return None
        self._arguments[number] = True
        return ToolCallDelta(index=number, arguments=arguments)

    def rest(self, single: bool) -> Iterator[ToolCallDelta]:
        """Calls without arguments get those that are none, as JSON."""
        for number, said in enumerate(self._arguments[: 1 if single else None]):
            if not said:
                yield ToolCallDelta(index=number, arguments="{}")

    def _known(self, piece: CallPiece) -> int | None:
        """The call that a piece goes on with: another id under the same index is another call."""
        if piece.index is None:
            going_on = piece.id is None or piece.id in self._ids
            number = len(self._ids) - 1 if self._ids and going_on else None
            return None if piece.function and piece.function.name and not piece.id else number
        number = self._numbers.get(piece.index)
        if number is None or (piece.id and piece.id != self._ids[number]):
            return None
        return number

    def _begin(self, piece: CallPiece, name: str | None, arguments: str) -> ToolCallDelta:
        if not name:
            raise Broken("began a call of a tool without its name")
        number = len(self._ids)
        id = piece.id or new_call_id()
        self._ids.append(id)
        self._arguments.append(bool(arguments))
        self._numbers[number if piece.index is None else piece.index] = number
        return ToolCallDelta(index=number, id=id, name=name, arguments=arguments)
