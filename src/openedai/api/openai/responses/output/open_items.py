"""Items of the output while the model writes them: their events, and the completed items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import UNSET
from msgspec.structs import replace

from openedai.api.openai.responses.input.conversation import REASONING_PREFIX
from openedai.api.openai.responses.input.served import ImageGenerationTool
from openedai.api.openai.responses.output import events as e
from openedai.api.openai.responses.output.calls import call_item
from openedai.api.openai.responses.output.citations import Found
from openedai.api.openai.responses.output.objects import (
    Citation,
    CustomToolCallItem,
    FileCitation,
    FunctionCallItem,
    MessageItem,
    OutputItem,
    OutputTextPart,
    ReasoningItem,
    ReasoningTextPart,
    ShellCallItem,
    SummaryTextPart,
)
from openedai.api.openai.responses.output.open_code import OpenCode
from openedai.api.openai.responses.output.open_files import OpenFileSearch
from openedai.api.openai.responses.output.open_image import OpenImage
from openedai.api.openai.responses.output.open_mcp import (
    OpenApprovalRequest,
    OpenMcpCall,
    OpenWholeCall,
)
from openedai.api.openai.responses.output.open_served import OpenSearch, OpenServed
from openedai.api.openai.responses.output.place import Place
from openedai.api.openai.responses.tools import CallableTool
from openedai.api.parameters.chats.custom_inputs import InputReader
from openedai.api.parameters.chats.logprobs import ChatTokenLogprob
from openedai.api.parameters.chats.packed import pack
from openedai.api.parameters.ids import new_id
from openedai.serving.tools.citations import Cited, Piece

Closed = tuple[OutputItem | None, list[e.Event]]
"""The item that was written, None for one that cannot be shown, and the events of its end."""


class OpenItem(Protocol):
    def open(self) -> list[e.Event]: ...

    def close(self, status: str) -> Closed: ...


class OpenMessage:
    """A message whose text may cite what was `found`. The marks that the model writes are not
    shown.
    """

    def __init__(self, place: Place, found: Found | None = None) -> None:
        self._place = place
        self._found = found or Found()
        self._citer = self._found.citer()
        self._id = new_id("msg_")
        self._texts: list[str] = []
        self._cited: list[Citation] = []
        self._logprobs: list[ChatTokenLogprob] = []
        self._waiting: list[ChatTokenLogprob] = []  # of text that is not certain yet

    def open(self) -> list[e.Event]:
        place, item = self._place, MessageItem(self._id, "in_progress")
        return [place.added(item), e.PartAdded(*place.of(self._id), 0, OutputTextPart(""))]

    def feed(self, text: str, logprobs: list[ChatTokenLogprob]) -> list[e.Event]:
        self._waiting += logprobs
        return self._add(self._citer.feed(text))

    def close(self, status: str) -> Closed:
        events = self._add(self._citer.end())
        if self._waiting:  # of marks at the end
            events += self._write("")
        text, place = "".join(self._texts), self._place
        for page in self._found.page_citations(text):
            events += self._cite(page)
        for file in self._found.made_citations(text):
            events += self._cite(file)
        part = OutputTextPart(text, tuple(self._cited), self._logprobs)
        item = MessageItem(self._id, status, (part,))
        return item, [
            *events,
            e.TextDone(*place.of(self._id), 0, text, self._logprobs),
            e.PartDone(*place.of(self._id), 0, part),
            place.done(item),
        ]

    def _add(self, pieces: Sequence[Piece]) -> list[e.Event]:
        events: list[e.Event] = []
        for piece in pieces:
            if isinstance(piece, str):
                events += self._write(piece)
            elif isinstance(piece, Cited):
                part = self._found.parts[piece.number]
                events += self._cite(FileCitation(part.file, part.name, piece.at))
        return events

    def _write(self, text: str) -> list[e.Event]:
        place, logprobs = self._place, self._waiting
        self._texts.append(text)
        self._logprobs += logprobs
        self._waiting = []
        return [
            e.TextDeltaEvent(
                place.number(), self._id, place.index, 0, text, logprobs, place.padding(text)
            )
        ]

    def _cite(self, citation: Citation) -> list[e.Event]:
        self._cited.append(citation)
        index = len(self._cited) - 1
        return [e.AnnotationAdded(*self._place.of(self._id), 0, index, citation)]


class OpenReasoning:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._id = new_id("rs_")
        self._texts: list[str] = []

    def open(self) -> list[e.Event]:
        place, id = self._place, self._id
        added = place.added(ReasoningItem(id, "in_progress"))
        if place.options.summary:
            return [added, e.SummaryPartAdded(*place.of(id), 0, SummaryTextPart(""))]
        return [added, e.PartAdded(*place.of(id), 0, ReasoningTextPart(""))]

    def feed(self, text: str) -> e.Event:
        self._texts.append(text)
        place = self._place
        event = e.SummaryDelta if place.options.summary else e.ReasoningDeltaEvent
        return event(*place.of(self._id), 0, text, place.padding(text))

    def close(self, status: str) -> Closed:
        text, place, id = "".join(self._texts), self._place, self._id
        sealed = pack(REASONING_PREFIX, text) if place.options.sealed else UNSET
        if place.options.summary:
            summary = SummaryTextPart(text)
            item = ReasoningItem(id, status, (summary,), encrypted_content=sealed)
            return item, [
                e.SummaryDone(*place.of(id), 0, text),
                e.SummaryPartDone(*place.of(id), 0, summary),
                place.done(item),
            ]
        part = ReasoningTextPart(text)
        item = ReasoningItem(id, status, (), (part,), sealed)
        return item, [
            e.ReasoningDone(*place.of(id), 0, text),
            e.PartDone(*place.of(id), 0, part),
            place.done(item),
        ]


class OpenFunctionCall:
    def __init__(self, place: Place, call_id: str, name: str, namespace: str | None) -> None:
        self._place = place
        self._id = new_id("fc_")
        self._call_id = call_id
        self._name = name
        self._namespace = namespace or UNSET
        self._deltas: list[str] = []

    def open(self) -> list[e.Event]:
        return [self._place.added(self._item("", "in_progress"))]

    def feed(self, delta: str) -> list[e.Event]:
        if not delta:
            return []
        self._deltas.append(delta)
        place = self._place
        return [e.ArgumentsDelta(*place.of(self._id), delta, place.padding(delta))]

    def close(self, status: str) -> Closed:
        arguments, place = "".join(self._deltas), self._place
        item = self._item(arguments, status)
        done = e.ArgumentsDone(*place.of(self._id), self._name, arguments)
        return item, [done, place.done(item)]

    def _item(self, arguments: str, status: str) -> FunctionCallItem:
        return FunctionCallItem(
            self._id, self._call_id, self._name, arguments, status, self._namespace
        )


class OpenCustomCall:
    def __init__(self, place: Place, call_id: str, tool: CallableTool) -> None:
        self._place = place
        self._id = new_id("ctc_")
        self._call_id = call_id
        self._tool = tool
        self._reader = InputReader()

    def open(self) -> list[e.Event]:
        return [self._place.added(self._item("", "in_progress"))]

    def feed(self, delta: str) -> list[e.Event]:
        return self._delta(self._reader.feed(delta))

    def close(self, status: str) -> Closed:
        events, place = self._delta(self._reader.end()), self._place
        item = self._item(self._reader.text, status)
        return item, [
            *events,
            e.InputDone(*place.of(self._id), item.input),
            place.done(item),
        ]

    def _delta(self, text: str) -> list[e.Event]:
        if not text:
            return []
        place = self._place
        return [e.InputDelta(*place.of(self._id), text, place.padding(text))]

    def _item(self, input: str, status: str) -> CustomToolCallItem:
        tool = self._tool
        return CustomToolCallItem(
            self._id, self._call_id, tool.name, input, status, tool.namespace or UNSET
        )


class OpenTypedCall(OpenWholeCall):
    """A call of a tool whose items have their own fields."""

    def __init__(self, place: Place, call_id: str, tool: CallableTool) -> None:
        super().__init__(place, tool)
        self._call_id = call_id

    def close(self, status: str) -> Closed:
        """A call that a limit truncated is left out: none of its fields can be relied on."""
        if status != "completed":
            return None, []
        arguments, place = "".join(self._deltas), self._place
        item = call_item(self._tool.type, self._call_id, arguments)
        events = [place.added(replace(item, status="in_progress"))]
        if isinstance(item, ShellCallItem):
            for index, command in enumerate(item.action.commands):
                events += self._command(index, command)
        return item, [*events, place.done(item)]

    def _command(self, index: int, command: str) -> list[e.Event]:
        place = self._place
        return [
            e.CommandAdded(place.number(), place.index, index, ""),
            e.CommandDelta(place.number(), place.index, index, command, place.padding(command)),
            e.CommandDone(place.number(), place.index, index, command),
        ]


OpenCall = OpenFunctionCall | OpenCustomCall | OpenTypedCall | OpenApprovalRequest | OpenServed


def open_call(place: Place, call_id: str, name: str, tool: CallableTool | None) -> OpenCall:
    """The open item for a call of the function with this name, by the tool that it stands for."""
    if tool is None or tool.type == "function":
        shown = name if tool is None else tool.name
        return OpenFunctionCall(place, call_id, shown, None if tool is None else tool.namespace)
    if tool.type == "custom":
        return OpenCustomCall(place, call_id, tool)
    if tool.needs_approval:
        return OpenApprovalRequest(place, tool)
    if tool.type == "mcp":
        return OpenMcpCall(place, call_id, tool)
    if isinstance(tool.served, ImageGenerationTool):
        return OpenImage(place, call_id, tool.served)
    if tool.type == "code_interpreter":
        return OpenCode(place, call_id, tool.container)
    if tool.type == "file_search":
        return OpenFileSearch(place, call_id)
    if tool.served is not None:
        return OpenSearch(place, call_id)
    return OpenTypedCall(place, call_id, tool)
