"""The tools that a model may call, in every dialect, and what is wrong in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openedai.contract.chat import Tool
from openedai.errors import InvalidRequest, invalid_value


@dataclass(frozen=True)
class Toolset:
    """The tools that the model may call. `required`: it must."""

    tools: tuple[Tool, ...] = ()
    required: bool = False
    parallel: bool = True


def check_tools(tools: Sequence[Tool], places: Sequence[str], *, schema: str) -> None:
    """Raise InvalidRequest for two tools of one name, and for arguments that are no object.

    `places` are where the tools stand in the body; `schema` is the field of their parameters.
    """
    seen: set[str] = set()
    for tool, where in zip(tools, places, strict=True):
        if tool.name in seen:
            raise invalid_value(
                f"{where}.name", f"there are two functions with the name '{tool.name}'"
            )
        seen.add(tool.name)
        kind = (tool.parameters or {"type": "object"}).get("type")
        if kind != "object":
            raise InvalidRequest(
                f"Invalid schema for function '{tool.name}': schema must be a JSON Schema of "
                f"'type: \"object\"', got 'type: {kind!r}'.",
                code="invalid_function_parameters",
                param=f"{where}.{schema}",
            )


def named(tools: Sequence[Tool], names: Sequence[str], param: str) -> tuple[Tool, ...]:
    """Those of the names, which `param` gives. Raises InvalidRequest for a name of none."""
    known = {tool.name for tool in tools}
    for name in names:
        if name not in known:
            raise InvalidRequest(
                f"Invalid value for '{param}': there is no function '{name}' in the request.",
                code="invalid_value",
                param=param,
            )
    return tuple(tool for tool in tools if tool.name in names)


def refuse_without(what: str, **given: bool) -> None:
    """Raise InvalidRequest for a parameter that is given without the tools it is about."""
    for name, is_given in given.items():
        if is_given:
            raise InvalidRequest(
                f"Invalid value for '{name}': '{name}' is only allowed when '{what}' are "
                "specified.",
                code="invalid_value",
                param=name,
            )
