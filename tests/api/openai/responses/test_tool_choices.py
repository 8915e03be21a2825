"""Every type of tool that a client runs, with every `tool_choice`: an answer, never an error."""

from __future__ import annotations

from typing import Any

import pytest
from openai import OpenAI

from tests.api.openai.responses.answers import respond, without_ids

FIELDS = {"city": {"type": "string"}, "days": {"type": "integer"}}
CITY = {"type": "object", "properties": FIELDS, "required": ["city"]}

# By a name for the test: the tool, and its choice by name where that is not by its type.
TOOLS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "function": (
        {"type": "function", "name": "weather", "parameters": CITY},
        {"type": "function", "name": "weather"},
    ),
    "strict function": (
        {"type": "function", "name": "weather", "parameters": CITY, "strict": True},
        {"type": "function", "name": "weather"},
    ),
    "function of nothing": (
        {"type": "function", "name": "now"},
        {"type": "function", "name": "now"},
    ),
    "custom": ({"type": "custom", "name": "code"}, {"type": "custom", "name": "code"}),
    "custom with a pattern": (
        {
            "type": "custom",
            "name": "code",
            "format": {"type": "grammar", "syntax": "regex", "definition": "[0-9]+"},
        },
        {"type": "custom", "name": "code"},
    ),
    "custom with a grammar": (
        {
            "type": "custom",
            "name": "code",
            "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "a" | "b"'},
        },
        {"type": "custom", "name": "code"},
    ),
    "namespace": (
        {
            "type": "namespace",
            "name": "crm",
            "description": "Customers.",
            "tools": [{"type": "function", "name": "find", "parameters": CITY}],
        },
        {"type": "function", "name": "find", "namespace": "crm"},
    ),
    "tool_search": (
        {
            "type": "tool_search",
            "execution": "client",
            "description": "Finds.",
            "parameters": CITY,
        },
        None,
    ),
    "local_shell": ({"type": "local_shell"}, None),
    "shell": ({"type": "shell"}, None),
    "apply_patch": ({"type": "apply_patch"}, None),
    "computer": ({"type": "computer"}, None),
    "computer_use_preview": (
        {
            "type": "computer_use_preview",
            "display_height": 768,
            "display_width": 1024,
            "environment": "browser",
        },
        None,
    ),
}
ITEMS = {"namespace": "function_call", "computer_use_preview": "computer_call"}


def choices(name: str) -> dict[str, Any]:
    """By how they are called: none of the tool, perhaps, some of it, or it alone."""
    tool, named = TOOLS[name]
    chosen = named or {"type": tool["type"]}
    return {
        "none": "none",
        "auto": "auto",
        "required": "required",
        "named": chosen,
        "allowed": {"type": "allowed_tools", "mode": "auto", "tools": [chosen]},
        "allowed and required": {"type": "allowed_tools", "mode": "required", "tools": [chosen]},
    }


# Which the official API lets a request choose only among others.
UNNAMED = {"tool_search", "local_shell"}
CASES = [
    (name, choice)
    for name in TOOLS
    for choice in ("none", "auto", "required", "named", "allowed", "allowed and required")
    if not (choice == "named" and name in UNNAMED)
]


@pytest.mark.parametrize(("name", "choice"), CASES, ids=map(" ".join, CASES))
def test_each_tool_with_each_choice(client: OpenAI, name: str, choice: str) -> None:
    tool, _ = TOOLS[name]
    body = {
        "input": "one two",
        "tools": [tool],
        "tool_choice": choices(name)[choice],
        "store": False,
    }
    whole, streamed = (respond(client, stream, **body) for stream in (False, True))
    assert without_ids(whole.to_dict()) == without_ids(streamed.to_dict())
    assert whole.status == "completed"
    (item,) = whole.output
    if choice in ("none", "auto", "allowed"):
        assert whole.output_text == "one two"
    else:
        kind = "custom_tool_call" if tool["type"] == "custom" else f"{tool['type']}_call"
        assert item.type == ITEMS.get(tool["type"], kind)


@pytest.mark.parametrize("choice", ["required", "allowed and required"])
def test_all_tools_at_once(client: OpenAI, choice: str) -> None:
    """A search that the client runs is among them, and tools that wait for it."""
    distinct = [name for name in TOOLS if name not in ("custom", "strict function")]
    distinct.remove("custom with a pattern")
    tools = [TOOLS[name][0] for name in distinct]
    chosen: Any = "required"
    if choice != "required":
        listed = [choices(name)["named"] for name in distinct]
        chosen = {"type": "allowed_tools", "mode": "required", "tools": listed}
    for stream in (False, True):
        response = respond(client, stream, input="hi", tools=tools, tool_choice=chosen)
        assert response.output[0].type == "function_call"


@pytest.mark.parametrize("name", ["shell", "apply_patch", "computer", "local_shell", "custom"])
def test_a_limit_inside_a_call(client: OpenAI, name: str) -> None:
    tool, _ = TOOLS[name]
    for stream in (False, True):
        response = respond(
            client,
            stream,
            input="hi",
            tools=[tool],
            tool_choice="required",
            max_output_tokens=1,
        )
        assert response.status in ("completed", "incomplete")
