"""The arguments of calls that are demanded of the echo engine."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from openedai.api.openai.responses.tool_schemas import (
    APPLY_PATCH,
    COMPUTER_ACTION,
    COMPUTER_ACTIONS,
    LOCAL_SHELL,
    SHELL,
)
from openedai.engines.echo.arguments import least_arguments

OWN = (APPLY_PATCH, COMPUTER_ACTION, COMPUTER_ACTIONS, LOCAL_SHELL, SHELL)


@pytest.mark.parametrize("schema", OWN)
def test_the_tools_of_responses(schema: dict[str, Any]) -> None:
    jsonschema.validate(least_arguments(schema), schema)


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (None, {}),
        ({"type": "string"}, {}),
        ({"properties": {"a": {"type": "integer"}}}, {}),
        ({"properties": {"a": {"type": ["null", "string"]}}, "required": ["a"]}, {"a": None}),
        ({"properties": {"a": {"enum": ["x", "y"]}}, "required": ["a", "a"]}, {"a": "x"}),
        (
            {
                "properties": {"a": {"type": "array", "items": {"const": 3}, "minItems": 1}},
                "required": ["a"],
            },
            {"a": [3]},
        ),
        ({"properties": 3, "required": ["a"]}, {}),
        ({"properties": {}, "required": ["a", 1]}, {"a": {}}),
    ],
)
def test_what_is_required_and_no_more(schema: Any, arguments: dict[str, Any]) -> None:
    assert least_arguments(schema) == arguments


def test_deep_and_repetitive_schemas_end() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"properties": {"a": schema}, "required": ["a"] * 100}
    assert list(least_arguments(schema)) == ["a"]
