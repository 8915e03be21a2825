"""Tools as functions for the model.

Each tool becomes a function that the model may call; `output/calls.py` turns the calls of tools
that the client runs back into items of the tool's own type, and `served/` runs the others.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec.structs import replace as replace_fields

from openedai.api.openai.responses.input.served import (
    CodeInterpreterTool,
    FileSearchTool,
    ImageGenerationTool,
    McpServerTool,
    WebSearchTool,
)
from openedai.api.openai.responses.input.tools import (
    AnyTool,
    ApplyPatch,
    Computer,
    ComputerPreview,
    CustomTool,
    FunctionTool,
    GrammarInput,
    HostedTool,
    LocalShell,
    Namespace,
    Shell,
    ToolSearch,
)
from openedai.api.openai.responses.tool_schemas import (
    APPLY_PATCH,
    COMPUTER_ACTION,
    COMPUTER_ACTIONS,
    IMAGE_PROMPT,
    LOCAL_SHELL,
    SHELL,
    WEB_QUERY,
)
from openedai.api.parameters.chats.custom_tools import custom_tool
from openedai.api.parameters.generation.tools import check_tools
from openedai.contract.chat import InputGrammar, Tool
from openedai.errors import InvalidRequest, Unsupported, invalid_value
from openedai.serving.tools.code_interpreter import CODE_INTERPRETER
from openedai.serving.tools.file_search import FILE_SEARCH

ServedTool = (
    WebSearchTool | FileSearchTool | ImageGenerationTool | McpServerTool | CodeInterpreterTool
)
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 128
_WEB_ABOUT = (
    "Searches the web. Returns pages with their addresses. Cite a page that you use as "
    "[title](address)."
)

# What a server that does not run a tool is missing, by the type of the tool.
_NEEDS = {
    "mcp": "it needs the extra `mcp` (pip install 'openedai[mcp]' and restart the server), and "
    "neither `mcp_servers = false` nor `offline`",
    "web_search": "it needs a search engine, in the setting `web_search`",
    "image_generation": "it needs a model that makes images; docs/images.md says how to add one",
}


@dataclass(frozen=True)
class CallableTool:
    """A tool, and the function that stands for it in the model's prompt.

    `name` and `namespace` are the client's, `path` is its position in the body, and `deferred` says
    that the client's search must find it before it may be called. `served` is the definition of a
    tool that the server runs; None for one that the client runs. If it `needs_approval`, it runs
    once the client has approved the call. Code runs in the `container` with this id, which may not
    exist yet.
    """

    type: str
    name: str
    function: Tool
    path: str
    namespace: str | None = None
    deferred: bool = False
    served: ServedTool | None = None
    needs_approval: bool = False
    container: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether the server runs a call immediately."""
        return self.served is not None and not self.needs_approval


@dataclass(frozen=True)
class CallableTools:
    """The tools that the model may call; `left_out` are the types of those that nobody runs.
    `servers`, by their paths, have further tools, for which they have to be asked.
    """

    tools: tuple[CallableTool, ...] = ()
    left_out: tuple[str, ...] = ()
    servers: tuple[tuple[str, McpServerTool], ...] = ()
    _by_function: Mapping[str, CallableTool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        by_function = {tool.function.name: tool for tool in self.tools}
        object.__setattr__(self, "_by_function", by_function)

    @property
    def any_served(self) -> bool:
        """Whether the server runs any of them."""
        return bool(self.servers) or any(tool.served is not None for tool in self.tools)

    def server(self, label: str | None) -> tuple[str, McpServerTool] | None:
        """The server with this label, and its path."""
        return next((one for one in self.servers if one[1].server_label == label), None)

    def with_tools(self, found: Iterable[CallableTool]) -> CallableTools:
        """These tools and those of the servers. Of two functions with the same name the first is
        kept.
        """
        known = {tool.function.name: tool for tool in self.tools}
        for tool in found:
            known.setdefault(tool.function.name, tool)
        return replace(self, tools=tuple(known.values()))

    def of_function(self, name: str) -> CallableTool | None:
        """The tool that the model calls by this name."""
        return self._by_function.get(name)


def function_name(name: str, namespace: str | None = None) -> str:
    """The name by which the model knows a tool."""
    if not namespace:
        return name
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"


def mcp_name(label: str, name: str) -> str:
    """The name by which the model knows a tool of a server."""
    whole = function_name(name, label)
    clean = _NOT_IN_NAMES.sub("_", whole)
    if clean == whole and len(whole) <= _LONGEST_NAME:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{clean[: _LONGEST_NAME - len(digest) - 1]}_{digest}"


def mcp_function(
    server: McpServerTool,
    path: str,
    name: str,
    description: str,
    parameters: dict[str, Any],
    *,
    needs_approval: bool,
) -> CallableTool:
    """A tool of a server as a function. If its schema cannot be enforced, any arguments are
    allowed.
    """
    about = "\n\n".join(filter(None, (server.server_description, description)))
    function = Tool(name=mcp_name(server.server_label, name), description=about)
    checked = replace_fields(function, parameters=parameters)
    try:
        check_tools([checked], [path], schema_field="server_url")
    except InvalidRequest:
        checked = replace_fields(function, parameters={"type": "object"})
    return CallableTool(
        type="mcp",
        name=name,
        function=checked,
        path=path,
        namespace=server.server_label,
        served=server,
        needs_approval=needs_approval,
    )


def callable_tools(
    tools: Sequence[AnyTool],
    found: Iterable[tuple[str, AnyTool]],
    *,
    strict: bool,
    served: Collection[str] = (),
) -> CallableTools:
    """The tools of the parameter `tools`, and those that items have, with their paths.

    With `strict` the model's engine enforces the arguments of tools whose shape the API defines.
    `served` are the types of the tools that the server runs. Raises InvalidRequest.
    """
    known: dict[str, CallableTool] = {}
    left_out: dict[str, None] = {}
    reader = _Reader(strict, served)
    found = list(found)
    listed = [(f"tools[{index}]", tool) for index, tool in enumerate(tools)]
    _check_labels(listed)
    for path, tool in listed:
        if reader.leaves_out(tool):
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
    servers = {
        tool.server_label: (path, tool)
        for path, tool in [*found, *listed]
        if isinstance(tool, McpServerTool) and not reader.leaves_out(tool)
    }
    return CallableTools(tuple(usable), tuple(left_out), tuple(servers.values()))


def _check_labels(tools: Iterable[tuple[str, AnyTool]]) -> None:
    labels: set[str] = set()
    for path, tool in tools:
        if isinstance(tool, McpServerTool):
            if tool.server_label in labels:
                raise invalid_value(f"{path}.server_label", "two servers have this label")
            labels.add(tool.server_label)


def _check_name(tool: CallableTool, known: Mapping[str, CallableTool]) -> None:
    name = tool.function.name
    if name in known:
        raise InvalidRequest(
            f"Invalid '{tool.path}': there are two tools with the name '{name}'.",
            code="invalid_value",
            param=tool.path,
        )


class _Reader:
    def __init__(self, strict: bool, served: Collection[str]) -> None:
        self._strict = strict
        self._served = served

    def leaves_out(self, tool: AnyTool) -> bool:
        """Whether neither the client nor the server runs the tool."""
        match tool:
            case McpServerTool():
                return "mcp" not in self._served
            case FileSearchTool() | ImageGenerationTool() | CodeInterpreterTool():
                return tool.type not in self._served
            case WebSearchTool():
                return "web_search" not in self._served or tool.external_web_access is False
            case _:
                return isinstance(tool, HostedTool)

    def read(self, tool: AnyTool, path: str) -> list[CallableTool]:
        """The functions that the model may call for one tool: none, one or several."""
        if self.leaves_out(tool):
            return []
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
                return [CallableTool(tool.type, tool.type, function, path)]
            case LocalShell() | Shell() | ApplyPatch() | Computer() | ComputerPreview():
                return [self._of_client(tool, path)]
            case FileSearchTool() | CodeInterpreterTool() | ImageGenerationTool() | WebSearchTool():
                return [self._served_here(tool, path)]
            case _:
                return []

    def _of_client(
        self, tool: LocalShell | Shell | ApplyPatch | Computer | ComputerPreview, path: str
    ) -> CallableTool:
        """The function of a tool that the client runs."""
        match tool:
            case LocalShell():
                about, parameters = "Runs a command on the user's machine.", LOCAL_SHELL
            case Shell():
                about = "Runs commands in the shell of the user's machine, one after another."
                parameters = SHELL
            case ApplyPatch():
                about = "Creates, changes or deletes a file on the user's machine."
                parameters = APPLY_PATCH
            case Computer():
                about = "Controls the user's computer. A screenshot follows the last action."
                parameters = COMPUTER_ACTIONS
            case ComputerPreview():
                size = f"{tool.display_width} × {tool.display_height}"
                about = (
                    f"Controls a computer ({tool.environment}) whose screen has {size} pixels. "
                    "A screenshot follows each action."
                )
                parameters = COMPUTER_ACTION
        return self._own(tool.type, path, about, parameters)

    def _served_here(
        self,
        tool: FileSearchTool | CodeInterpreterTool | ImageGenerationTool | WebSearchTool,
        path: str,
    ) -> CallableTool:
        """The function of a tool that this server runs. Raises InvalidRequest."""
        match tool:
            case FileSearchTool():
                tool.check_at(path)
                function = replace_fields(FILE_SEARCH, strict=self._strict)
                return CallableTool(tool.type, tool.type, function, path, served=tool)
            case CodeInterpreterTool():
                function = replace_fields(CODE_INTERPRETER, strict=self._strict)
                return CallableTool(tool.type, tool.type, function, path, served=tool)
            case ImageGenerationTool():
                tool.check_at(path)
                about = "Makes an image and shows it to the user."
                own = self._own(tool.type, path, about, IMAGE_PROMPT)
            case WebSearchTool():
                own = self._own("web_search", path, _WEB_ABOUT, WEB_QUERY)
        return replace(own, served=tool)

    def _own(
        self, type: str, path: str, description: str, parameters: dict[str, Any]
    ) -> CallableTool:
        function = Tool(
            name=type, description=description, parameters=parameters, strict=self._strict
        )
        return CallableTool(type, type, function, path)

    def _named(
        self, tool: FunctionTool | CustomTool, path: str, space: Namespace | None
    ) -> CallableTool:
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
        return CallableTool(
            tool.type, tool.name, function, path, namespace, bool(tool.defer_loading)
        )

    def _custom(self, tool: CustomTool, name: str, description: str) -> Tool:
        given = tool.format if isinstance(tool.format, GrammarInput) else None
        grammar = None if given is None else InputGrammar(given.syntax, given.definition)
        return custom_tool(name, description, grammar, strict=self._strict)


def refused_tool(type: str, param: str, reason: str | None = None) -> Unsupported:
    """The error of a tool that the official API runs itself, and this server does not."""
    why = reason or _NEEDS.get(type, "it is not one of the tools that it runs")
    return Unsupported(
        f"Unsupported value: '{param}' does not support '{type}' on this server: {why}. "
        "docs/tools.md describes the tools that it runs.",
        code="unsupported_value",
        param=param,
    )
