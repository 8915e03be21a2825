"""Tools that the client runs. The echo engine says what the user said: here, a model's raw text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.api.openai.responses.answers import check_events, raw_events, refusal, respond
from tests.support import Running

both_ways = pytest.mark.parametrize("stream", [False, True])

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "name": "get_weather", "parameters": CITY}
TIME = {"type": "function", "name": "get_time"}
CODE = {"type": "custom", "name": "code", "description": "Runs Python."}
SPACE = {
    "type": "namespace",
    "name": "crm",
    "description": "Customers.",
    "tools": [{**TIME, "name": "find"}, {**CODE, "name": "note"}],
}


def call(name: str, arguments: Any) -> str:
    """A call as models write it."""
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def only(client: OpenAI, stream: bool, **body: Any) -> dict[str, Any]:
    """The only item of the output, without its id."""
    (found,) = respond(client, stream, **body).output
    item: dict[str, Any] = {**found.to_dict()}
    assert item.pop("id")
    assert item.pop("call_id").startswith("call_")
    return item


@both_ways
def test_functions(client: OpenAI, stream: bool) -> None:
    both = call("get_weather", {"city": "Paris"}) + call("get_time", {})
    response = respond(client, stream, input=both, tools=[WEATHER, TIME])
    calls = [item for item in response.output if item.type == "function_call"]
    assert [(one.name, json.loads(one.arguments)) for one in calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_time", {}),
    ]
    assert {one.status for one in calls} == {"completed"}
    assert len({one.call_id for one in calls}) == 2
    assert response.status == "completed"


@both_ways
@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        (CODE, {"input": 'print("é\n😀")'}, {"name": "code", "input": 'print("é\n😀")'}),
        (
            {"type": "local_shell"},
            {"command": ["ls", "-l"], "timeout_ms": 5},
            {
                "action": {
                    "type": "exec",
                    "command": ["ls", "-l"],
                    "env": {},
                    "timeout_ms": 5,
                }
            },
        ),
        (
            {"type": "shell"},
            {"commands": ["ls", "pwd"]},
            {
                "action": {
                    "commands": ["ls", "pwd"],
                    "timeout_ms": None,
                    "max_output_length": None,
                },
                "environment": {"type": "local"},
            },
        ),
        (
            {"type": "apply_patch"},
            {"type": "update_file", "path": "a.py", "diff": "@@\n-a\n+b"},
            {"operation": {"type": "update_file", "path": "a.py", "diff": "@@\n-a\n+b"}},
        ),
        (
            {"type": "apply_patch"},
            {"type": "delete_file", "path": "a.py"},
            {"operation": {"type": "delete_file", "path": "a.py"}},
        ),
        (
            {"type": "computer"},
            {"actions": [{"type": "click", "button": "left", "x": 1, "y": 2}]},
            {
                "actions": [{"type": "click", "button": "left", "x": 1, "y": 2}],
                "pending_safety_checks": [],
            },
        ),
        (
            {
                "type": "computer_use_preview",
                "display_height": 768,
                "display_width": 1024,
                "environment": "linux",
            },
            {"action": {"type": "wait"}},
            {"action": {"type": "wait"}, "pending_safety_checks": []},
        ),
        (
            {"type": "tool_search", "execution": "client", "parameters": CITY},
            {"city": "Rome"},
            {"arguments": {"city": "Rome"}, "execution": "client"},
        ),
    ],
    ids=lambda value: value.get("type", "") if isinstance(value, dict) else "",
)
def test_own_item_types(
    client: OpenAI, stream: bool, tool: Any, arguments: Any, expected: dict[str, Any]
) -> None:
    name = tool.get("name", tool["type"])
    item = only(client, stream, input=call(name, arguments), tools=[tool])
    kind = {"custom": "custom_tool", "computer_use_preview": "computer"}.get(
        tool["type"], tool["type"]
    )
    assert item == {"type": f"{kind}_call", "status": "completed", **expected}


def test_the_events_of_shell_commands(echo_server: Running) -> None:
    text = call("shell", {"commands": ["ls", "pwd"]})
    events = raw_events(echo_server, input=text, tools=[{"type": "shell"}])
    check_events(events)
    assert [event["type"].removeprefix("response.") for event in events[2:-1]] == [
        "output_item.added",
        *["shell_call_command.added", "shell_call_command.delta", "shell_call_command.done"] * 2,
        "output_item.done",
    ]


@both_ways
def test_namespaces(client: OpenAI, stream: bool) -> None:
    found = only(client, stream, input=call("crm__find", {}), tools=[SPACE])
    assert (found["name"], found["namespace"]) == ("find", "crm")
    note = only(client, stream, input=call("crm__note", {"input": "x"}), tools=[SPACE])
    assert (note["type"], note["name"], note["namespace"]) == ("custom_tool_call", "note", "crm")


@both_ways
def test_a_truncated_call(client: OpenAI, stream: bool) -> None:
    long = call("get_weather", {"city": "Paris Paris Paris Paris"})
    response = respond(client, stream, input=long, tools=[WEATHER], max_output_tokens=5)
    (item,) = response.output
    assert item.type == "function_call"
    assert (response.status, item.status) == ("incomplete", "incomplete")
    cut = call("shell", {"commands": ["ls ls ls ls ls"]})
    response = respond(client, stream, input=cut, tools=[{"type": "shell"}], max_output_tokens=6)
    assert response.status == "incomplete"
    assert all(one.type == "message" for one in response.output)


def revealed(client: OpenAI, **body: Any) -> dict[str, Any]:
    """What the engine got as its prompt."""
    response = client.responses.create(model="reveal", **{"input": "x", **body})
    prompt = json.loads(response.output_text)["prompt"]
    assert isinstance(prompt, dict)
    return prompt


def names(prompt: dict[str, Any]) -> list[str]:
    return [tool["name"] for tool in prompt.get("tools", ())]


EVERY: Any = [WEATHER, CODE, SPACE, {"type": "shell"}, {"type": "apply_patch"}]


@pytest.mark.parametrize(
    ("choice", "expected", "required"),
    [
        ("auto", 6, False),
        ("required", 6, True),
        ("none", 0, False),
        ({"type": "function", "name": "get_weather"}, ["get_weather"], True),
        ({"type": "custom", "name": "code"}, ["code"], True),
        ({"type": "shell"}, ["shell"], True),
        ({"type": "apply_patch"}, ["apply_patch"], True),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "get_weather"}, {"type": "shell"}],
            },
            ["get_weather", "shell"],
            False,
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "apply_patch"}]},
            ["apply_patch"],
            True,
        ),
    ],
    ids=str,
)
def test_tool_choice(client: OpenAI, choice: Any, expected: Any, required: bool) -> None:
    prompt = revealed(client, tools=EVERY, tool_choice=choice)
    found = names(prompt)
    assert (len(found) if isinstance(expected, int) else found) == expected
    assert prompt.get("call_required", False) == required


def test_a_choice_of_what_is_not_there(client: OpenAI) -> None:
    choices: list[Any] = [{"type": "function", "name": "nothing"}, {"type": "shell"}, "required"]
    for choice in choices:
        tools = [] if choice == "required" else [WEATHER]
        assert refusal(client, tools=tools, tool_choice=choice) == ("invalid_value", "tool_choice")


def test_hosted_tools_are_left_out_with_a_warning(client: OpenAI) -> None:
    tools: Any = [WEATHER, {"type": "web_search", "external_web_access": False}]
    raw = client.responses.with_raw_response.create(model="echo", input="x", tools=tools)
    assert "web_search" in raw.headers["x-openedai-warning"]
    assert raw.parse().output_text == "x"
    assert names(revealed(client, tools=tools)) == ["get_weather"]


def test_hosted_tools_that_are_asked_for_are_refused(client: OpenAI) -> None:
    alone: Any = {"tools": [{"type": "web_search"}]}
    assert refusal(client, **alone) == ("unsupported_value", "tools[0].type")
    chosen = {"tools": [WEATHER, {"type": "web_search_preview"}]}
    choice = {"type": "web_search_preview"}
    assert refusal(client, **chosen, tool_choice=choice) == ("unsupported_value", "tool_choice")
    with pytest.raises(BadRequestError, match="it needs a search engine, in the setting"):
        client.responses.create(model="echo", input="x", **alone)
    container = {"type": "shell", "environment": {"type": "container_auto"}}
    assert refusal(client, tools=[container]) == (
        "unsupported_value",
        "tools[0].environment.type",
    )


@pytest.mark.parametrize("name", ["defer_loading", "deferLoading"])
def test_deferred_tools_wait_until_the_client_finds_them(client: OpenAI, name: str) -> None:
    deferred = {**WEATHER, name: True}
    search = {"type": "tool_search", "execution": "client", "parameters": CITY}
    assert names(revealed(client, tools=[deferred])) == ["get_weather"]
    assert names(revealed(client, tools=[deferred, {"type": "tool_search"}])) == ["get_weather"]
    assert names(revealed(client, tools=[deferred, search])) == ["tool_search"]
    items = [
        {"type": "tool_search_call", "call_id": "c", "arguments": {"city": "x"}},
        {"type": "tool_search_output", "call_id": "c", "tools": [deferred, SPACE]},
    ]
    prompt = revealed(client, tools=[deferred, search], input=items)
    assert sorted(names(prompt)) == ["crm__find", "crm__note", "get_weather", "tool_search"]


def test_a_pattern_is_enforced(client: OpenAI) -> None:
    grammar = {"type": "grammar", "syntax": "regex", "definition": "[0-9]+"}
    (tool,) = revealed(client, tools=[{**CODE, "format": grammar}])["tools"]
    assert tool["strict"]
    assert tool["parameters"]["properties"]["input"]["pattern"] == "^(?:[0-9]+)$"


def test_a_grammar_reaches_the_engine(client: OpenAI) -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'}
    (tool,) = revealed(client, tools=[{**CODE, "format": grammar}])["tools"]
    assert tool["strict"]
    assert tool["input_grammar"] == {"syntax": "lark", "definition": 'start: "a"'}
    assert tool["description"].endswith('grammar (lark):\nstart: "a"')


@pytest.mark.parametrize(
    ("syntax", "definition"),
    [("lark", 'begin: "a"'), ("lark", "start: /(?=a)/"), ("regex", "("), ("regex", "a(?=b)")],
)
def test_grammars_that_cannot_be_enforced(client: OpenAI, syntax: str, definition: str) -> None:
    grammar = {"type": "grammar", "syntax": syntax, "definition": definition}
    tool = {**CODE, "format": grammar}
    for tools in ([TIME, tool], [{**SPACE, "tools": [TIME, tool]}]):
        assert refusal(client, tools=tools) == ("invalid_value", "tools")
    with pytest.raises(BadRequestError, match="Invalid grammar of the tool 'code': "):
        respond(client, False, input="hi", tools=[tool])


def test_two_tools_of_one_name(client: OpenAI) -> None:
    assert refusal(client, tools=[WEATHER, WEATHER]) == ("invalid_value", "tools[1]")
    schema = {**WEATHER, "parameters": {"type": "array"}}
    assert refusal(client, tools=[schema]) == (
        "invalid_function_parameters",
        "tools[0].parameters",
    )


CALLS_AND_OUTPUTS: list[Any] = [
    {"role": "user", "content": "x"},
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Hm."}],
    },
    {"type": "function_call", "call_id": "a", "name": "get_time", "arguments": "{}"},
    {"type": "custom_tool_call", "call_id": "b", "name": "code", "input": "1"},
    {"type": "function_call_output", "call_id": "a", "output": "noon"},
    {
        "type": "custom_tool_call_output",
        "call_id": "b",
        "output": [{"type": "input_text", "text": "one"}],
    },
    {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}},
    {
        "type": "shell_call_output",
        "call_id": "c",
        "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
    },
    {
        "type": "local_shell_call",
        "id": "l",
        "call_id": "d",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
        "status": "completed",
    },
    {"type": "local_shell_call_output", "id": "d", "output": "b"},
    {
        "type": "apply_patch_call",
        "call_id": "e",
        "operation": {"type": "delete_file", "path": "a"},
        "status": "completed",
    },
    {"type": "apply_patch_call_output", "call_id": "e", "status": "failed", "output": "no"},
]


@both_ways
def test_calls_and_outputs_come_back_as_messages(client: OpenAI, stream: bool) -> None:
    response = respond(client, stream, model="reveal", input=CALLS_AND_OUTPUTS)
    messages = json.loads(response.output_text)["prompt"]["messages"]
    assert [message["role"] for message in messages] == [
        *("user", "assistant", "tool", "tool", "assistant", "tool"),
        *("assistant", "tool", "assistant", "tool"),
    ]
    assert messages[1]["reasoning"] == "Hm."
    assert [one["name"] for one in messages[1]["tool_calls"]] == ["get_time", "code"]
    assert json.loads(messages[1]["tool_calls"][1]["arguments"]) == {"input": "1"}
    outputs = [message["content"] for message in messages if message["role"] == "tool"]
    assert outputs[:2] == ["noon", "one"]
    assert json.loads(outputs[2])[0]["stdout"] == "a"
    assert outputs[3:] == ["b", "failed\nno"]


def test_an_output_without_its_call(client: OpenAI) -> None:
    items = [{"type": "function_call_output", "call_id": "a", "output": "noon"}]
    assert refusal(client, input=items) == ("invalid_value", "input[0].call_id")


def test_a_screenshot_is_shown_to_the_model(client: OpenAI) -> None:
    pixel = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhf"
        "DwAChwGA60e6kgAAAABJRU5ErkJggg=="
    )
    items: Any = [
        {"type": "computer_call", "call_id": "a", "id": "i", "actions": [{"type": "wait"}]},
        {
            "type": "computer_call_output",
            "call_id": "a",
            "output": {"type": "computer_screenshot", "image_url": pixel},
        },
    ]
    response = client.responses.create(model="vision-reveal", input=items)
    messages = json.loads(response.output_text)["prompt"]["messages"]
    assert [message["role"] for message in messages] == ["assistant", "tool", "user"]
    assert len(messages[2]["images"]) == 1


def test_files(client: OpenAI) -> None:
    kept = client.files.create(file=("notes.txt", b"Buy milk."), purpose="user_data")
    parts: list[dict[str, Any]] = [
        {"type": "input_file", "file_id": kept.id},
        {"type": "input_file", "filename": "b.txt", "file_data": "data:text/plain;base64,aGk="},
    ]
    items: Any = [{"role": "user", "content": parts}]
    (message,) = revealed(client, input=items)["messages"]
    assert "Buy milk." in message["content"]
    assert '"b.txt"' in message["content"]
    at = "input[0].content[0]"
    for part, expected in [
        ({"type": "input_file"}, ("missing_required_parameter", f"{at}.file_id")),
        ({"type": "input_image"}, ("missing_required_parameter", f"{at}.file_id")),
        ({**parts[0], "file_data": "aGk="}, ("invalid_value", f"{at}.file_data")),
        (
            {"type": "input_file", "file_url": "https://a"},
            ("unsupported_parameter", f"{at}.file_url"),
        ),
    ]:
        assert refusal(client, input=[{"role": "user", "content": [part]}]) == expected


def test_reasoning_comes_back_from_its_sealed_form(client: OpenAI) -> None:
    include: Any = ["reasoning.encrypted_content"]
    thinking = "<think>Let me see.</think>Four."
    first = client.responses.create(model="echo", input=thinking, include=include)
    items: Any = [item.to_dict() for item in first.output]
    del items[0]["content"]
    foreign: Any = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "gAAAA"}
    again = client.responses.create(model="reveal", input=[foreign, *items])
    (message,) = json.loads(again.output_text)["prompt"]["messages"]
    assert message == {"role": "assistant", "content": "Four.", "reasoning": "Let me see."}
