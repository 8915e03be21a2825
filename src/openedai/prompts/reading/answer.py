"""Reads the text that a model generates, chunk by chunk, into the events of an answer.

    text ─▶ stop strings ─▶ reasoning ─▶ tool calls ─▶ events

A continuation of a raw prompt has stop strings only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from openedai.contract.chat import Chat
from openedai.contract.generate import ReasoningDelta, TextDelta, TokenLogprob, ToolCallDelta
from openedai.prompts.reading.call_events import new_call_id
from openedai.prompts.reading.reasoning import AnswerPart, ReasoningSplitter
from openedai.prompts.reading.repeated_calls import RepeatedCalls
from openedai.prompts.reading.stops import StopFilter
from openedai.prompts.reading.tool_calls import ToolCallReader
from openedai.prompts.tool_call_formats import MAX_CALLS

Delta = TextDelta | ReasoningDelta | ToolCallDelta


class AnswerReader:
    """Reads one answer. `in_reasoning`: the text read last belongs to a block of reasoning.

    An answer ends at one of the requested `stops`, which `keep_stop` makes part of it, or at one of
    the `model_stops`, which end every answer of this model.
    """

    def __init__(
        self, stops: Sequence[str], model_stops: Sequence[str] = (), *, keep_stop: bool = False
    ) -> None:
        self._requested_stops = frozenset(stops)
        self._stops: StopFilter | None = None
        if stops or model_stops:
            kept = self._requested_stops if keep_stop else ()
            self._stops = StopFilter([*stops, *model_stops], kept)
        self._logprobs: list[TokenLogprob] = []
        self.in_reasoning = False

    @property
    def done(self) -> bool:
        """Whether the answer is complete: further text does not belong to it."""
        return self._stops is not None and self._stops.found is not None

    @property
    def stop(self) -> str | None:
        """The requested stop that ended the answer, if one did."""
        found = None if self._stops is None else self._stops.found
        return found if found in self._requested_stops else None

    def feed(
        self, text: str, logprobs: Iterable[TokenLogprob] = (), *, may_stop: bool = True
    ) -> list[Delta]:
        """The events for the next chunk of the text, with the `logprobs` of its tokens. At first
        the answer may be too short for stop strings to count.
        """
        self._logprobs.extend(logprobs)
        if self._stops is not None and may_stop:
            text = self._stops.feed(text)
        return self._with_logprobs(self._read(text)) if text else []

    def end(self) -> list[Delta]:
        """The events for the text that was held back. Call this when no more text comes."""
        rest = self._stops.flush() if self._stops is not None else ""
        return self._with_logprobs((self._read(rest) if rest else []) + self._read_rest())

    def finish_reason(self, *, truncated: bool) -> Literal["stop", "length", "tool_calls"]:
        """Why the answer ended. `truncated`: a limit ended the generation."""
        return "length" if truncated and not self.done else "stop"

    def _read(self, text: str) -> list[Delta]:
        return [TextDelta(text=text)]

    def _read_rest(self) -> list[Delta]:
        return []

    def _with_logprobs(self, deltas: list[Delta]) -> list[Delta]:
        """Attach the tokens read so far to the first text delta; without one they are dropped."""
        if not self._logprobs or not deltas:
            return deltas
        tokens, self._logprobs = tuple(self._logprobs), []
        for index, delta in enumerate(deltas):
            if isinstance(delta, TextDelta):
                deltas[index] = TextDelta(text=delta.text, logprobs=tokens)
                break
        return deltas


class ChatReader(AnswerReader):
    """Reads an answer in a conversation, which may contain reasoning and tool calls.

    `reasoning_open`: the prompt ends inside a block of reasoning. Line feeds before the answer are
    dropped; with `strip` all white space is. It ends after `max_calls` tool calls, and before one
    that is equal to the call before it.
    """

    def __init__(
        self,
        chat: Chat,
        stops: Sequence[str],
        *,
        new_id: Callable[[], str] = new_call_id,
        model_stops: Sequence[str] = (),
        keep_stop: bool = False,
        reasoning_open: bool = False,
        strip: bool = False,
        max_calls: int = MAX_CALLS,
    ) -> None:
        super().__init__(stops, model_stops, keep_stop=keep_stop)
        self._splitter = ReasoningSplitter(already_open=reasoning_open)
        self._calls = (
            ToolCallReader(chat.tools, chat.parallel_calls, new_id) if chat.tools else None
        )
        self._repeated = RepeatedCalls(max_calls)
        self._call_required = chat.call_required
        self._leading = None if strip else "\r\n"
        self._answering = chat.continue_last
        self.in_reasoning = reasoning_open

    @property
    def done(self) -> bool:
        return super().done or self._calls_done

    def finish_reason(self, *, truncated: bool) -> Literal["stop", "length", "tool_calls"]:
        if self._repeated.done:
            return "tool_calls"
        calls = self._calls
        ended = self._calls_done or not truncated
        if calls is not None and calls.has_complete_calls and ended:
            return "tool_calls"
        return super().finish_reason(truncated=truncated)

    def _read(self, text: str) -> list[Delta]:
        return self._deltas(self._splitter.feed(text))

    def _read_rest(self) -> list[Delta]:
        deltas = self._deltas(self._splitter.flush())
        if self._calls is None:
            return deltas
        return [*deltas, *self._call_deltas(self._calls.flush()), *self._repeated.flush()]

    @property
    def _calls_done(self) -> bool:
        return self._repeated.done or (self._calls is not None and self._calls.done)

    def _deltas(self, parts: Iterable[tuple[AnswerPart, str]]) -> list[Delta]:
        deltas: list[Delta] = []
        for part, text in parts:
            self.in_reasoning = part == "reasoning"
            if self.in_reasoning:
                deltas.append(ReasoningDelta(text=text))
            elif answer := self._strip_start(text):
                calls = self._calls
                deltas += (
                    self._call_deltas(calls.feed(answer)) if calls else [TextDelta(text=answer)]
                )
        return deltas

    def _call_deltas(self, events: Iterable[TextDelta | ToolCallDelta]) -> list[Delta]:
        """Drop text where a call is required: it is the start of a call that a limit truncated."""
        kept = self._repeated.feed(events)
        return [e for e in kept if not (self._call_required and isinstance(e, TextDelta))]

    def _strip_start(self, text: str) -> str:
        """The text without the white space before the answer."""
        if not self._answering:
            text = text.lstrip(self._leading)
            self._answering = bool(text)
        return text
