"""The items of the input."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter

from openedai.api.openai.responses.input.calls import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    ComputerCall,
    ComputerCallOutput,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    LocalShellCall,
    LocalShellCallOutput,
    ShellCall,
    ShellCallOutput,
    Status,
    ToolSearchCall,
)
from openedai.api.openai.responses.input.formats import ConfigurationUpdate
from openedai.api.openai.responses.input.parts import Content, InputText
from openedai.api.openai.responses.input.served_items import (
    CodeInterpreterCall,
    FileSearchCall,
    ImageGenerationCall,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    WebSearchCall,
)
from openedai.api.openai.responses.input.tools import MAX_TOOLS, ToolParam
from openedai.api.parameters.unions import ByType
from openedai.http.body import Body, UnsupportedValues


class Message(Body):
    """A message of the input, or one of an earlier answer, whose `phase` has no effect."""

    type: Literal["message"] = "message"
    role: Literal["user", "system", "developer", "assistant"]
    content: Content
    id: str | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None

    @property
    def text(self) -> str:
        """What a user wrote, without images, sounds and files."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, InputText))


class SummaryText(Body):
    type: Literal["summary_text"]
    text: str


class ReasoningText(Body):
    type: Literal["reasoning_text"]
    text: str


class Reasoning(Body):
    type: Literal["reasoning"]
    id: str | None = None
    summary: list[SummaryText]
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class ItemReference(Body):
    type: Literal["item_reference"] | None = None
    id: str


class ToolSearchOutput(Body):
    """The tools that the client found; from here onwards the model may call them."""

    type: Literal["tool_search_output"]
    id: str | None = None
    call_id: str | None = None
    tools: list[ToolParam] = Field(max_length=MAX_TOOLS)
    execution: Literal["server", "client"] | None = None
    status: Status | None = None
    created_by: str | None = None


class AdditionalTools(Body):
    type: Literal["additional_tools"]
    id: str | None = None
    role: Literal["developer"]
    tools: list[ToolParam] = Field(max_length=MAX_TOOLS)


class Compaction(Body):
    type: Literal["compaction"]
    id: str | None = None
    encrypted_content: str
    created_by: str | None = None


class CompactionTrigger(Body):
    """The last item of an input that is to be compacted."""

    type: Literal["compaction_trigger"]
    id: str | None = None


_Supported = Literal[
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "computer_call",
    "computer_call_output",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "compaction",
    "compaction_trigger",
    "configuration_update",
    "code_interpreter_call",
    "file_search_call",
    "image_generation_call",
    "item_reference",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "web_search_call",
]
_Unsupported = Literal[
    "program",
    "program_output",
]


class OtherItem(Body):
    """An item that is not supported; it also gives the error for an unknown type."""

    type: Annotated[Literal[_Supported, _Unsupported], UnsupportedValues(*get_args(_Unsupported))]


def _missing_type(value: Any) -> str:
    """Messages and references may lack their type."""
    is_message = isinstance(value, dict) and ("role" in value or "id" not in value)
    return "message" if is_message else "item_reference"


AnyItem = (
    Message
    | Reasoning
    | FunctionCall
    | FunctionCallOutput
    | CustomToolCall
    | CustomToolCallOutput
    | LocalShellCall
    | LocalShellCallOutput
    | ShellCall
    | ShellCallOutput
    | ApplyPatchCall
    | ApplyPatchCallOutput
    | ComputerCall
    | ComputerCallOutput
    | ToolSearchCall
    | ToolSearchOutput
    | AdditionalTools
    | Compaction
    | CompactionTrigger
    | ConfigurationUpdate
    | ItemReference
    | CodeInterpreterCall
    | FileSearchCall
    | ImageGenerationCall
    | McpListTools
    | McpCall
    | McpApprovalRequest
    | McpApprovalResponse
    | WebSearchCall
    | OtherItem
)

InputItem = Annotated[AnyItem, ByType(_missing_type)]


def item_reader() -> TypeAdapter[list[AnyItem]]:
    """What reads items from their JSON."""
    return TypeAdapter(list[InputItem])
