"""Items of the input: calls of tools that the client runs, and the outputs of these tools."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from openedai.api.openai.responses.input.parts import Detail, ToolOutput
from openedai.http.body import Body

Status = Literal["in_progress", "completed", "incomplete"]


class Item(Body):
    """`caller` would be a program of the model: here all calls are `direct`, that is, without
    one.
    """

    id: str | None = None
    status: Status | None = None
    caller: Any = None
    created_by: str | None = None


class FunctionCall(Item):
    """`parsed_arguments` is what the official client's `parse` adds."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    namespace: str | None = None
    async_: bool | None = Field(None, alias="async")
    parsed_arguments: Any = None


class FunctionCallOutput(Item):
    type: Literal["function_call_output"]
    call_id: str
    output: ToolOutput
    name: str | None = None
    namespace: str | None = None


class CustomToolCall(Item):
    type: Literal["custom_tool_call"]
    call_id: str
    name: str
    input: str
    namespace: str | None = None
    async_: bool | None = Field(None, alias="async")


class CustomToolCallOutput(Item):
    type: Literal["custom_tool_call_output"]
    call_id: str
    output: ToolOutput
    name: str | None = None


class Exec(Body):
    type: Literal["exec"]
    command: list[str]
    env: dict[str, str] | None = None
    timeout_ms: int | None = None
    user: str | None = None
    working_directory: str | None = None


class LocalShellCall(Item):
    type: Literal["local_shell_call"]
    call_id: str
    action: Exec


class LocalShellCallOutput(Item):
    """Its official field is `id`, the id of the call; clients also send it as `call_id`."""

    type: Literal["local_shell_call_output"]
    call_id: str | None = None
    output: str


class ShellAction(Body):
    commands: list[str]
    max_output_length: int | None = None
    timeout_ms: int | None = None


class ShellCall(Item):
    type: Literal["shell_call"]
    call_id: str
    action: ShellAction
    environment: Any = None


class Outcome(Body):
    type: Literal["exit", "timeout"]
    exit_code: int | None = None


class ShellOutput(Body):
    stdout: str
    stderr: str
    outcome: Outcome
    created_by: str | None = None


class ShellCallOutput(Item):
    type: Literal["shell_call_output"]
    call_id: str
    output: list[ShellOutput]
    max_output_length: int | None = None


class Operation(Body):
    type: Literal["create_file", "update_file", "delete_file"]
    path: str
    diff: str | None = None


class ApplyPatchCall(Item):
    type: Literal["apply_patch_call"]
    call_id: str
    operation: Operation


class ApplyPatchCallOutput(Body):
    type: Literal["apply_patch_call_output"]
    id: str | None = None
    call_id: str
    status: Literal["completed", "failed"]
    output: str | None = None
    caller: Any = None
    created_by: str | None = None


class ComputerCall(Item):
    """`actions`, or the older `action`."""

    type: Literal["computer_call"]
    call_id: str
    action: dict[str, Any] | None = None
    actions: list[dict[str, Any]] | None = None
    pending_safety_checks: list[Any] | None = None


class Screenshot(Body):
    type: Literal["computer_screenshot", "input_image"]
    image_url: str | None = None
    file_id: str | None = None
    detail: Detail | None = None


class ComputerCallOutput(Item):
    type: Literal["computer_call_output"]
    call_id: str
    output: Screenshot
    acknowledged_safety_checks: list[Any] | None = None


class ToolSearchCall(Item):
    type: Literal["tool_search_call"]
    call_id: str | None = None
    arguments: Any
    execution: Literal["server", "client"] | None = None
