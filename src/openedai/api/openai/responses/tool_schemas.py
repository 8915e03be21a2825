"""The arguments of tools whose shape the API defines, as JSON Schemas for the model."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_NUMBER: Schema = {"type": "integer"}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


LOCAL_SHELL = _object(
    {"command": _TEXTS | {"description": "The program and its arguments."}},
    {"working_directory": _TEXT, "timeout_ms": _NUMBER},
)

SHELL = _object(
    {"commands": _TEXTS | {"description": "Command lines."}},
    {"timeout_ms": _NUMBER, "max_output_length": _NUMBER},
)

IMAGE_PROMPT = _object({"prompt": _TEXT | {"description": "What the image shows."}})
WEB_QUERY = _object({"query": _TEXT | {"description": "What to search for."}})

_DIFF = _TEXT | {
    "description": "The changes: lines that begin with a space stay, with - go, with + come; "
    "@@ begins each place."
}
APPLY_PATCH: Schema = {
    "type": "object",
    "anyOf": [
        _object({"type": {"const": "create_file"}, "path": _TEXT, "diff": _DIFF}),
        _object({"type": {"const": "update_file"}, "path": _TEXT, "diff": _DIFF}),
        _object({"type": {"const": "delete_file"}, "path": _TEXT}),
    ],
}

_POINT = {"x": _NUMBER, "y": _NUMBER}
_KEYS: dict[str, Schema] = {"keys": _TEXTS}
_BUTTON: Schema = {"enum": ["left", "right", "wheel", "back", "forward"]}


def _action(type: str, fields: dict[str, Schema], *, keys: bool = False) -> Schema:
    return _object({"type": {"const": type}, **fields}, _KEYS if keys else None)


_ACTION: Schema = {
    "anyOf": [
        _action("click", {"button": _BUTTON, **_POINT}, keys=True),
        _action("double_click", dict(_POINT), keys=True),
        _action("drag", {"path": {"type": "array", "items": _object(dict(_POINT))}}, keys=True),
        _action("keypress", dict(_KEYS)),
        _action("move", dict(_POINT), keys=True),
        _action("screenshot", {}),
        _action("scroll", {**_POINT, "scroll_x": _NUMBER, "scroll_y": _NUMBER}, keys=True),
        _action("type", {"text": _TEXT}),
        _action("wait", {}),
    ]
}

COMPUTER_ACTIONS = _object({"actions": {"type": "array", "items": _ACTION, "minItems": 1}})
COMPUTER_ACTION = _object({"action": _ACTION})
