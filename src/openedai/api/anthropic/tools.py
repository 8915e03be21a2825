"""The tools of a request, and which of them may be called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Tag
from pydantic_core import PydanticCustomError

from openedai.api.anthropic.blocks import CacheControl, by_type
from openedai.api.parameters.tools import Toolset, check_tools, named, refuse_without
from openedai.contract.chat import Tool
from openedai.http.body import AllowedOnly, Body

MAX_TOOLS = 512


def _custom(kind: str | None) -> str | None:
    """All other types are of tools that the API itself describes or runs."""
    if kind not in (None, "custom"):
        raise PydanticCustomError("unsupported_value", "not supported")
    return kind


class ToolParam(Body):
    """`cache_control` and `eager_input_streaming` have no effect: arguments are always streamed
    as they come.
    """

    type: Annotated[str | None, AfterValidator(_custom)] = None
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None
    input_examples: list[dict[str, Any]] | None = None
    allowed_callers: Annotated[list[str] | None, AllowedOnly((["direct"],))] = None
    cache_control: CacheControl | None = None
    defer_loading: Annotated[bool | None, AllowedOnly((False,))] = None
    eager_input_streaming: bool | None = None

    def parsed(self) -> Tool:
        """As engines see it; the examples are an annotation of the schema."""
        shown = {"examples": self.input_examples} if self.input_examples else {}
        return Tool(
            name=self.name,
            description=self.description or "",
            parameters={**self.input_schema, **shown},
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
    """Stands for the error of an unknown type."""

    type: Literal["auto", "any", "tool", "none"]


ToolChoice = Annotated[
    Annotated[ToolChoiceAuto, Tag("~auto")]
    | Annotated[ToolChoiceAny, Tag("~any")]
    | Annotated[ToolChoiceTool, Tag("~tool")]
    | Annotated[ToolChoiceNone, Tag("~none")]
    | Annotated[OtherChoice, Tag("~other")],
    by_type("auto", "any", "tool", "none"),
]


def toolset(tools: Sequence[ToolParam], choice: ToolChoice | None) -> Toolset:
    """What `tools` and `tool_choice` say together. Raises InvalidRequest."""
    if not tools:
        must = isinstance(choice, ToolChoiceAny | ToolChoiceTool)
        refuse_without("tools", tool_choice=must)
        return Toolset()
    known = tuple(tool.parsed() for tool in tools)
    check_tools(known, [f"tools[{index}]" for index in range(len(known))], schema="input_schema")
    match choice:
        case ToolChoiceNone():
            return Toolset()
        case ToolChoiceTool(name=name):
            return Toolset(named(known, [name], "tool_choice.name"), required=True, parallel=False)
        case ToolChoiceAny(disable_parallel_tool_use=single):
            return Toolset(known, required=True, parallel=not single)
        case ToolChoiceAuto(disable_parallel_tool_use=single):
            return Toolset(known, parallel=not single)
        case _:
            return Toolset(known)
