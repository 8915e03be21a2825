"""A model's raw text, piece by piece, to the events of an answer.

    text ─▶ stop strings ─▶ reasoning ─▶ tool calls ─▶ events

A raw continuation of a prompt has stop strings only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from openedai.contract.chat import Chat
from openedai.contract.generate import ReasoningDelta, TextDelta, TokenLogprob, ToolCallDelta
from openedai.prompts.reading.call_events import new_call_id
from openedai.prompts.reading.reasoning import Kind, ReasoningSplitter
from openedai.prompts.reading.stops import StopText
from openedai.prompts.reading.tool_calls import CallReader

Delta = TextDelta | ReasoningDelta | ToolCallDelta


class AnswerReader:
    """Reads one answer. `done`: nothing that still comes belongs to it.

    `reasons`: the text read last was reasoning, or led to it. `own_stops` are the model's own
    ends of an answer, beside the `stops` that were asked for.
    """

    def __init__(self, stops: Sequence[str], own_stops: Sequence[str] = ()) -> None:
        self._asked = frozenset(stops)
        self._stops = StopText([*stops, *own_stops]) if stops or own_stops else None
        self._logprobs: list[TokenLogprob] = []
        self.reasons = False

    @property
    def done(self) -> bool:
        return self._stops is not None and self._stops.found is not None

    @property
    def stop(self) -> str | None:
        """Which of the stops that were asked for ended the answer."""
        found = None if self._stops is None else self._stops.found
        return found if found in self._asked else None

    def feed(self, text: str, logprobs: Iterable[TokenLogprob] = ()) -> list[Delta]:
        """The events that a piece of the text leads to."""
        self._logprobs.extend(logprobs)
        if self._stops is not None:
            text = self._stops.feed(text)
        return self._with_logprobs(self._read(text)) if text else []

    def end(self) -> list[Delta]:
        """What was held back until now. No more text comes."""
        rest = self._stops.flush() if self._stops is not None else ""
        return self._with_logprobs((self._read(rest) if rest else []) + self._rest())

    def reason(self, *, cut: bool) -> Literal["stop", "length", "tool_calls"]:
        """Why the answer ended. `cut`: a limit did it."""
        return "length" if cut and not self.done else "stop"

    def _read(self, text: str) -> list[Delta]:
        return [TextDelta(text=text)]

    def _rest(self) -> list[Delta]:
        return []

    def _with_logprobs(self, deltas: list[Delta]) -> list[Delta]:
        """Give the tokens read so far to the first text: those of reasoning and calls to none."""
        if not self._logprobs or not deltas:
            return deltas
        tokens, self._logprobs = tuple(self._logprobs), []
        for index, delta in enumerate(deltas):
            if isinstance(delta, TextDelta):
                deltas[index] = TextDelta(text=delta.text, logprobs=tokens)
                break
        return deltas


class ChatReader(AnswerReader):
    """Reads an answer in a conversation, which may hold reasoning and calls of its tools.

    `reasoning_open`: the prompt ends inside a block of reasoning. Line feeds in front of the
    answer are left out; with `strip` all white space is.
    """

    def __init__(
        self,
        chat: Chat,
        stops: Sequence[str],
        *,
        new_id: Callable[[], str] = new_call_id,
        own_stops: Sequence[str] = (),
        reasoning_open: bool = False,
        strip: bool = False,
    ) -> None:
        super().__init__(stops, own_stops)
        self._splitter = ReasoningSplitter(already_open=reasoning_open)
        self._calls = CallReader(chat.tools, chat.parallel_calls, new_id) if chat.tools else None
        self._only_calls = chat.call_required
        self._blank = None if strip else "\r\n"
        self._answering = False
        self.reasons = reasoning_open

    @property
    def done(self) -> bool:
        return super().done or (self._calls is not None and self._calls.done)

    def reason(self, *, cut: bool) -> Literal["stop", "length", "tool_calls"]:
        calls = self._calls
        if calls is not None and calls.called and (calls.done or not cut):
            return "tool_calls"
        return super().reason(cut=cut)

    def _read(self, text: str) -> list[Delta]:
        return self._sorted(self._splitter.feed(text))

    def _rest(self) -> list[Delta]:
        deltas = self._sorted(self._splitter.flush())
        return deltas + (self._called(self._calls.flush()) if self._calls else [])

    def _sorted(self, parts: Iterable[tuple[Kind, str]]) -> list[Delta]:
        deltas: list[Delta] = []
        for kind, text in parts:
            self.reasons = kind == "reasoning"
            if self.reasons:
                deltas.append(ReasoningDelta(text=text))
            elif answer := self._started(text):
                calls = self._calls
                deltas += self._called(calls.feed(answer)) if calls else [TextDelta(text=answer)]
        return deltas

    def _called(self, events: Iterable[TextDelta | ToolCallDelta]) -> list[Delta]:
        """Where calls are required, a text is one that a limit cut before it had begun."""
        return [e for e in events if not (self._only_calls and isinstance(e, TextDelta))]

    def _started(self, text: str) -> str:
        if not self._answering:
            text = text.lstrip(self._blank)
            self._answering = bool(text)
        return text
