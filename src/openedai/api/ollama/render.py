"""Events of the engine to Ollama's objects: the lines of a stream, or one for all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
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
from openedai.http.envelope import Exchange
from openedai.http.respond import json_line
from openedai.serving.generation import Indexed, Outcome, fold


class Function(msgspec.Struct):
    index: int
    name: str
    arguments: dict[str, Any]


class Call(msgspec.Struct):
    id: str
    function: Function


class AnswerMessage(msgspec.Struct, omit_defaults=True):
    role: str
    content: str
    thinking: str | UnsetType = UNSET
    tool_calls: list[Call] | UnsetType = UNSET


class Alternative(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int]


class Logprob(msgspec.Struct, omit_defaults=True):
    token: str
    logprob: float | None
    bytes: list[int]
    top_logprobs: list[Alternative] | UnsetType = UNSET


class Line(msgspec.Struct, omit_defaults=True):
    """An answer or a piece of one. Durations are in nanoseconds."""

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
    """`afterwards` is done when the model is free again, before the end is told."""

    model: str
    shape: Shape
    exchange: Exchange
    afterwards: Callable[[], Awaitable[None]]

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> Line:
        (outcome,) = await fold(self._timed(events), 1)
        line = self.line(
            outcome.text,
            outcome.reasoning,
            calls=_calls(outcome),
            logprobs=outcome.logprobs,
        )
        return await self._ended(line, outcome.finish)

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        """A call is told when it is whole, as Ollama does."""
        outcome = Outcome()
        async with aclosing(self._timed(events)) as timed:
            async for _, event in timed:
                match event:
                    case TextDelta(text=text, logprobs=logprobs):
                        yield json_line(self.line(text, logprobs=logprobs))
                    case ReasoningDelta(text=text):
                        yield json_line(self.line(thinking=text))
                    case ToolCallDelta() | Finish():
                        outcome.add(event)
        if calls := _calls(outcome):
            yield json_line(self.line(calls=calls))
        yield json_line(await self._ended(self.line(), outcome.finish))

    def line(
        self,
        text: str = "",
        thinking: str = "",
        *,
        calls: list[Call] | None = None,
        logprobs: Sequence[TokenLogprob] = (),
    ) -> Line:
        """A line that is not the end."""
        line = Line(self.model, now(), False)
        if logprobs:
            line.logprobs = [_logprob(token) for token in logprobs]
        if self.shape == "chat":
            line.message = AnswerMessage("assistant", text, thinking or UNSET, calls or UNSET)
        else:
            line.response, line.thinking = text, thinking or UNSET
        return line

    async def _timed(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[Indexed, None]:
        async with aclosing(events):
            async for pair in events:
                self.exchange.marks.setdefault("first", self.exchange.seconds)
                yield pair
            self.exchange.marks["last"] = self.exchange.seconds

    async def _ended(self, line: Line, finish: Finish) -> Line:
        marks = self.exchange.marks
        line.done = True
        line.done_reason = "length" if finish.reason == "length" else "stop"
        line.total_duration = nanoseconds(marks["last"])
        line.load_duration = nanoseconds(marks["leased"])
        line.prompt_eval_count = finish.usage.prompt_tokens
        line.prompt_eval_duration = nanoseconds(marks["first"] - marks["leased"])
        line.eval_count = finish.usage.completion_tokens
        line.eval_duration = nanoseconds(marks["last"] - marks["first"])
        await self.afterwards()
        return line


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _calls(outcome: Outcome) -> list[Call]:
    """Only whole calls have arguments that are an object: one that a limit cut is left out."""
    calls = []
    for index, call in enumerate(outcome.calls):
        arguments = _arguments(call)
        if arguments is not None:
            calls.append(Call(call.id, Function(index, call.name, arguments)))
        elif outcome.finish.reason == "tool_calls":
            raise EngineFailed(
                f"The model called `{call.name}` with arguments that are no JSON object."
            )
    return calls


def _arguments(call: ToolCall) -> dict[str, Any] | None:
    """None if they are no JSON object."""
    try:
        return msgspec.json.decode(call.arguments, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def _logprob(token: TokenLogprob) -> Logprob:
    top = [Alternative(other.token, other.logprob, list(other.raw)) for other in token.top]
    return Logprob(token.token, token.logprob, list(token.raw), top or UNSET)
