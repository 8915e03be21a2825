"""Reads the chunks of an upstream's stream as events of the contract.

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
    Usage,
)
from openedai.engines.upstream.answers.calls import CallDelta, FunctionDelta, ToolCalls
from openedai.engines.upstream.answers.logprobs import Logprobs, to_logprobs
from openedai.engines.upstream.answers.problems import MalformedAnswer, ReportedError, ignored
from openedai.prompts.reading.reasoning import AnswerPart

Reason = Literal["stop", "length", "tool_calls", "content_filter"]

_REASONS: dict[str, Reason] = {
    "length": "length",
    "max_length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_FAILED = frozenset({"abort", "error"})


class Delta(msgspec.Struct):
    """`content` may be a list of parts, with reasoning among them."""

    content: Any = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    tool_calls: list[CallDelta] | None = None
    function_call: FunctionDelta | None = None

    @property
    def empty(self) -> bool:
        return not (self.content or self.refusal or self.thought or self.calls)

    @property
    def thought(self) -> str | None:
        return self.reasoning_content or self.reasoning or self.thinking

    @property
    def calls(self) -> list[CallDelta]:
        if self.function_call is not None:
            return [CallDelta(index=0, function=self.function_call)]
        return self.tool_calls or []


class ChunkChoice(msgspec.Struct):
    """Some servers have a `message` instead of a `delta`, some have both. `stop_reason` (vLLM) and
    `matched_stop` (SGLang) are the stop string or the id of a token.
    """

    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
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
    """Token counts; `reasoning_tokens` are in either of two places, depending on the server."""

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

    Text is left out if calls are required; so are calls after the first if only one is allowed.
    """

    def __init__(self, request: GenerateRequest) -> None:
        chat = request.prompt if isinstance(request.prompt, Chat) else None
        self._logprobs = request.logprobs
        self._single = chat is not None and not chat.parallel_calls
        self._call_required = chat is not None and chat.call_required
        self._calls = ToolCalls()
        self._has_deltas = False
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
            if not choice.index:
                yield from self._choice(choice)

    def done(self) -> None:
        """Note that the upstream has ended the answer; some servers give no other reason."""
        self._reason = self._reason or "stop"

    def end(self) -> Iterator[GenerateEvent]:
        """The remaining events, the Finish last."""
        if self._reason is None:
            raise MalformedAnswer("ended its answer too early")
        if self._reason in _FAILED:
            raise MalformedAnswer("gave its answer up")
        self._calls.end()
        if self._call_required and self._has_text and not self._calls.started:
            raise ignored("tool_choice")
        reason = _REASONS.get(self._reason.lower(), "stop")
        if self._calls.started and reason == "stop":
            reason = "tool_calls"
        elif reason == "tool_calls" and not self._calls.started:
            reason = "stop"
        if reason == "tool_calls":
            yield from self._calls.complete_arguments(self._single)
        yield Finish(reason=reason, usage=self._usage, stop=self._stop)

    def _choice(self, choice: ChunkChoice) -> Iterator[GenerateEvent]:
        delta = self._delta(choice)
        if delta.thought:
            yield ReasoningDelta(text=delta.thought)
        self._pending.extend(to_logprobs(choice.logprobs, self._logprobs or 0))
        for kind, text in _texts(delta.content or delta.refusal or choice.text):
            if kind == "reasoning":
                yield ReasoningDelta(text=text)
                continue
            event = self._text_delta(text)
            if not self._call_required:
                yield event
        for part in delta.calls:
            call = self._calls.add(part)
            if call is not None and not (self._single and call.index):
                yield call
        self._reason = choice.finish_reason or self._reason
        for stop in (choice.stop_reason, choice.matched_stop):
            if isinstance(stop, str) and stop in self._stops:
                self._stop = stop

    def _delta(self, choice: ChunkChoice) -> Delta:
        """What the chunk adds. A message after deltas repeats all of them."""
        delta = choice.delta or Delta()
        self._has_deltas = self._has_deltas or not delta.empty
        message = None if self._has_deltas else choice.message
        return message or delta

    def _text_delta(self, text: str) -> TextDelta:
        first, self._has_text = not self._has_text, True
        if self._logprobs is None:
            return TextDelta(text=text)
        tokens, self._pending = tuple(self._pending), []
        if first and not tokens:
            raise ignored("logprobs")
        return TextDelta(text=text, logprobs=tokens)


def _texts(content: Any) -> Iterator[tuple[AnswerPart, str]]:
    """The texts of a content: a string, a part, or a list of parts. Raises MalformedAnswer."""
    match content:
        case None | "":
            return
        case str():
            yield "answer", content
        case list():
            for part in content:
                yield from _texts(part)
        case {"type": "thinking" | "reasoning" as kind}:
            text = content.get(kind) or content.get("text")
            yield from (("reasoning", one) for _, one in _texts(text))
        case dict():
            yield from _texts(content.get("text") or content.get("refusal"))
        case _:
            raise MalformedAnswer("answered with a content that is no text")
