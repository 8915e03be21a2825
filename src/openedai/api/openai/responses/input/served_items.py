"""Items of the input: calls of tools that the server has run."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from openedai.http.body import Body


class WebSearchCall(Body):
    """The model is told about it again, with the URLs that were found if it has them."""

    type: Literal["web_search_call"]
    id: str | None = None
    action: dict[str, Any]
    status: Literal["in_progress", "searching", "completed", "failed", "incomplete"] | None = None


class McpListedTool(Body):
    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    annotations: dict[str, Any] | None = None


class McpListTools(Body):
    """The tools of a server, which is not asked for them again."""

    type: Literal["mcp_list_tools"]
    id: str | None = None
    server_label: str
    tools: list[McpListedTool] = Field(max_length=1024)
    error: str | None = None


class McpCall(Body):
    type: Literal["mcp_call"]
    id: str | None = None
    server_label: str
    name: str
    arguments: str
    output: str | None = None
    error: Any = None
    approval_request_id: str | None = None
    status: Literal["in_progress", "completed", "incomplete", "calling", "failed"] | None = None


class McpApprovalRequest(Body):
    type: Literal["mcp_approval_request"]
    id: str
    server_label: str
    name: str
    arguments: str


class McpApprovalResponse(Body):
    """The client's answer to a request: with `approve` the call is made."""

    type: Literal["mcp_approval_response"]
    id: str | None = None
    approval_request_id: str
    approve: bool
    reason: str | None = None


class ImageGenerationCall(Body):
    """The model is told that it made the image, but does not see it."""

    type: Literal["image_generation_call"]
    id: str
    status: Literal["in_progress", "completed", "generating", "failed"] | None = None
    result: str | None = None
    revised_prompt: str | None = None
    action: Literal["generate", "edit", "auto"] | None = None
    background: str | None = None
    error: Any = None
    output_format: str | None = None
    quality: str | None = None
    size: str | None = None
    svg_usage: Any = None


class CodeOutput(Body):
    """The output of code, or the URL of an image that it made."""

    type: Literal["logs", "image"]
    logs: str | None = None
    url: str | None = None


class CodeInterpreterCall(Body):
    """The model is told about the code, and about its outputs as far as they are given."""

    type: Literal["code_interpreter_call"]
    id: str
    container_id: str
    code: str | None = None
    outputs: list[CodeOutput] | None = Field(None, max_length=1024)
    status: Literal["in_progress", "completed", "incomplete", "interpreting", "failed"] | None = (
        None
    )


class FileSearchResult(Body):
    attributes: dict[str, Any] | None = None
    file_id: str | None = None
    filename: str | None = None
    score: float | None = None
    text: str | None = None


class FileSearchCall(Body):
    """The model is told about it again, with the results if it has them, as far as there is
    room.
    """

    type: Literal["file_search_call"]
    id: str | None = None
    queries: list[str]
    results: list[FileSearchResult] | None = Field(None, max_length=64)
    status: Literal["in_progress", "searching", "completed", "failed", "incomplete"] | None = None
