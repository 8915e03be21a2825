"""Custom tools in chats: their input is one text, which may have to follow a grammar."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from tests.support import Running, fetch

CODE: dict[str, Any] = {"type": "custom", "custom": {"name": "code", "description": "Runs it."}}
TIME: dict[str, Any] = {"type": "function", "function": {"name": "get_time"}}
NAMED = {"type": "custom", "custom": {"name": "code"}}
INPUT = 'print("é\n😀")'


def written(name: str, arguments: Any) -> str:
    """A call as models write it."""
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def grammar(syntax: str, definition: str) -> dict[str, Any]:
    format = {"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}}
    return {"type": "custom", "custom": {"name": "code", "format": format}}


def calls(server: Running, content: str, **body: Any) -> list[dict[str, Any]]:
    """The calls of an answer without their ids, which whole and streamed are the same."""
    messages = [{"role": "user", "content": content}]
    body = {"model": "echo", "messages": messages, "tools": [TIME, CODE], **body}
    path = f"{server.url}/v1/chat/completions"
    answer = fetch(path, "POST", json=body)
    assert answer.status == 200, answer.body
    completion = ChatCompletion.model_validate(json.loads(answer.body), strict=True)
    assert completion.choices[0].finish_reason == "tool_calls"
    whole = [{**one.to_dict()} for one in completion.choices[0].message.tool_calls or ()]
    streamed: list[dict[str, Any]] = []
    frames = fetch(path, "POST", json={**body, "stream": True}).body.decode().split("\n\n")
    for frame in frames[:-2]:
        for choice in json.loads(frame.removeprefix("data: "))["choices"]:
            for delta in choice["delta"].get("tool_calls", ()):
                _fold(streamed, delta)
    for found in (whole, streamed):
        assert all(str(one.pop("id")).startswith("call_") for one in found)
    assert streamed == whole
    return whole


def _fold(found: list[dict[str, Any]], delta: dict[str, Any]) -> None:
    if delta["index"] == len(found):
        found.append({name: value for name, value in delta.items() if name != "index"})
        return
    kind, text = ("custom", "input") if "custom" in delta else ("function", "arguments")
    found[delta["index"]][kind][text] += delta[kind][text]


def test_calls(echo_server: Running) -> None:
    text = written("code", {"input": INPUT}) + written("get_time", {})
    assert calls(echo_server, text) == [
        {"type": "custom", "custom": {"name": "code", "input": INPUT}},
        {"type": "function", "function": {"name": "get_time", "arguments": "{}"}},
    ]


def test_arguments_that_are_not_as_expected(echo_server: Running) -> None:
    text = written("code", {"other": 1, "input": "x"})
    assert calls(echo_server, text) == [
        {"type": "custom", "custom": {"name": "code", "input": "x"}}
    ]


@pytest.mark.parametrize(
    "choice",
    [
        NAMED,
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [NAMED]},
        },
    ],
    ids=["named", "allowed"],
)
def test_a_choice(echo_server: Running, choice: Any) -> None:
    (call,) = calls(echo_server, "hi", tool_choice=choice)
    assert call == {"type": "custom", "custom": {"name": "code", "input": ""}}


def test_calls_come_back_to_the_model(client: OpenAI) -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "code", "input": INPUT}}
    messages: Any = [
        {"role": "user", "content": "run"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
    answer = client.chat.completions.create(model="reveal", messages=messages)
    request = json.loads(answer.choices[0].message.content or "")
    (sent,) = request["prompt"]["messages"][1]["tool_calls"]
    assert (sent["id"], sent["name"], json.loads(sent["arguments"])) == (
        "c",
        "code",
        {"input": INPUT},
    )


def test_the_engine_gets_the_grammar(client: OpenAI) -> None:
    tools: Any = [grammar("lark", 'start: "a"')]
    messages: Any = [{"role": "user", "content": "hi"}]
    answer = client.chat.completions.create(model="reveal", messages=messages, tools=tools)
    (tool,) = json.loads(answer.choices[0].message.content or "")["prompt"]["tools"]
    assert tool["strict"]
    assert tool["input_grammar"] == {"syntax": "lark", "definition": 'start: "a"'}


@pytest.mark.parametrize("syntax", ["lark", "regex"])
def test_a_grammar_that_cannot_be_enforced(echo_server: Running, syntax: str) -> None:
    body = {
        "model": "echo",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [grammar(syntax, "(")],
    }
    for stream in (False, True):
        url = f"{echo_server.url}/v1/chat/completions"
        answer = fetch(url, "POST", json={**body, "stream": stream})
        assert answer.status == 400
        assert json.loads(answer.body)["error"]["param"] == "tools"


@pytest.mark.real
def test_a_real_model_follows_the_grammar(real_client: OpenAI) -> None:
    tools: Any = [grammar("lark", 'start: ("left" | "right") " " /[1-9]/')]
    choice: Any = NAMED
    messages: Any = [{"role": "user", "content": "Turn three times to the left."}]
    answer = real_client.chat.completions.create(
        model="smollm2-135m-instruct", messages=messages, tools=tools, tool_choice=choice
    )
    (call,) = answer.to_dict()["choices"][0]["message"]["tool_calls"]  # type: ignore[index]
    assert call["type"] == "custom"
    way, count = call["custom"]["input"].split(" ")
    assert way in ("left", "right")
    assert count in "123456789"
