"""Turns the engine's events into Ollama's objects: the lines of a stream, or one object."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from openedai.api.ollama.values import now
from openedai.contract.chat import ToolCall
from openedai.contract.generate import (
    Finish,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from openedai.errors import EngineFailed
from openedai.http.exchange import Exchange
from openedai.http.respond import json_line
from openedai.serving.outcome import Indexed, Outcome, fold


class FunctionCall(msgspec.Struct):
    index: int
    name: str
    arguments: dict[str, Any]


class ToolCallObject(msgspec.Struct):
    id: str
    function: FunctionCall


class AnswerMessage(msgspec.Struct, omit_defaults=True):
    role: str
    content: str
    thinking: str | UnsetType = UNSET
    tool_calls: list[ToolCallObject] | UnsetType = UNSET


class TopLogprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int]


class Logprob(msgspec.Struct, omit_defaults=True):
    token: str
    logprob: float | None
    bytes: list[int]
    top_logprobs: list[TopLogprob] | UnsetType = UNSET


class Line(msgspec.Struct, omit_defaults=True):
    """An answer or a part of one. Durations are in nanoseconds."""

    model: str
    created_at: str
    done: bool
    message: AnswerMessage | UnsetType = UNSET
    response: str | UnsetType = UNSET
    thinking: str | UnsetType = UNSET
    logprobs: list[Logprob] | UnsetType = UNSET
    done_reason: str | UnsetType = UNSET
    total_duration: int | UnsetType = UNSET
    load_duration: int | UnsetType = UNSET
    prompt_eval_count: int | UnsetType = UNSET
    prompt_eval_duration: int | UnsetType = UNSET
    eval_count: int | UnsetType = UNSET
    eval_duration: int | UnsetType = UNSET


Shape = Literal["chat", "generate"]


@dataclass(frozen=True)
class OllamaRenderer:
    """The times of the answer are read from `exchange`."""

    model: str
    shape: Shape
    exchange: Exchange

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> Line:
        (outcome,) = await fold(events, 1)
        line = self.line(
            outcome.text,
            outcome.reasoning,
            calls=_calls(outcome),
            logprobs=outcome.logprobs,
        )
        return self._last(line, outcome.finish)

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        """A call is sent when it is complete, as Ollama does."""
        outcome = Outcome()
        async with aclosing(events):
            async for _, event in events:
                match event:
                    case TextDelta(text=text, logprobs=logprobs):
                        yield json_line(self.line(text, logprobs=logprobs))
                    case ReasoningDelta(text=text):
                        yield json_line(self.line(thinking=text))
                    case ToolCallDelta() | Finish():
                        outcome.add(event)
        if calls := _calls(outcome):
            yield json_line(self.line(calls=calls))
        yield json_line(self._last(self.line(), outcome.finish))

    def line(
        self,
        text: str = "",
        thinking: str = "",
        *,
        calls: list[ToolCallObject] | None = None,
        logprobs: Sequence[TokenLogprob] = (),
    ) -> Line:
        """A line that is not the last one."""
        line = Line(self.model, now(), False)
        if logprobs:
            line.logprobs = [_logprob(token) for token in logprobs]
        if self.shape == "chat":
            line.message = AnswerMessage("assistant", text, thinking or UNSET, calls or UNSET)
        else:
            line.response, line.thinking = text, thinking or UNSET
        return line

    def _last(self, line: Line, finish: Finish) -> Line:
        """The line as the last one of the answer."""
        leased = self.exchange.leased_at or 0.0
        first = self.exchange.first_event_at or leased
        last = self.exchange.last_event_at or first
        line.done = True
        line.done_reason = "length" if finish.reason == "length" else "stop"
        line.total_duration = nanoseconds(last)
        line.load_duration = nanoseconds(leased)
        line.prompt_eval_count = finish.usage.prompt_tokens
        line.prompt_eval_duration = nanoseconds(first - leased)
        line.eval_count = finish.usage.completion_tokens
        line.eval_duration = nanoseconds(last - first)
        return line


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _calls(outcome: Outcome) -> list[ToolCallObject]:
    """Complete calls, whose arguments are an object: one that a limit cut is left out."""
    calls = []
    for index, call in enumerate(outcome.tool_calls):
        arguments = _arguments(call)
        if arguments is not None:
            calls.append(ToolCallObject(call.id, FunctionCall(index, call.name, arguments)))
        elif outcome.finish.reason == "tool_calls":
            raise EngineFailed(
                f"The model called `{call.name}` with arguments that are no JSON object."
            )
    return calls


def _arguments(call: ToolCall) -> dict[str, Any] | None:
    """None if they are not a JSON object."""
    try:
        return msgspec.json.decode(call.arguments, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def _logprob(token: TokenLogprob) -> Logprob:
    top = [TopLogprob(other.token, other.logprob, list(other.raw)) for other in token.top]
    return Logprob(token.token, token.logprob, list(token.raw), top or UNSET)
