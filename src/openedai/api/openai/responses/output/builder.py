"""Turns the events of a generation into the events of a response, and into the response itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count

from msgspec.structs import replace

from openedai.api.openai.responses.output import events as e
from openedai.api.openai.responses.output.citations import Found
from openedai.api.openai.responses.output.objects import (
    CompactionItem,
    IncompleteDetails,
    OutputItem,
    Response,
    ResponseError,
    ResponseModeration,
    ResponseUsage,
)
from openedai.api.openai.responses.output.open_code import CodeResult
from openedai.api.openai.responses.output.open_files import FilesResult, part_of
from openedai.api.openai.responses.output.open_items import (
    OpenCall,
    OpenItem,
    OpenMessage,
    OpenReasoning,
    open_call,
)
from openedai.api.openai.responses.output.open_served import (
    OpenServed,
    SearchResult,
    ToolResult,
)
from openedai.api.openai.responses.output.place import Options, Place
from openedai.api.openai.responses.output.steps import (
    Begun,
    Ended,
    Progressed,
    Step,
    ToolsFound,
    TurnEnded,
)
from openedai.api.openai.responses.tools import CallableTools
from openedai.api.parameters.chats.logprobs import token_logprobs
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from openedai.errors import APIError
from openedai.serving.tools.citations import Part

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponseBuilder:
    """Builds one response. `response` is its state as of the last event.

    `start` comes first, then `add` for each event of the generation but the last `Finish`, which is
    for `end`; `fail` ends it at any time instead. The items of tools that the server runs stay open
    after the model has written them: several may be, at their positions of the output.
    """

    def __init__(self, response: Response, tools: CallableTools, options: Options) -> None:
        self.response = response
        self._tools = tools
        self._options = options
        self._number = count().__next__
        self._output: list[OutputItem | None] = []
        self._kept: dict[int, OutputItem] = {}
        self._open: OpenItem | OpenServed | None = None
        self._running: dict[str, tuple[int, OpenServed]] = {}
        self._found = Found(is_prose=response.text["format"]["type"] == "text")
        self._call_index = -1
        self._compaction: CompactionItem | None = None

    @property
    def items(self) -> tuple[OutputItem, ...]:
        """The items that are complete."""
        return tuple(item for item in self._output if item is not None)

    @property
    def kept_items(self) -> tuple[OutputItem, ...]:
        """The same items for the next responses, with what they do not show."""
        return tuple(
            self._kept.get(index, item)
            for index, item in enumerate(self._output)
            if item is not None
        )

    @property
    def known_parts(self) -> int:
        """How many parts of files answers can cite so far."""
        return len(self._found.parts)

    def know(self, parts: Sequence[Part]) -> None:
        """Let the answer cite parts that earlier responses have found. Call this before `start`."""
        self._found.parts = list(parts)

    def start(self) -> list[e.Event]:
        self.response = replace(self.response, status="in_progress")
        events: list[e.Event] = [
            e.Created(self._number(), self.response),
            e.InProgress(self._number(), self.response),
        ]
        if (item := self._compaction) is not None:
            place = self._place()
            empty = replace(item, encrypted_content="")
            events += [
                place.added(empty),
                e.Compacting(*place.of(item.id)),
                place.done(item),
            ]
            self._output.append(item)
        return events

    def begin_with(self, compaction: CompactionItem) -> None:
        """Let the output begin with this item. Call this before `start`."""
        self._compaction = compaction

    def add(self, event: GenerateEvent | Step) -> list[e.Event]:
        """The events of the response that one event of the generation, or of a tool, leads to.

        Raises EngineFailed for a call that does not fit its tool.
        """
        match event:
            case TextDelta(text=text, logprobs=tokens):
                logprobs = token_logprobs(tokens) if tokens and self._options.logprobs else []
                if isinstance(self._open, OpenMessage):
                    return self._open.feed(text, logprobs)
                message = OpenMessage(self._place(), self._found)
                return [*self._begin(message), *message.feed(text, logprobs)]
            case ReasoningDelta(text=text):
                if isinstance(self._open, OpenReasoning):
                    return [self._open.feed(text)]
                reasoning = OpenReasoning(self._place())
                return [*self._begin(reasoning), reasoning.feed(text)]
            case ToolCallDelta():
                return self._add_call(event)
            case TurnEnded():
                return self._close("completed")
            case ToolsFound(tools=tools):
                self._tools = tools
                return []
            case Begun(make=make):
                return [*self._begin(make(self._place())), *self._close("completed")]
            case Progressed(key=key, update=update):
                return self._running[key][1].progress(update)
            case Ended(key=key, result=result):
                return self._end_tool(key, result)
            case _:
                return []

    def close(self, finish: Finish) -> list[e.Event]:
        """The events that end the last item; an answer without content becomes an empty message."""
        status = "incomplete" if finish.reason in _INCOMPLETE else "completed"
        events = self._close(status)
        for index, item in self._running.values():
            self._output[index], abandoned = item.abandon()
            events += abandoned
        self._running = {}
        if not self._output:
            events += self._begin(OpenMessage(self._place()))
            events += self._close(status)
        return events

    def end(self, finish: Finish, moderation: ResponseModeration | None = None) -> list[e.Event]:
        """The events that end the response, after those of `close` if it was called."""
        events = self.close(finish)
        reason = _INCOMPLETE.get(finish.reason)
        status = "completed" if reason is None else "incomplete"
        self.response = replace(
            self.response,
            status=status,
            output=self.items,
            usage=ResponseUsage.of(finish.usage),
        )
        if moderation is not None:
            self.response = replace(self.response, moderation=moderation)
        if reason is None:
            self.response = replace(self.response, completed_at=int(time.time()))
            return [
                *events,
                e.Completed(self._number(), self.response),
            ]
        self.response = replace(self.response, incomplete_details=IncompleteDetails(reason))
        return [*events, e.Incomplete(self._number(), self.response)]

    def end_empty(self, finish: Finish) -> list[e.Event]:
        """The events that end a response that was never meant to have an output."""
        usage = ResponseUsage.of(Usage(prompt_tokens=finish.usage.prompt_tokens))
        self.response = replace(
            self.response, status="completed", completed_at=int(time.time()), usage=usage
        )
        return [e.Completed(self._number(), self.response)]

    def fail(self, error: APIError, *, in_error_event: bool = True) -> list[e.Event]:
        """The events that end the response with an error; what is complete stays in it.

        With `in_error_event` the error also has an event of its own, before that of the response.
        """
        self._open = None
        self.response = replace(
            self.response,
            status="failed",
            output=self.items,
            error=ResponseError(_error_code(error), error.message),
        )
        events: list[e.Event] = []
        if in_error_event:
            code = error.code or error.type
            events.append(e.ErrorEvent(self._number(), code, error.message, error.param))
        return [*events, e.Failed(self._number(), self.response)]

    def _add_call(self, event: ToolCallDelta) -> list[e.Event]:
        events: list[e.Event] = []
        if event.index != self._call_index or not isinstance(self._open, OpenCall):
            self._call_index = event.index
            events = self._close("completed")
            tool = self._tools.of_function(event.name)
            call = open_call(self._place(), event.id, event.name, tool)
            events += self._begin(call)
        if isinstance(self._open, OpenCall):
            events += self._open.feed(event.arguments)
        return events

    def _end_tool(self, key: str, result: ToolResult) -> list[e.Event]:
        index, item = self._running.pop(key)
        self._output[index], events = item.end(result)
        if (kept := item.kept(result)) is not None:
            self._kept[index] = kept
        if isinstance(result, SearchResult):
            self._found.pages |= {page.url: page.title for page in result.pages}
        if isinstance(result, FilesResult):
            self._found.parts += map(part_of, result.found)
        if isinstance(result, CodeResult):
            self._found.add_made(result.files)
        return events

    def _begin(self, item: OpenItem | OpenServed) -> list[e.Event]:
        events = self._close("completed")
        self._open = item
        return [*events, *item.open()]

    def _close(self, status: str) -> list[e.Event]:
        opened, self._open = self._open, None
        if opened is None:
            return []
        if isinstance(opened, OpenServed):
            self._running[opened.key] = (len(self._output), opened)
            self._output.append(None)
            return opened.written() if status == "completed" else []
        item, events = opened.close(status)
        if item is not None:
            self._output.append(item)
        return events

    def _place(self) -> Place:
        """The place of the next item. If an item is still open, it comes before that."""
        waiting = 0 if self._open is None else 1
        return Place(len(self._output) + waiting, self._number, self._options)


def _error_code(error: APIError) -> str:
    """One of the official codes."""
    if error.status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if error.status < 500 else "server_error"
