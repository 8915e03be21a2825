"""Arguments written as bare text are converted by the schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openedai.prompts.reading.bare_values import json_argument

LOOP = {"$ref": "#/$defs/Loop"}
CASES: list[tuple[Any, str, Any]] = [
    ({"type": "string"}, "3", "3"),
    ({"type": "string"}, ' "a"\n', ' "a"\n'),
    ({"type": "integer"}, " 3\n", 3),
    ({"type": "number"}, "1.5", 1.5),
    ({"type": "boolean"}, "True", True),
    ({"type": "array"}, '["a", 1]', ["a", 1]),
    ({"type": "object"}, '{"a": null}', {"a": None}),
    ({"type": "integer"}, "three", "three"),
    ({"type": ["string", "null"]}, "null", None),
    ({"type": ["string", "null"]}, "nothing", "nothing"),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "None", None),
    ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "3", "3"),
    ({"enum": [1, 2]}, "2", 2),
    ({"enum": ["1", "2"]}, "2", "2"),
    ({"const": True}, "true", True),
    ({"$ref": "#/$defs/Count"}, "3", 3),
    ({"$ref": "#/$defs/Missing"}, "3", "3"),
    (LOOP, "3", "3"),
    ({}, "3", "3"),
    (None, "3", "3"),
]


@pytest.mark.parametrize(("schema", "text", "value"), CASES)
def test_values_by_schema(schema: Any, text: str, value: Any) -> None:
    parameters = {
        "properties": {} if schema is None else {"x": schema},
        "$defs": {"Count": {"type": "integer"}, "Loop": LOOP},
    }
    assert json.loads(json_argument(parameters, "x", text)) == value


def test_without_a_schema_arguments_are_strings() -> None:
    assert json_argument(None, "x", "3") == '"3"'
