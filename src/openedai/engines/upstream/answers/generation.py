"""The chunks of an upstream's stream as events of the contract.

Servers differ in what they leave out. What a chunk must have is checked by its type; everything
else may be missing or null.
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
from openedai.engines.upstream.answers.logprobs import Logprobs, to_logprobs
from openedai.engines.upstream.answers.problems import MalformedAnswer, ReportedError, ignored
from openedai.prompts.reading.call_events import new_call_id

Reason = Literal["stop", "length", "tool_calls", "content_filter"]

_REASONS: dict[str, Reason] = {
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_FAILED = frozenset({"abort", "error"})


class FunctionDelta(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CallDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[CallDelta] | None = None


class ChunkChoice(msgspec.Struct):
    """`stop_reason` (vLLM) and `matched_stop` (SGLang) are the stop string or a token's id."""

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


class UsageCounts(msgspec.Struct):
    """Token counts; servers have `reasoning_tokens` in either place."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    def usage(self) -> Usage:
        """The counts as the contract has them: missing ones are 0, and none is negative."""
        prompt = max(0, self.prompt_tokens or 0)
        completion = max(0, self.completion_tokens or 0)
        cached = self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens
        reasoning = self.reasoning_tokens
        if self.completion_tokens_details is not None:
            reasoning = self.completion_tokens_details.reasoning_tokens or reasoning
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=min(prompt, max(0, cached or 0)),
            reasoning_tokens=min(completion, max(0, reasoning or 0)),
        )


class Chunk(ReportedError):
    choices: list[ChunkChoice] | None = None
    usage: UsageCounts | None = None


class AnswerEvents:
    """Reads the chunks of one answer. Raises MalformedAnswer, and Unsupported where the answer
    shows that the upstream ignored a parameter.

    Text is left out where calls are required; so are calls after the first where only one is
    allowed.
    """

    def __init__(self, request: GenerateRequest) -> None:
        chat = request.prompt if isinstance(request.prompt, Chat) else None
        self._logprobs = request.logprobs
        self._single = chat is not None and not chat.parallel_calls
        self._call_required = chat is not None and chat.call_required
        self._calls = _ToolCalls()
        self._pending: list[TokenLogprob] = []
        self._has_text = False
        self._reason: str | None = None
        self._stops = request.stop
        self._stop: str | None = None
        self._usage = Usage()

    @property
    def complete(self) -> bool:
        """Whether the upstream gave the reason for the end of its answer."""
        return self._reason is not None

    def read(self, chunk: Chunk) -> Iterator[GenerateEvent]:
        """The events of the next chunk."""
        if chunk.usage is not None:
            self._usage = chunk.usage.usage()
        for choice in chunk.choices or ():
            if choice.index == 0:
                yield from self._choice(choice)

    def end(self) -> Iterator[GenerateEvent]:
        """The remaining events, the Finish last."""
        if self._reason is None:
            raise MalformedAnswer("ended its answer too early")
        if self._reason in _FAILED:
            raise MalformedAnswer("gave its answer up")
        if self._call_required and self._has_text and not self._calls.started:
            raise ignored("tool_choice")
        reason = _REASONS.get(self._reason, "stop")
        if self._calls.started and reason == "stop":
            reason = "tool_calls"
        elif reason == "tool_calls" and not self._calls.started:
            reason = "stop"
        if reason == "tool_calls":
            yield from self._calls.complete_arguments(self._single)
        yield Finish(reason=reason, usage=self._usage, stop=self._stop)

    def _choice(self, choice: ChunkChoice) -> Iterator[GenerateEvent]:
        delta = choice.delta or Delta(content=choice.text)
        if reasoning := delta.reasoning_content or delta.reasoning:
            yield ReasoningDelta(text=reasoning)
        self._pending.extend(to_logprobs(choice.logprobs, self._logprobs or 0))
        if text := delta.content or delta.refusal:
            event = self._text_delta(text)
            if not self._call_required:
                yield event
        for part in delta.tool_calls or ():
            call = self._calls.add(part)
            if call is not None and not (self._single and call.index):
                yield call
        self._reason = choice.finish_reason or self._reason
        for stop in (choice.stop_reason, choice.matched_stop):
            if isinstance(stop, str) and stop in self._stops:
                self._stop = stop

    def _text_delta(self, text: str) -> TextDelta:
        first, self._has_text = not self._has_text, True
        if self._logprobs is None:
            return TextDelta(text=text)
        tokens, self._pending = tuple(self._pending), []
        if first and not tokens:
            raise ignored("logprobs")
        return TextDelta(text=text, logprobs=tokens)


class _ToolCalls:
    """Numbers tool calls from 0, whatever indices the upstream gives them."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._numbers: dict[int, int] = {}
        self._has_arguments: list[bool] = []

    @property
    def started(self) -> bool:
        return bool(self._ids)

    def add(self, part: CallDelta) -> ToolCallDelta | None:
        function = part.function or FunctionDelta()
        arguments = function.arguments or ""
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(arguments).decode()
        number = self._number_of(part)
        if number is None:
            return self._start(part, function.name, arguments)
        if not arguments:
            return None
        self._has_arguments[number] = True
        return ToolCallDelta(index=number, arguments=arguments)

    def complete_arguments(self, single: bool) -> Iterator[ToolCallDelta]:
        """An empty JSON object for each call that has no arguments."""
        for number, has_arguments in enumerate(self._has_arguments[: 1 if single else None]):
            if not has_arguments:
                yield ToolCallDelta(index=number, arguments="{}")

    def _number_of(self, part: CallDelta) -> int | None:
        """The number of the call that `part` continues; None if it starts one. A different id under
        the same index starts another call.
        """
        if part.index is None:
            continues = part.id is None or part.id in self._ids
            number = len(self._ids) - 1 if self._ids and continues else None
            return None if part.function and part.function.name and not part.id else number
        number = self._numbers.get(part.index)
        if number is None or (part.id and part.id != self._ids[number]):
            return None
        return number

    def _start(self, part: CallDelta, name: str | None, arguments: str) -> ToolCallDelta:
        if not name:
            raise MalformedAnswer("began a call of a tool without its name")
        number = len(self._ids)
        id = part.id or new_call_id()
        self._ids.append(id)
        self._has_arguments.append(bool(arguments))
        self._numbers[number if part.index is None else part.index] = number
        return ToolCallDelta(index=number, id=id, name=name, arguments=arguments)
