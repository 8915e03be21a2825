"""Custom tools, whose grammars are enforced for a real model, and tools that are counted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openai import OpenAI

from tests.api.openai.responses.answers import respond

pytestmark = pytest.mark.real

QUERY = r"""
start: "SELECT " columns " FROM " NAME limit? ";"
columns: NAME ("," " "? NAME)~0..3
limit: "\nLIMIT " INT
NAME: "id" | "name" | "\"when\""
INT: /[1-9][0-9]{0,2}/
"""
NAME = r'(id|name|"when")'
EXPECTED = re.compile(rf"SELECT {NAME}(, ?{NAME}){{0,3}} FROM {NAME}(\nLIMIT [1-9]\d{{0,2}})?;")


def tool(syntax: str, definition: str) -> dict[str, Any]:
    grammar = {"type": "grammar", "syntax": syntax, "definition": definition}
    return {"type": "custom", "name": "query", "description": "Runs a query.", "format": grammar}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "custom", "name": "query"}])
def test_a_grammar_in_lark(real_client: OpenAI, stream: bool, choice: Any) -> None:
    response = respond(
        real_client,
        stream,
        model="smollm2-135m-instruct",
        input="Show me the names of all users.",
        tools=[tool("lark", QUERY)],
        tool_choice=choice,
        parallel_tool_calls=False,
        temperature=1.2,
    )
    (item,) = response.output
    assert item.type == "custom_tool_call"
    assert EXPECTED.fullmatch(item.input), item.input


def test_a_regular_expression(real_client: OpenAI) -> None:
    response = respond(
        real_client,
        False,
        model="smollm2-135m-instruct",
        input="When was the war?",
        tools=[tool("regex", r"^(19|20)[0-9]{2}\n$")],
        tool_choice="required",
        parallel_tool_calls=False,
    )
    (item,) = response.output
    assert item.type == "custom_tool_call"
    assert re.fullmatch(r"(19|20)[0-9]{2}\n", item.input)


def test_tools_of_mcp_servers_are_counted_where_they_are_listed(real_client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    listed: Any = {
        "type": "mcp_list_tools",
        "server_label": "files",
        "tools": [{"name": "read", "description": "Reads a file.", "input_schema": schema}],
    }
    server: Any = {"type": "mcp", "server_label": "files", "server_url": "http://127.0.0.1:9/mcp"}
    asked: Any = {"role": "user", "content": "What is in a.txt?"}
    counts = [
        real_client.responses.input_tokens.count(
            model="smollm2-135m-instruct", input=items, tools=[server]
        ).input_tokens
        for items in ([asked], [listed, asked])
    ]
    assert counts[1] > counts[0] + 20
