"""The tools of a request: `tools`, and the older `functions`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field

from openedai.api.parameters.tools import NAME, Toolset, check_tools, require_tools, select_tools
from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.contract.chat import Tool
from openedai.http.body import Body, UnsupportedValues
from openedai.http.validation import TAG

MAX_TOOLS = 128


class OldFunction(Body):
    """A function in `functions`."""

    name: str = Field(pattern=NAME)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class FunctionDefinition(OldFunction):
    strict: bool | None = None


class FunctionTool(Body):
    type: Annotated[Literal["function", "custom"], UnsupportedValues("custom")]
    function: FunctionDefinition


class FunctionName(Body):
    name: str


class ToolName(Body):
    """A tool in `tool_choice`."""

    type: Annotated[Literal["function", "custom"], UnsupportedValues("custom")]
    function: FunctionName


class Allowed(Body):
    mode: Literal["auto", "required"]
    tools: list[ToolName] = Field(min_length=1)


class AllowedTools(Body):
    type: Literal["allowed_tools"]
    allowed_tools: Allowed


def _choice_type(value: Any) -> str:
    if isinstance(value, str):
        return f"{TAG}a string"
    allowed = isinstance(value, dict) and value.get("type") == "allowed_tools"
    return f"{TAG}allowed tools" if allowed else f"{TAG}an object"


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], branch("a string")]
    | Annotated[AllowedTools, branch("allowed tools")]
    | Annotated[ToolName, branch("an object")],
    Discriminator(_choice_type),
]

FunctionChoice = Annotated[
    Annotated[Literal["none", "auto"], branch("a string")]
    | Annotated[FunctionName, branch("an object")],
    BY_JSON_TYPE,
]


def toolset(
    tools: Sequence[FunctionTool], choice: ToolChoice | None, parallel: bool | None
) -> Toolset:
    """The tools that `tools`, `tool_choice` and `parallel_tool_calls` allow.

    Raises InvalidRequest.
    """
    if not tools:
        require_tools(
            "tools",
            tool_choice=choice not in (None, "none", "auto"),
            parallel_tool_calls=parallel is not None,
        )
        return Toolset()
    functions = [tool.function for tool in tools]
    paths = [f"tools[{index}].function" for index in range(len(tools))]
    known = _tools(functions, paths)
    parallel_calls = parallel is not False
    match choice:
        case "none":
            return Toolset()
        case ToolName():
            chosen = select_tools(known, [choice.function.name], "tool_choice")
            return Toolset(chosen, required=True, parallel=False)
        case AllowedTools(allowed_tools=allowed):
            names = [tool.function.name for tool in allowed.tools]
            chosen = select_tools(known, names, "tool_choice")
            return Toolset(chosen, allowed.mode == "required", parallel_calls)
        case _:
            return Toolset(known, choice == "required", parallel_calls)


def old_toolset(functions: Sequence[OldFunction], choice: FunctionChoice | None) -> Toolset:
    """The tools of `functions` and `function_call`, which allow one call. Raises InvalidRequest."""
    if not functions:
        require_tools("functions", function_call=choice not in (None, "none", "auto"))
        return Toolset()
    known = _tools(functions, [f"functions[{index}]" for index in range(len(functions))])
    match choice:
        case "none":
            return Toolset()
        case FunctionName(name=name):
            tools = select_tools(known, [name], "function_call")
            return Toolset(tools, required=True, parallel=False)
        case _:
            return Toolset(known, parallel=False)


def _tools(functions: Sequence[OldFunction], paths: Sequence[str]) -> tuple[Tool, ...]:
    tools = tuple(
        Tool(
            name=function.name,
            description=function.description or "",
            parameters=function.parameters,
            strict=isinstance(function, FunctionDefinition) and bool(function.strict),
        )
        for function in functions
    )
    check_tools(tools, paths, schema_field="parameters")
    return tools
