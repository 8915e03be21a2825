"""A response, and the items of its output, as the API shows them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from openedai.api.parameters.chats.logprobs import ChatTokenLogprob
from openedai.api.parameters.moderation import ModerationError, ModerationResult
from openedai.contract.generate import Usage


class _Typed(msgspec.Struct, frozen=True, tag_field="type"):
    """A value whose type is in its field `type`."""


class UrlCitation(_Typed, frozen=True, tag="url_citation"):
    """The characters of the text from `start_index` up to `end_index`, exclusive, name the page."""

    start_index: int
    end_index: int
    title: str
    url: str


class FileCitation(_Typed, frozen=True, tag="file_citation"):
    """The text before the character at `index` is from the file."""

    file_id: str
    filename: str
    index: int


class ContainerFileCitation(_Typed, frozen=True, tag="container_file_citation"):
    """The characters of the text from `start_index` up to `end_index`, exclusive, name the file;
    there are none if the file is only shown with the text.
    """

    container_id: str
    file_id: str
    filename: str
    start_index: int
    end_index: int


Citation = UrlCitation | FileCitation | ContainerFileCitation


class OutputTextPart(_Typed, frozen=True, tag="output_text"):
    text: str
    annotations: tuple[Citation, ...] = ()
    logprobs: list[ChatTokenLogprob] = msgspec.field(default_factory=list)


class ReasoningTextPart(_Typed, frozen=True, tag="reasoning_text"):
    text: str


class SummaryTextPart(_Typed, frozen=True, tag="summary_text"):
    text: str


class MessageItem(_Typed, frozen=True, tag="message"):
    id: str
    status: str
    content: tuple[OutputTextPart, ...] = ()
    role: str = "assistant"


class ReasoningItem(_Typed, frozen=True, tag="reasoning"):
    id: str
    status: str
    summary: tuple[SummaryTextPart, ...] = ()
    content: tuple[ReasoningTextPart, ...] | UnsetType = UNSET
    encrypted_content: str | UnsetType = UNSET


class FunctionCallItem(_Typed, frozen=True, tag="function_call"):
    id: str
    call_id: str
    name: str
    arguments: str
    status: str
    namespace: str | UnsetType = UNSET


class CustomToolCallItem(_Typed, frozen=True, tag="custom_tool_call"):
    id: str
    call_id: str
    name: str
    input: str
    status: str
    namespace: str | UnsetType = UNSET


class ExecAction(_Typed, frozen=True, tag="exec"):
    """Fields that the call does not give are left out: the AI SDK does not accept null there."""

    command: list[str]
    env: dict[str, str] = msgspec.field(default_factory=dict)
    timeout_ms: int | UnsetType = UNSET
    user: str | UnsetType = UNSET
    working_directory: str | UnsetType = UNSET


class LocalShellCallItem(_Typed, frozen=True, tag="local_shell_call"):
    id: str
    call_id: str
    action: ExecAction
    status: str


class ShellAction(msgspec.Struct, frozen=True):
    commands: list[str]
    timeout_ms: int | None = None
    max_output_length: int | None = None


class LocalEnvironment(_Typed, frozen=True, tag="local"):
    pass


class ShellCallItem(_Typed, frozen=True, tag="shell_call"):
    id: str
    call_id: str
    action: ShellAction
    status: str
    environment: LocalEnvironment = LocalEnvironment()


class CreateFile(_Typed, frozen=True, tag="create_file"):
    path: str
    diff: str


class UpdateFile(_Typed, frozen=True, tag="update_file"):
    path: str
    diff: str


class DeleteFile(_Typed, frozen=True, tag="delete_file"):
    path: str


Operation = CreateFile | UpdateFile | DeleteFile


class ApplyPatchCallItem(_Typed, frozen=True, tag="apply_patch_call"):
    id: str
    call_id: str
    operation: Operation
    status: str


class ComputerCallItem(_Typed, frozen=True, tag="computer_call"):
    id: str
    call_id: str
    status: str
    action: dict[str, Any] | UnsetType = UNSET
    actions: list[dict[str, Any]] | UnsetType = UNSET
    pending_safety_checks: tuple[()] = ()


class ToolSearchCallItem(_Typed, frozen=True, tag="tool_search_call"):
    id: str
    call_id: str
    arguments: dict[str, Any]
    status: str
    execution: str = "client"


class SearchSource(_Typed, frozen=True, tag="url"):
    url: str


class SearchAction(_Typed, frozen=True, tag="search"):
    query: str
    sources: tuple[SearchSource, ...] | UnsetType = UNSET


class WebSearchCallItem(_Typed, frozen=True, tag="web_search_call"):
    id: str
    status: str
    action: SearchAction


class FileResult(msgspec.Struct, frozen=True):
    file_id: str
    filename: str
    score: float
    text: str
    attributes: dict[str, Any]


class FileSearchCallItem(_Typed, frozen=True, tag="file_search_call"):
    id: str
    status: str
    queries: tuple[str, ...] = ()
    results: tuple[FileResult, ...] | None = None


class CodeLogs(_Typed, frozen=True, tag="logs"):
    logs: str


class CodeImage(_Typed, frozen=True, tag="image"):
    """`url` is a data URL."""

    url: str


class CodeInterpreterCallItem(_Typed, frozen=True, tag="code_interpreter_call"):
    id: str
    status: str
    container_id: str
    code: str
    outputs: tuple[CodeLogs | CodeImage, ...] | None = None


class ImageError(msgspec.Struct, frozen=True):
    message: str
    type: str = "image_generation_error"


class ImageGenerationCallItem(_Typed, frozen=True, tag="image_generation_call"):
    """`result` is the image in base64."""

    id: str
    status: str
    result: str | None = None
    action: str = "generate"
    background: str | UnsetType = UNSET
    output_format: str | UnsetType = UNSET
    quality: str | UnsetType = UNSET
    revised_prompt: str | UnsetType = UNSET
    size: str | UnsetType = UNSET
    error: ImageError | UnsetType = UNSET


class McpListedTool(msgspec.Struct, frozen=True):
    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    annotations: dict[str, Any] | None = None


class McpListToolsItem(_Typed, frozen=True, tag="mcp_list_tools"):
    id: str
    server_label: str
    tools: tuple[McpListedTool, ...] = ()
    error: str | None = None


class McpProtocolError(_Typed, frozen=True, tag="mcp_protocol_error"):
    code: int
    message: str


class McpHttpError(_Typed, frozen=True, tag="http_error"):
    code: int
    message: str


class McpToolError(_Typed, frozen=True, tag="mcp_tool_execution_error"):
    content: list[dict[str, Any]]


McpError = McpProtocolError | McpHttpError | McpToolError


class McpCallItem(_Typed, frozen=True, tag="mcp_call"):
    id: str
    server_label: str
    name: str
    arguments: str
    status: str
    output: str | None = None
    error: McpError | None = None
    approval_request_id: str | None = None


class McpApprovalRequestItem(_Typed, frozen=True, tag="mcp_approval_request"):
    id: str
    server_label: str
    name: str
    arguments: str


class CompactionItem(_Typed, frozen=True, tag="compaction"):
    id: str
    encrypted_content: str


OutputItem = (
    MessageItem
    | ReasoningItem
    | FunctionCallItem
    | CustomToolCallItem
    | LocalShellCallItem
    | ShellCallItem
    | ApplyPatchCallItem
    | ComputerCallItem
    | ToolSearchCallItem
    | WebSearchCallItem
    | FileSearchCallItem
    | CodeInterpreterCallItem
    | ImageGenerationCallItem
    | McpListToolsItem
    | McpCallItem
    | McpApprovalRequestItem
    | CompactionItem
)


class InputDetails(msgspec.Struct, frozen=True):
    cached_tokens: int
    cache_write_tokens: int = 0


class OutputDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True):
    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int

    @classmethod
    def of(cls, usage: Usage) -> ResponseUsage:
        return cls(
            input_tokens=usage.prompt_tokens,
            input_tokens_details=InputDetails(usage.cached_tokens),
            output_tokens=usage.completion_tokens,
            output_tokens_details=OutputDetails(usage.reasoning_tokens),
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
        )


class ResponseError(msgspec.Struct, frozen=True):
    code: str
    message: str


class IncompleteDetails(msgspec.Struct, frozen=True):
    reason: str


class ConversationRef(msgspec.Struct, frozen=True):
    id: str


class ResponseModeration(msgspec.Struct, frozen=True):
    input: ModerationResult | ModerationError
    output: ModerationResult | ModerationError


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """It repeats the request as it was understood; `created_at` is in seconds since 1970."""

    id: str
    object: str = "response"
    created_at: int
    status: str
    background: bool = False
    completed_at: int | None = None
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    output: tuple[OutputItem, ...] = ()
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    conversation: ConversationRef | UnsetType = UNSET
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    reasoning: dict[str, Any]
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool
    temperature: float
    text: dict[str, Any]
    tool_choice: Any
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    truncation: str
    usage: ResponseUsage | None = None
    user: str | None = None
    metadata: dict[str, str]
    moderation: ResponseModeration | UnsetType = UNSET
