"""The tools of a request, and which of them may be called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from openedai.api.anthropic.blocks import CacheControl
from openedai.api.parameters.generation.tools import (
    Toolset,
    check_tools,
    require_tools,
    select_tools,
)
from openedai.api.parameters.unions import BY_TYPE
from openedai.contract.chat import Tool
from openedai.http.body import AllowedOnly, Body

MAX_TOOLS = 512


def _only_custom(tool_type: str | None) -> str | None:
    """Tools of other types are defined or run by the official server."""
    if tool_type not in (None, "custom"):
        raise PydanticCustomError("unsupported_value", "not supported")
    return tool_type


class ToolParam(Body):
    """`cache_control` and `eager_input_streaming` have no effect: arguments are always streamed as
    they arrive.
    """

    type: Annotated[str | None, AfterValidator(_only_custom)] = None
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None
    input_examples: list[dict[str, Any]] | None = None
    allowed_callers: Annotated[list[str] | None, AllowedOnly((["direct"],))] = None
    cache_control: CacheControl | None = None
    defer_loading: Annotated[bool | None, AllowedOnly((False,))] = None
    eager_input_streaming: bool | None = None

    def to_engine(self) -> Tool:
        """The tool for engines; the examples are an annotation of the schema."""
        examples = {"examples": self.input_examples} if self.input_examples else {}
        return Tool(
            name=self.name,
            description=self.description or "",
            parameters={**self.input_schema, **examples},
            strict=bool(self.strict),
        )


class ToolChoiceAuto(Body):
    type: Literal["auto"]
    disable_parallel_tool_use: bool | None = None


class ToolChoiceAny(Body):
    type: Literal["any"]
    disable_parallel_tool_use: bool | None = None


class ToolChoiceTool(Body):
    """The tool is called once, so `disable_parallel_tool_use` makes no difference."""

    type: Literal["tool"]
    name: str
    disable_parallel_tool_use: bool | None = None


class ToolChoiceNone(Body):
    type: Literal["none"]


class OtherChoice(Body):
    """Gives the error for an unknown type."""

    type: Literal["auto", "any", "tool", "none"]


ToolChoice = Annotated[
    ToolChoiceAuto | ToolChoiceAny | ToolChoiceTool | ToolChoiceNone | OtherChoice, BY_TYPE
]


def toolset(tools: Sequence[ToolParam], choice: ToolChoice | None) -> Toolset:
    """The tools that `tools` and `tool_choice` allow. Raises InvalidRequest."""
    if not tools:
        needs_tools = isinstance(choice, ToolChoiceAny | ToolChoiceTool)
        require_tools("tools", tool_choice=needs_tools)
        return Toolset()
    known = tuple(tool.to_engine() for tool in tools)
    paths = [f"tools[{index}]" for index in range(len(known))]
    check_tools(known, paths, schema_field="input_schema")
    match choice:
        case ToolChoiceNone():
            return Toolset()
        case ToolChoiceTool(name=name):
            chosen = select_tools(known, [name], "tool_choice.name")
            return Toolset(chosen, required=True, parallel=False)
        case ToolChoiceAny(disable_parallel_tool_use=single):
            return Toolset(known, required=True, parallel=not single)
        case ToolChoiceAuto(disable_parallel_tool_use=single):
            return Toolset(known, parallel=not single)
        case _:
            return Toolset(known)
