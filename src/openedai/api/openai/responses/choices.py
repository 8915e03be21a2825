"""Which of its tools the model may call."""

from __future__ import annotations

from collections.abc import Sequence

from openedai.api.openai.responses.input.served import WEB_SEARCH
from openedai.api.openai.responses.input.tools import AllowedTools, ChosenTool, ToolChoice
from openedai.api.openai.responses.tools import CallableTool, CallableTools, refused_tool
from openedai.api.parameters.generation.tools import Toolset
from openedai.contract.chat import Tool
from openedai.errors import InvalidRequest


def choose(tools: CallableTools, choice: ToolChoice | None, parallel: bool | None) -> Toolset:
    """The functions that `tool_choice` and `parallel_tool_calls` let the model call.

    Raises InvalidRequest for the choice of a tool that does not exist.
    """
    every = tuple(tool.function for tool in tools.tools)
    parallel_calls = parallel is not False
    match choice:
        case "none":
            return Toolset()
        case "required":
            _require_some(tools)
            return Toolset(every, required=bool(every), parallel=parallel_calls)
        case ChosenTool():
            chosen = _chosen(tools, [choice], "tool_choice")
            return Toolset(chosen, required=bool(chosen), parallel=False)
        case AllowedTools():
            chosen = _chosen(tools, choice.tools, "tool_choice.tools")
            return Toolset(chosen, choice.mode == "required" and bool(chosen), parallel_calls)
        case _:
            return Toolset(every, parallel=parallel_calls)


def _require_some(tools: CallableTools) -> None:
    if not tools.tools and not tools.servers:
        raise InvalidRequest(
            "Invalid value for 'tool_choice': 'required' needs 'tools' that can be called.",
            code="invalid_value",
            param="tool_choice",
        )


def _chosen(tools: CallableTools, choices: Sequence[ChosenTool], param: str) -> tuple[Tool, ...]:
    chosen: list[Tool] = []
    for one in choices:
        matching = [tool.function for tool in tools.tools if _is_meant(tool, one)]
        if not matching and one.type in tools.left_out:
            raise refused_tool(one.type, param)
        if not matching and one.type == "mcp" and tools.server(one.server_label) is not None:
            continue  # the server's tools are not known yet, or lack the chosen one
        if not matching:
            label = one.type if one.name is None else one.name
            raise InvalidRequest(
                f"Invalid value for '{param}': there is no tool '{label}' in the request.",
                code="invalid_value",
                param=param,
            )
        chosen += matching
    names = {tool.name for tool in chosen}
    return tuple(tool.function for tool in tools.tools if tool.function.name in names)


def _is_meant(tool: CallableTool, chosen: ChosenTool) -> bool:
    if chosen.type == "namespace":
        return tool.namespace is not None and tool.namespace == chosen.name
    if chosen.type in ("function", "custom"):
        same_space = chosen.namespace is None or chosen.namespace == tool.namespace
        return tool.type == chosen.type and tool.name == chosen.name and same_space
    if chosen.type == "mcp":
        named = chosen.name is None or chosen.name == tool.name
        return tool.type == "mcp" and tool.namespace == chosen.server_label and named
    if chosen.type in WEB_SEARCH:
        return tool.type == "web_search"
    if chosen.type == "computer_use":
        return tool.type in ("computer", "computer_use_preview")
    return tool.type == chosen.type
