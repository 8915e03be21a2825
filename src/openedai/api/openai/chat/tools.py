"""The tools of a request, in the API's two generations, and which of them may be called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from openedai.api.parameters.sampling import json_type
from openedai.api.parameters.tools import Toolset, check_tools, named, refuse_without
from openedai.contract.chat import Tool
from openedai.http.body import Body, UnsupportedValues

MAX_TOOLS = 128
NAME = r"^[a-zA-Z0-9_-]{1,64}$"


class OldFunction(Body):
    """What `functions` has."""

    name: str = Field(pattern=NAME)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class FunctionDefinition(OldFunction):
    strict: bool | None = None


class FunctionTool(Body):
    type: Annotated[Literal["function", "custom"], UnsupportedValues("custom")]
    function: FunctionDefinition


class Named(Body):
    name: str


class ToolName(Body):
    """A tool in `tool_choice`."""

    type: Annotated[Literal["function", "custom"], UnsupportedValues("custom")]
    function: Named


class Allowed(Body):
    mode: Literal["auto", "required"]
    tools: list[ToolName] = Field(min_length=1)


class AllowedTools(Body):
    type: Literal["allowed_tools"]
    allowed_tools: Allowed


def _choice_type(value: Any) -> str:
    if isinstance(value, str):
        return "~a string"
    allowed = isinstance(value, dict) and value.get("type") == "allowed_tools"
    return "~allowed tools" if allowed else "~an object"


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("~a string")]
    | Annotated[AllowedTools, Tag("~allowed tools")]
    | Annotated[ToolName, Tag("~an object")],
    Discriminator(_choice_type),
]

FunctionChoice = Annotated[
    Annotated[Literal["none", "auto"], Tag("~a string")] | Annotated[Named, Tag("~something else")],
    Discriminator(json_type),
]


def toolset(
    tools: Sequence[FunctionTool], choice: ToolChoice | None, parallel: bool | None
) -> Toolset:
    """What `tools`, `tool_choice` and `parallel_tool_calls` say together. Raises InvalidRequest."""
    if not tools:
        refuse_without(
            "tools",
            tool_choice=choice not in (None, "none", "auto"),
            parallel_tool_calls=parallel is not None,
        )
        return Toolset()
    functions = [tool.function for tool in tools]
    places = [f"tools[{index}].function" for index in range(len(tools))]
    known = _tools(functions, places)
    several = parallel is not False
    match choice:
        case "none":
            return Toolset()
        case ToolName():
            chosen = named(known, [choice.function.name], "tool_choice")
            return Toolset(chosen, required=True, parallel=False)
        case AllowedTools(allowed_tools=allowed):
            names = [tool.function.name for tool in allowed.tools]
            chosen = named(known, names, "tool_choice")
            return Toolset(chosen, allowed.mode == "required", several)
        case _:
            return Toolset(known, choice == "required", several)


def old_toolset(functions: Sequence[OldFunction], choice: FunctionChoice | None) -> Toolset:
    """The same for `functions` and `function_call`, which allow one call."""
    if not functions:
        refuse_without("functions", function_call=choice not in (None, "none", "auto"))
        return Toolset()
    known = _tools(functions, [f"functions[{index}]" for index in range(len(functions))])
    match choice:
        case "none":
            return Toolset()
        case Named(name=name):
            tools = named(known, [name], "function_call")
            return Toolset(tools, required=True, parallel=False)
        case _:
            return Toolset(known, parallel=False)


def _tools(functions: Sequence[OldFunction], places: Sequence[str]) -> tuple[Tool, ...]:
    tools = tuple(
        Tool(
            name=function.name,
            description=function.description or "",
            parameters=function.parameters,
            strict=isinstance(function, FunctionDefinition) and bool(function.strict),
        )
        for function in functions
    )
    check_tools(tools, places, schema="parameters")
    return tools
