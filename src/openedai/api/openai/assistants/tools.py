"""The tools of assistants and runs, and the resources that they use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from openedai.api.openai.assistants.served.code import CODE
from openedai.api.openai.assistants.served.search import SEARCH
from openedai.api.parameters.generation.answer_formats import ResponseFormat, format_constraint
from openedai.api.parameters.generation.tools import NAME, check_tools
from openedai.api.parameters.unions import BY_JSON_TYPE, BY_TYPE, branch
from openedai.contract.chat import Tool
from openedai.contract.generate import Constraint
from openedai.errors import InvalidRequest, Unsupported, invalid_value
from openedai.http.body import Body, add_warning

MAX_TOOLS = 128
MAX_CODE_FILES = 20
_ID = r"^[A-Za-z0-9_-]+$"
StoreId = Annotated[str, Field(max_length=64, pattern=_ID)]


class Function(Body):
    name: str = Field(pattern=NAME)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Body):
    type: Literal["function"]
    function: Function


class RankingOptions(Body):
    score_threshold: float = Field(0.0, ge=0, le=1)
    ranker: Literal["auto", "default_2024_08_21"] | None = None


class SearchOptions(Body):
    max_num_results: int | None = Field(None, ge=1, le=50)
    ranking_options: RankingOptions | None = None


class FileSearchTool(Body):
    type: Literal["file_search"]
    file_search: SearchOptions | None = None


class CodeTool(Body):
    type: Literal["code_interpreter"]


class OtherTool(Body):
    """Gives the error for an unknown type."""

    type: Literal["function", "file_search", "code_interpreter"]


AnyTool = Annotated[FunctionTool | FileSearchTool | CodeTool | OtherTool, BY_TYPE]
ToolList = Annotated[list[AnyTool], Field(max_length=MAX_TOOLS)]


class ChosenFunction(Body):
    name: str


class ChosenTool(Body):
    type: Literal["function", "file_search", "code_interpreter"]
    function: ChosenFunction | None = None


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], branch("a string")]
    | Annotated[ChosenTool, branch("an object")],
    BY_JSON_TYPE,
]
FormatOption = Annotated[
    Annotated[Literal["auto"], branch("a string")] | Annotated[ResponseFormat, branch("an object")],
    BY_JSON_TYPE,
]


def answer_constraint(format: FormatOption | None) -> Constraint | None:
    """Raises InvalidRequest for a format without its schema."""
    return None if format is None or isinstance(format, str) else format_constraint(format)


def kept_tools(
    tools: Sequence[AnyTool], *, no_code: str | None, refuses: bool, headers: dict[str, str]
) -> list[dict[str, Any]]:
    """The tools as they are stored and shown. If code cannot be run, `no_code` says why; then the
    tool for code is left out if there are others, with a warning, unless the server `refuses` that.

    Raises InvalidRequest.
    """
    coding = [index for index, tool in enumerate(tools) if isinstance(tool, CodeTool)]
    usable = [*tools]
    if coding and no_code is not None:
        usable = [tool for tool in tools if not isinstance(tool, CodeTool)]
        if refuses or not usable:
            raise refused_tool(CODE, f"tools[{coding[0]}].type", no_code)
        what = f"tools that this server does not run were left out: {CODE} ({no_code})"
        add_warning(headers, what)
    for type, name in ((FileSearchTool, SEARCH), (CodeTool, CODE)):
        if sum(isinstance(tool, type) for tool in tools) > 1:
            raise invalid_value("tools", f"there can be one tool of the type '{name}'")
    check_functions(tools)
    return [tool.model_dump(exclude_unset=True, by_alias=True) for tool in usable]


def check_functions(tools: Sequence[AnyTool]) -> None:
    """Raise InvalidRequest for functions that cannot be called."""
    found = [(n, tool.function) for n, tool in enumerate(tools) if isinstance(tool, FunctionTool)]
    for number, function in found:
        if function.name in (SEARCH, CODE):
            param = f"tools[{number}].function.name"
            raise invalid_value(param, "a function cannot have the name of a tool")
    functions = [engine_tool(function.model_dump()) for _, function in found]
    paths = [f"tools[{number}].function" for number, _ in found]
    check_tools(functions, paths, schema_field="parameters")


def engine_tool(function: dict[str, Any]) -> Tool:
    """The engine's tool for a stored function."""
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters"),
        strict=bool(function.get("strict")),
    )


def check_choice(choice: ToolChoice | None, tools: Sequence[dict[str, Any]]) -> None:
    """Raise InvalidRequest for the choice of a tool that does not exist."""
    if choice == "required" and not tools:
        raise _no_tool("'required' needs 'tools' that can be called.")
    if not isinstance(choice, ChosenTool):
        return
    if choice.type != "function":
        if not any(tool["type"] == choice.type for tool in tools):
            raise _no_tool(f"there is no tool '{choice.type}'.")
        return
    name = None if choice.function is None else choice.function.name
    if not any(tool["type"] == "function" and tool["function"]["name"] == name for tool in tools):
        raise _no_tool(f"there is no function '{name}'.")


def _no_tool(reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid value for 'tool_choice': {reason}", code="invalid_value", param="tool_choice"
    )


def refused_tool(type: str, param: str, why: str) -> Unsupported:
    return Unsupported(
        f"Unsupported value: '{param}' does not support '{type}' on this server: {why}.",
        code="unsupported_value",
        param=param,
    )


class SearchedStores(Body):
    vector_store_ids: list[StoreId] | None = Field(None, max_length=1)


class CodeFiles(Body):
    file_ids: list[StoreId] | None = Field(None, max_length=MAX_CODE_FILES)


def code_files(given: CodeFiles | None) -> list[str] | None:
    """The ids of files for code; None if there are no such resources."""
    return None if given is None else list(dict.fromkeys(given.file_ids or ()))


class ToolResources(Body):
    code_interpreter: CodeFiles | None = None
    file_search: SearchedStores | None = None


def kept_stores(resources: ToolResources | None) -> list[str] | None:
    """The ids of the vector stores; None if there are no such resources."""
    if resources is None or resources.file_search is None:
        return None
    return resources.file_search.vector_store_ids or []


def kept_code_files(resources: ToolResources | None) -> list[str] | None:
    """The ids of the files for code; None for no resources."""
    return None if resources is None else code_files(resources.code_interpreter)


def shown_resources(
    stores: Sequence[str] | None, code_files: Sequence[str] | None
) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if code_files is not None:
        shown["code_interpreter"] = {"file_ids": list(code_files)}
    if stores is not None:
        shown["file_search"] = {"vector_store_ids": list(stores)}
    return shown
