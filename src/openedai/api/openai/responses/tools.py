"""Tools that the client runs, as functions for the model.

Each tool becomes a function that the model may call; `output/calls.py` turns the calls back into
items of the tool's own type. Tools that the official API runs itself are not among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openedai.api.openai.responses.input.tools import (
    AllowedTools,
    AnyTool,
    ApplyPatch,
    ChosenTool,
    Computer,
    ComputerPreview,
    CustomTool,
    FunctionTool,
    GrammarInput,
    HostedTool,
    LocalShell,
    Namespace,
    Shell,
    ToolChoice,
    ToolSearch,
)
from openedai.api.openai.responses.tool_schemas import (
    APPLY_PATCH,
    COMPUTER_ACTION,
    COMPUTER_ACTIONS,
    LOCAL_SHELL,
    SHELL,
)
from openedai.api.parameters.chats.custom_tools import custom_tool
from openedai.api.parameters.tools import Toolset, check_tools
from openedai.contract.chat import InputGrammar, Tool
from openedai.errors import InvalidRequest, Unsupported

_ANY_OBJECT: dict[str, Any] = {"type": "object"}


@dataclass(frozen=True)
class ClientTool:
    """A tool of the client, and the function that the model is told of.

    `name` and `namespace` are the client's, `path` is where it stands in the body, and `deferred`
    says that the client's search must find it before it may be called.
    """

    type: str
    name: str
    function: Tool
    path: str
    namespace: str | None = None
    deferred: bool = False


@dataclass(frozen=True)
class ClientTools:
    """The tools that the client runs; `left_out` are the types of those that it does not."""

    tools: tuple[ClientTool, ...] = ()
    left_out: tuple[str, ...] = ()
    _by_function: Mapping[str, ClientTool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        by_function = {tool.function.name: tool for tool in self.tools}
        object.__setattr__(self, "_by_function", by_function)

    def of_function(self, name: str) -> ClientTool | None:
        """The tool that the model calls by this name."""
        return self._by_function.get(name)


def function_name(name: str, namespace: str | None = None) -> str:
    """The name by which the model knows a tool."""
    if not namespace:
        return name
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"


def client_tools(
    tools: Sequence[AnyTool], found: Iterable[tuple[str, AnyTool]], *, strict: bool
) -> ClientTools:
    """The tools of the parameter `tools`, and those that items have, with their paths.

    With `strict` the model's engine enforces the arguments of tools whose shape is ours. Raises
    InvalidRequest.
    """
    known: dict[str, ClientTool] = {}
    left_out: dict[str, None] = {}
    reader = _Reader(strict)
    listed = [(f"tools[{index}]", tool) for index, tool in enumerate(tools)]
    for path, tool in listed:
        if isinstance(tool, HostedTool):
            left_out[tool.type] = None
        for one in reader.read(tool, path):
            _check_name(one, known)
            known[one.function.name] = one
    for path, tool in found:
        known |= {one.function.name: one for one in reader.read(tool, path)}
    searched = any(tool.type == "tool_search" for tool in known.values())
    usable = [
        tool
        for tool in known.values()
        if not (searched and tool.deferred and tool.path.startswith("tools["))
    ]
    for one in usable:
        field_name = "parameters" if one.type in ("function", "tool_search") else "type"
        check_tools([one.function], [one.path], schema_field=field_name)
    return ClientTools(tuple(usable), tuple(left_out))


def _check_name(tool: ClientTool, known: Mapping[str, ClientTool]) -> None:
    name = tool.function.name
    if name in known:
        raise InvalidRequest(
            f"Invalid '{tool.path}': there are two tools with the name '{name}'.",
            code="invalid_value",
            param=tool.path,
        )


class _Reader:
    def __init__(self, strict: bool) -> None:
        self._strict = strict

    def read(self, tool: AnyTool, path: str) -> list[ClientTool]:
        """The client's tools that one tool is: none or several."""
        match tool:
            case FunctionTool() | CustomTool():
                return [self._named(tool, path, None)]
            case Namespace():
                return [
                    self._named(one, f"{path}.tools[{index}]", tool)
                    for index, one in enumerate(tool.tools)
                ]
            case ToolSearch(execution="client"):
                description = tool.description or "Searches for further tools."
                function = Tool(name=tool.type, description=description, parameters=tool.parameters)
                return [ClientTool(tool.type, tool.type, function, path)]
            case LocalShell():
                return [
                    self._own(tool.type, path, "Runs a command on the user's machine.", LOCAL_SHELL)
                ]
            case Shell():
                about = "Runs commands in the shell of the user's machine, one after another."
                return [self._own(tool.type, path, about, SHELL)]
            case ApplyPatch():
                about = "Creates, changes or deletes a file on the user's machine."
                return [self._own(tool.type, path, about, APPLY_PATCH)]
            case Computer():
                about = "Controls the user's computer. A screenshot follows the last action."
                return [self._own(tool.type, path, about, COMPUTER_ACTIONS)]
            case ComputerPreview():
                size = f"{tool.display_width} × {tool.display_height}"
                about = (
                    f"Controls a computer ({tool.environment}) whose screen has {size} pixels. "
                    "A screenshot follows each action."
                )
                return [self._own(tool.type, path, about, COMPUTER_ACTION)]
            case _:
                return []

    def _own(
        self, type: str, path: str, description: str, parameters: dict[str, Any]
    ) -> ClientTool:
        function = Tool(
            name=type, description=description, parameters=parameters, strict=self._strict
        )
        return ClientTool(type, type, function, path)

    def _named(
        self, tool: FunctionTool | CustomTool, path: str, space: Namespace | None
    ) -> ClientTool:
        namespace = None if space is None else space.name
        name = function_name(tool.name, namespace)
        description = tool.description or ""
        if space is not None and space.description:
            description = f"{space.description}\n\n{description}".strip()
        if isinstance(tool, FunctionTool):
            function = Tool(
                name=name,
                description=description,
                parameters=tool.parameters,
                strict=bool(tool.strict),
            )
        else:
            function = self._custom(tool, name, description)
        return ClientTool(tool.type, tool.name, function, path, namespace, bool(tool.defer_loading))

    def _custom(self, tool: CustomTool, name: str, description: str) -> Tool:
        given = tool.format if isinstance(tool.format, GrammarInput) else None
        grammar = None if given is None else InputGrammar(given.syntax, given.definition)
        return custom_tool(name, description, grammar, strict=self._strict)


def choose(tools: ClientTools, choice: ToolChoice | None, parallel: bool | None) -> Toolset:
    """The functions that `tool_choice` and `parallel_tool_calls` let the model call.

    Raises InvalidRequest for a choice of a tool that is not there.
    """
    every = tuple(tool.function for tool in tools.tools)
    parallel_calls = parallel is not False
    match choice:
        case "none":
            return Toolset()
        case "required":
            _require_some(tools)
            return Toolset(every, required=True, parallel=parallel_calls)
        case ChosenTool():
            chosen = _chosen(tools, [choice], "tool_choice")
            return Toolset(chosen, required=True, parallel=False)
        case AllowedTools():
            chosen = _chosen(tools, choice.tools, "tool_choice.tools")
            return Toolset(chosen, choice.mode == "required", parallel_calls)
        case _:
            return Toolset(every, parallel=parallel_calls)


def _require_some(tools: ClientTools) -> None:
    if not tools.tools:
        raise InvalidRequest(
            "Invalid value for 'tool_choice': 'required' needs 'tools' that can be called.",
            code="invalid_value",
            param="tool_choice",
        )


def _chosen(tools: ClientTools, wanted: Sequence[ChosenTool], param: str) -> tuple[Tool, ...]:
    chosen: list[Tool] = []
    for one in wanted:
        matching = [tool.function for tool in tools.tools if _is_meant(tool, one)]
        if not matching and one.type in tools.left_out:
            raise refused_tool(one.type, param)
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


def _is_meant(tool: ClientTool, chosen: ChosenTool) -> bool:
    if chosen.type == "namespace":
        return tool.namespace is not None and tool.namespace == chosen.name
    if chosen.type in ("function", "custom"):
        same_space = chosen.namespace is None or chosen.namespace == tool.namespace
        return tool.type == chosen.type and tool.name == chosen.name and same_space
    if chosen.type == "computer_use":
        return tool.type in ("computer", "computer_use_preview")
    return tool.type == chosen.type


def refused_tool(type: str, param: str) -> Unsupported:
    """The error of a tool that the official API runs itself."""
    return Unsupported(
        f"Unsupported value: '{param}' does not support '{type}' on this server, which runs no "
        "tools itself.",
        code="unsupported_value",
        param=param,
    )
