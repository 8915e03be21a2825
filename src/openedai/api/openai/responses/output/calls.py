"""Complete calls of functions, as items of the type of the client's tool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from openedai.api.openai.responses.output.objects import (
    ApplyPatchCallItem,
    ComputerCallItem,
    ExecAction,
    LocalShellCallItem,
    Operation,
    ShellAction,
    ShellCallItem,
    ToolSearchCallItem,
)
from openedai.api.parameters.ids import new_id
from openedai.errors import EngineFailed

TypedCallItem = (
    LocalShellCallItem | ShellCallItem | ApplyPatchCallItem | ComputerCallItem | ToolSearchCallItem
)


class _Exec(msgspec.Struct):
    command: list[str]
    env: dict[str, str] = msgspec.field(default_factory=dict)
    timeout_ms: int | None = None
    user: str | None = None
    working_directory: str | None = None


class _Actions(msgspec.Struct):
    actions: list[dict[str, Any]]


class _Action(msgspec.Struct):
    action: dict[str, Any]


def _local_shell(call_id: str, arguments: str) -> TypedCallItem:
    given = msgspec.json.decode(arguments, type=_Exec)
    fields = msgspec.structs.asdict(given)
    action = ExecAction(**{name: value for name, value in fields.items() if value is not None})
    return LocalShellCallItem(new_id("lsh_"), call_id, action, "completed")


def _shell(call_id: str, arguments: str) -> TypedCallItem:
    action = msgspec.json.decode(arguments, type=ShellAction)
    return ShellCallItem(new_id("sh_"), call_id, action, "completed")


def _apply_patch(call_id: str, arguments: str) -> TypedCallItem:
    operation: Operation = msgspec.json.decode(arguments, type=Operation)
    return ApplyPatchCallItem(new_id("apc_"), call_id, operation, "completed")


def _computer(call_id: str, arguments: str) -> TypedCallItem:
    actions = msgspec.json.decode(arguments, type=_Actions).actions
    return ComputerCallItem(new_id("cu_"), call_id, "completed", actions=actions)


def _preview(call_id: str, arguments: str) -> TypedCallItem:
    action = msgspec.json.decode(arguments, type=_Action).action
    return ComputerCallItem(new_id("cu_"), call_id, "completed", action=action)


def _tool_search(call_id: str, arguments: str) -> TypedCallItem:
    given = msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    return ToolSearchCallItem(new_id("tsc_"), call_id, given, "completed")


_READERS: dict[str, Callable[[str, str], TypedCallItem]] = {
    "local_shell": _local_shell,
    "shell": _shell,
    "apply_patch": _apply_patch,
    "computer": _computer,
    "computer_use_preview": _preview,
    "tool_search": _tool_search,
}


def call_item(type: str, call_id: str, arguments: str) -> TypedCallItem:
    """The item for a call of a tool of this type, with arguments in JSON.

    Raises EngineFailed for arguments that do not fit the tool.
    """
    try:
        return _READERS[type](call_id, arguments)
    except msgspec.DecodeError as error:
        raise EngineFailed(
            f"The model called the tool '{type}' with arguments that are not valid: {error}.",
            code="invalid_tool_call",
        ) from error
