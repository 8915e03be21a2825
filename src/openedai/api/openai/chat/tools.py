"""The tools of a request: `tools`, functions and custom ones, and the older `functions`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field

from openedai.api.parameters.chats.custom_tools import custom_tool
from openedai.api.parameters.generation.tools import (
    NAME,
    Toolset,
    check_tools,
    require_tools,
    select_tools,
)
from openedai.api.parameters.unions import BY_JSON_TYPE, BY_TYPE, branch
from openedai.contract.chat import InputGrammar, Tool
from openedai.http.body import Body
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
    """Also for the error of an unknown type. `cache_control` has no effect, as in messages."""

    type: Literal["function", "custom"]
    function: FunctionDefinition
    cache_control: Any = None

    @property
    def name(self) -> str:
        return self.function.name

    def tool(self) -> Tool:
        return _tool(self.function)


class Grammar(Body):
    syntax: Literal["lark", "regex"]
    definition: str = Field(min_length=1, max_length=1 << 16)


class GrammarFormat(Body):
    type: Literal["grammar"]
    grammar: Grammar


class TextFormat(Body):
    """Also for the error of an unknown type."""

    type: Literal["text", "grammar"]


class CustomDefinition(Body):
    name: str = Field(pattern=NAME)
    description: str | None = None
    format: Annotated[GrammarFormat | TextFormat, BY_TYPE] | None = None


class CustomTool(Body):
    """A tool whose input is one text."""

    type: Literal["custom"]
    custom: CustomDefinition

    @property
    def name(self) -> str:
        return self.custom.name

    def tool(self) -> Tool:
        grammar, given = None, self.custom.format
        if isinstance(given, GrammarFormat):
            grammar = InputGrammar(given.grammar.syntax, given.grammar.definition)
        return custom_tool(self.name, self.custom.description or "", grammar, strict=True)


AnyTool = Annotated[CustomTool | FunctionTool, BY_TYPE]


class FunctionName(Body):
    name: str


class ToolName(Body):
    """A tool in `tool_choice`."""

    type: Literal["function", "custom"]
    function: FunctionName

    @property
    def name(self) -> str:
        return self.function.name


class CustomToolName(Body):
    type: Literal["custom"]
    custom: FunctionName

    @property
    def name(self) -> str:
        return self.custom.name


class Allowed(Body):
    mode: Literal["auto", "required"]
    tools: list[Annotated[CustomToolName | ToolName, BY_TYPE]] = Field(min_length=1)


class AllowedTools(Body):
    type: Literal["allowed_tools"]
    allowed_tools: Allowed


def _choice_type(value: Any) -> str:
    if isinstance(value, str):
        return f"{TAG}a string"
    given = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    if given == "custom":
        return f"{TAG}custom"
    return f"{TAG}allowed tools" if given == "allowed_tools" else f"{TAG}an object"


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], branch("a string")]
    | Annotated[AllowedTools, branch("allowed tools")]
    | Annotated[CustomToolName, branch("custom")]
    | Annotated[ToolName, branch("an object")],
    Discriminator(_choice_type),
]

FunctionChoice = Annotated[
    Annotated[Literal["none", "auto"], branch("a string")]
    | Annotated[FunctionName, branch("an object")],
    BY_JSON_TYPE,
]


def toolset(
    tools: Sequence[FunctionTool | CustomTool], choice: ToolChoice | None, parallel: bool | None
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
    known = tuple(tool.tool() for tool in tools)
    paths = [f"tools[{index}].{tool.type}" for index, tool in enumerate(tools)]
    check_tools(known, paths, schema_field="parameters")
    parallel_calls = parallel is not False
    match choice:
        case "none":
            return Toolset()
        case ToolName() | CustomToolName():
            chosen = select_tools(known, [choice.name], "tool_choice")
            return Toolset(chosen, required=True, parallel=False)
        case AllowedTools(allowed_tools=allowed):
            names = [tool.name for tool in allowed.tools]
            chosen = select_tools(known, names, "tool_choice")
            return Toolset(chosen, allowed.mode == "required", parallel_calls)
        case _:
            return Toolset(known, choice == "required", parallel_calls)


def old_toolset(functions: Sequence[OldFunction], choice: FunctionChoice | None) -> Toolset:
    """The tools of `functions` and `function_call`, which allow one call. Raises InvalidRequest."""
    if not functions:
        require_tools("functions", function_call=choice not in (None, "none", "auto"))
        return Toolset()
    known = tuple(map(_tool, functions))
    paths = [f"functions[{index}]" for index in range(len(functions))]
    check_tools(known, paths, schema_field="parameters")
    match choice:
        case "none":
            return Toolset()
        case FunctionName(name=name):
            tools = select_tools(known, [name], "function_call")
            return Toolset(tools, required=True, parallel=False)
        case _:
            return Toolset(known, parallel=False)


def _tool(function: OldFunction) -> Tool:
    return Tool(
        name=function.name,
        description=function.description or "",
        parameters=function.parameters,
        strict=isinstance(function, FunctionDefinition) and bool(function.strict),
    )
