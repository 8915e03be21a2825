"""The tools that a model may call, in every dialect, and the checks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openedai.contract.chat import Tool
from openedai.errors import InvalidRequest, invalid_value
from openedai.grammars.json_schema.schema import UnsupportedSchema, check_schema

# The names of functions, and of schemas.
NAME = r"^[a-zA-Z0-9_-]{1,64}$"


@dataclass(frozen=True)
class Toolset:
    """The tools that the model may call; with `required` it must call one."""

    tools: tuple[Tool, ...] = ()
    required: bool = False
    parallel: bool = True


def check_tools(tools: Sequence[Tool], paths: Sequence[str], *, schema_field: str) -> None:
    """Raise InvalidRequest for two tools with the same name, and for parameters that are not the
    schema of an object.

    `paths` are the tools' positions in the body, `schema_field` is the field of their parameters.
    """
    names: set[str] = set()
    for tool, path in zip(tools, paths, strict=True):
        if tool.name in names:
            raise invalid_value(
                f"{path}.name", f"there are two functions with the name '{tool.name}'"
            )
        names.add(tool.name)
        try:
            check_schema(tool.parameters or {})
        except UnsupportedSchema as error:
            raise InvalidRequest(
                f"Invalid schema for function '{tool.name}': {error}",
                code="invalid_function_parameters",
                param=f"{path}.{schema_field}",
            ) from error
        schema_type = (tool.parameters or {"type": "object"}).get("type")
        if schema_type != "object":
            raise InvalidRequest(
                f"Invalid schema for function '{tool.name}': schema must be a JSON Schema of "
                f"'type: \"object\"', got 'type: {schema_type!r}'.",
                code="invalid_function_parameters",
                param=f"{path}.{schema_field}",
            )


def select_tools(tools: Sequence[Tool], names: Sequence[str], param: str) -> tuple[Tool, ...]:
    """The tools with these names, which come from the parameter `param`.

    Raises InvalidRequest for a name that no tool has.
    """
    known = {tool.name for tool in tools}
    for name in names:
        if name not in known:
            raise InvalidRequest(
                f"Invalid value for '{param}': there is no function '{name}' in the request.",
                code="invalid_value",
                param=param,
            )
    return tuple(tool for tool in tools if tool.name in names)


def require_tools(tools_field: str, **is_set: bool) -> None:
    """In a request without tools, raise InvalidRequest for a parameter that needs them.

    `tools_field` is the parameter that gives the tools; `is_set` says of others whether they are
    set.
    """
    for name, value in is_set.items():
        if value:
            raise InvalidRequest(
                f"Invalid value for '{name}': '{name}' is only allowed when '{tools_field}' are "
                "specified.",
                code="invalid_value",
                param=name,
            )
