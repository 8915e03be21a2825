"""The parameters `tools` and `tool_choice`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Discriminator, Field

from openedai.api.openai.responses.input.callers import Callers
from openedai.api.openai.responses.input.served import (
    CodeInterpreterTool,
    FileSearchTool,
    ImageGenerationTool,
    McpServerTool,
    WebSearchTool,
    WebSearchType,
)
from openedai.api.parameters.generation.tools import NAME
from openedai.api.parameters.unions import BY_TYPE, branch
from openedai.http.body import Body, UnsupportedValues
from openedai.http.validation import TAG

MAX_TOOLS = 512
LONG_NAME = NAME.replace("64", "128")


# Examples of the AI SDK give the tools of a `tool_search_output` the second name.
Deferred = Annotated[
    bool | None, Field(validation_alias=AliasChoices("defer_loading", "deferLoading"))
]


class FunctionTool(Body):
    type: Literal["function"]
    name: str = Field(pattern=LONG_NAME)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    allowed_callers: Callers = None
    async_: bool | None = Field(None, alias="async")
    defer_loading: Deferred = None
    output_schema: dict[str, Any] | None = None


class TextInput(Body):
    type: Literal["text"]


class GrammarInput(Body):
    type: Literal["grammar"]
    syntax: Literal["lark", "regex"]
    definition: str = Field(min_length=1, max_length=1 << 16)


class CustomTool(Body):
    type: Literal["custom"]
    name: str = Field(pattern=LONG_NAME)
    description: str | None = None
    format: Annotated[GrammarInput | TextInput, BY_TYPE] | None = None
    allowed_callers: Callers = None
    async_: bool | None = Field(None, alias="async")
    defer_loading: Deferred = None


class Namespace(Body):
    type: Literal["namespace"]
    name: str = Field(pattern=LONG_NAME)
    description: str | None = None
    tools: list[Annotated[CustomTool | FunctionTool, BY_TYPE]] = Field(max_length=MAX_TOOLS)


class ToolSearch(Body):
    type: Literal["tool_search"]
    description: str | None = None
    execution: Literal["server", "client"] | None = None
    parameters: dict[str, Any] | None = None


class LocalShell(Body):
    type: Literal["local_shell"]


class Environment(Body):
    """The machine of the client; containers belong to the server."""

    type: Annotated[
        Literal["local", "container_auto", "container_reference"],
        UnsupportedValues("container_auto", "container_reference"),
    ]
    skills: list[Any] | None = None


class Shell(Body):
    type: Literal["shell"]
    environment: Environment | None = None
    allowed_callers: Callers = None


class ApplyPatch(Body):
    type: Literal["apply_patch"]
    allowed_callers: Callers = None


class Computer(Body):
    type: Literal["computer"]


class ComputerPreview(Body):
    type: Literal["computer_use_preview"]
    display_height: int = Field(ge=1, le=1 << 16)
    display_width: int = Field(ge=1, le=1 << 16)
    environment: Literal["windows", "mac", "linux", "ubuntu", "browser"]


HostedType = Literal[
    "code_interpreter",
    "file_search",
    "image_generation",
    "mcp",
    "programmatic_tool_calling",
]


class HostedTool(Body):
    """A tool that the official API runs itself and this server does not; it also gives the error
    for an unknown type.
    """

    model_config = ConfigDict(extra="ignore")
    type: HostedType | WebSearchType


AnyTool = (
    FunctionTool
    | CustomTool
    | Namespace
    | ToolSearch
    | LocalShell
    | Shell
    | ApplyPatch
    | Computer
    | ComputerPreview
    | CodeInterpreterTool
    | FileSearchTool
    | ImageGenerationTool
    | McpServerTool
    | WebSearchTool
    | HostedTool
)

ToolParam = Annotated[AnyTool, BY_TYPE]


class ChosenTool(Body):
    """A tool in `tool_choice`: functions and custom tools have names."""

    type: (
        Literal[
            "function",
            "custom",
            "namespace",
            "tool_search",
            "local_shell",
            "shell",
            "apply_patch",
            "computer",
            "computer_use",
            "computer_use_preview",
        ]
        | HostedType
        | WebSearchType
    )
    name: str | None = None
    namespace: str | None = None
    server_label: str | None = None


class AllowedTools(Body):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[ChosenTool] = Field(min_length=1, max_length=MAX_TOOLS)


def _choice_type(value: Any) -> str:
    if isinstance(value, str):
        return f"{TAG}a string"
    given = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"{TAG}allowed tools" if given == "allowed_tools" else f"{TAG}an object"


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], branch("a string")]
    | Annotated[AllowedTools, branch("allowed tools")]
    | Annotated[ChosenTool, branch("an object")],
    Discriminator(_choice_type),
]
