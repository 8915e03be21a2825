"""The events of a streamed response. Their fields `sequence_number` count from 0."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from openedai.api.openai.responses.output.objects import (
    Citation,
    OutputItem,
    OutputTextPart,
    ReasoningTextPart,
    Response,
    SummaryTextPart,
)
from openedai.api.parameters.chats.logprobs import ChatTokenLogprob


class Event(Struct, tag_field="type"):
    sequence_number: int

    @property
    def type(self) -> str:
        return str(self.__struct_config__.tag)


class ResponseEvent(Event):
    response: Response


class Queued(ResponseEvent, tag="response.queued"):
    pass


class Created(ResponseEvent, tag="response.created"):
    pass


class InProgress(ResponseEvent, tag="response.in_progress"):
    pass


class Completed(ResponseEvent, tag="response.completed"):
    pass


class Incomplete(ResponseEvent, tag="response.incomplete"):
    pass


class Failed(ResponseEvent, tag="response.failed"):
    pass


class ErrorEvent(Event, tag="error"):
    code: str | None
    message: str
    param: str | None


class ItemAdded(Event, tag="response.output_item.added"):
    output_index: int
    item: OutputItem


class ItemDone(Event, tag="response.output_item.done"):
    output_index: int
    item: OutputItem


class _OfItem(Event):
    item_id: str
    output_index: int


class _OfPart(_OfItem):
    content_index: int


class PartAdded(_OfPart, tag="response.content_part.added"):
    part: OutputTextPart | ReasoningTextPart


class PartDone(_OfPart, tag="response.content_part.done"):
    part: OutputTextPart | ReasoningTextPart


class TextDone(_OfPart, tag="response.output_text.done"):
    text: str
    logprobs: list[ChatTokenLogprob]


class TextDeltaEvent(_OfPart, tag="response.output_text.delta"):
    delta: str
    logprobs: list[ChatTokenLogprob]
    obfuscation: str | UnsetType = UNSET


class AnnotationAdded(_OfPart, tag="response.output_text.annotation.added"):
    annotation_index: int
    annotation: Citation


class ReasoningDeltaEvent(_OfPart, tag="response.reasoning_text.delta"):
    delta: str
    obfuscation: str | UnsetType = UNSET


class ReasoningDone(_OfPart, tag="response.reasoning_text.done"):
    text: str


class _OfSummary(_OfItem):
    summary_index: int


class SummaryPartAdded(_OfSummary, tag="response.reasoning_summary_part.added"):
    part: SummaryTextPart


class SummaryDelta(_OfSummary, tag="response.reasoning_summary_text.delta"):
    delta: str
    obfuscation: str | UnsetType = UNSET


class SummaryDone(_OfSummary, tag="response.reasoning_summary_text.done"):
    text: str


class SummaryPartDone(_OfSummary, tag="response.reasoning_summary_part.done"):
    part: SummaryTextPart


class ArgumentsDelta(_OfItem, tag="response.function_call_arguments.delta"):
    delta: str
    obfuscation: str | UnsetType = UNSET


class ArgumentsDone(_OfItem, tag="response.function_call_arguments.done"):
    name: str
    arguments: str


class InputDelta(_OfItem, tag="response.custom_tool_call_input.delta"):
    delta: str
    obfuscation: str | UnsetType = UNSET


class InputDone(_OfItem, tag="response.custom_tool_call_input.done"):
    input: str


class SearchBegun(_OfItem, tag="response.web_search_call.in_progress"):
    pass


class Searching(_OfItem, tag="response.web_search_call.searching"):
    pass


class SearchEnded(_OfItem, tag="response.web_search_call.completed"):
    pass


class FilesBegun(_OfItem, tag="response.file_search_call.in_progress"):
    pass


class FilesSearching(_OfItem, tag="response.file_search_call.searching"):
    pass


class FilesFound(_OfItem, tag="response.file_search_call.completed"):
    pass


class CodeBegun(_OfItem, tag="response.code_interpreter_call.in_progress"):
    pass


class CodeDelta(_OfItem, tag="response.code_interpreter_call_code.delta"):
    delta: str
    obfuscation: str | UnsetType = UNSET


class CodeWritten(_OfItem, tag="response.code_interpreter_call_code.done"):
    code: str


class CodeRunning(_OfItem, tag="response.code_interpreter_call.interpreting"):
    pass


class CodeRan(_OfItem, tag="response.code_interpreter_call.completed"):
    pass


class ImageBegun(_OfItem, tag="response.image_generation_call.in_progress"):
    pass


class ImageGenerating(_OfItem, tag="response.image_generation_call.generating"):
    pass


class ImagePartial(_OfItem, tag="response.image_generation_call.partial_image"):
    partial_image_index: int
    partial_image_b64: str
    background: str
    output_format: str
    quality: str
    size: str


class ImageEnded(_OfItem, tag="response.image_generation_call.completed"):
    pass


class McpListing(_OfItem, tag="response.mcp_list_tools.in_progress"):
    pass


class McpListed(_OfItem, tag="response.mcp_list_tools.completed"):
    pass


class McpListFailed(_OfItem, tag="response.mcp_list_tools.failed"):
    pass


class McpCalling(_OfItem, tag="response.mcp_call.in_progress"):
    pass


class McpArgumentsDelta(_OfItem, tag="response.mcp_call_arguments.delta"):
    delta: str
    obfuscation: str | UnsetType = UNSET


class McpArgumentsDone(_OfItem, tag="response.mcp_call_arguments.done"):
    arguments: str


class McpCalled(_OfItem, tag="response.mcp_call.completed"):
    pass


class McpCallFailed(_OfItem, tag="response.mcp_call.failed"):
    pass


class Compacting(_OfItem, tag="response.compaction.compacting"):
    pass


class _OfCommand(Event):
    output_index: int
    command_index: int


class CommandAdded(_OfCommand, tag="response.shell_call_command.added"):
    command: str


class CommandDelta(_OfCommand, tag="response.shell_call_command.delta"):
    delta: str
    obfuscation: str | UnsetType = UNSET


class CommandDone(_OfCommand, tag="response.shell_call_command.done"):
    command: str
