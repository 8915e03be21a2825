"""Grammars at which llguidance fails: they are refused, and nobody else notices."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from string import ascii_letters
from typing import Any

import pytest

from tests.support import Answer, Running, fetch

pytestmark = pytest.mark.real

# llguidance panics when it joins alternatives of which two are the same text, once as a sequence.
PANICS = 'root ::= ("é"* | "a" "é") | "aé"'
PATTERN = "(é*|a(é))|aé"
LARK = 'start: T\nT: U | "aé"\nU: "é"* | "a" "é"'
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string", "pattern": PATTERN}},
    "required": ["a"],
    "additionalProperties": False,
}
# After these words each character may be any of very many places: too many after some of them.
FIRST = "Good morning to all of you."
GROWS = (
    f'root ::= "{FIRST}" ('
    + " | ".join(f".* [{char}] .{{{ord(char)}}}" for char in ascii_letters)
    + ")*"
)


def post(server: Running, path: str, **body: Any) -> Answer:
    body = {"model": "smollm2-135m-instruct", "temperature": 0, **body}
    return fetch(f"{server.url}/v1{path}", "POST", json=body)


def chat(server: Running, **body: Any) -> Answer:
    messages = [{"role": "user", "content": "Say hi."}]
    return post(server, "/chat/completions", messages=messages, max_tokens=40, **body)


def function(*, strict: bool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": "look", "strict": strict, "parameters": SCHEMA},
    }


def custom(syntax: str, definition: str) -> dict[str, Any]:
    format = {"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}}
    return {"type": "custom", "custom": {"name": "look", "format": format}}


FORMAT = {"name": "a", "strict": True, "schema": SCHEMA}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"grammar": PANICS}, "grammar"),
        ({"guided_grammar": PANICS}, "guided_grammar"),
        ({"structured_outputs": {"grammar": PANICS}}, "structured_outputs.grammar"),
        ({"guided_json": SCHEMA}, "guided_json"),
        ({"response_format": {"type": "json_schema", "json_schema": FORMAT}}, "response_format"),
        ({"tools": [function(strict=True)]}, "tools"),
        ({"tools": [function(strict=True)], "tool_choice": "required"}, "tools"),
        ({"tools": [custom("lark", LARK)], "tool_choice": "required"}, "tools"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_panic_is_a_refusal(real_server: Running, body: dict[str, Any], param: str) -> None:
    for stream in (False, True):
        answer = chat(real_server, stream=stream, **body)
        assert answer.status == 400, answer.body
        error = json.loads(answer.body)["error"]
        assert error["type"] == "invalid_request_error"
        assert error["param"] == param
        assert "panic" not in error["message"]
    assert chat(real_server).status == 200


def test_a_panic_is_a_refusal_in_other_endpoints(real_server: Running) -> None:
    format = {"type": "json_schema", **FORMAT}
    for path, body, param in (
        ("/completions", {"prompt": "Hi", "grammar": PANICS}, "grammar"),
        ("/responses", {"input": "Hi", "text": {"format": format}}, "text.format"),
    ):
        answer = post(real_server, path, **body)
        assert answer.status == 400, answer.body
        assert json.loads(answer.body)["error"]["param"].startswith(param), answer.body


def test_tools_that_are_not_strict_are_not_enforced(real_server: Running) -> None:
    answer = chat(real_server, tools=[function(strict=False)], tool_choice="required")
    assert answer.status == 200, answer.body


def test_a_failure_within_an_answer_ends_only_this_one(real_server: Running) -> None:
    with ThreadPoolExecutor() as threads:
        whole, other, streamed = [
            threads.submit(chat, real_server, **body)
            for body in ({"grammar": GROWS}, {}, {"grammar": GROWS, "stream": True})
        ]
    assert other.result().status == 200, other.result().body
    assert whole.result().status == 400, whole.result().body
    error = json.loads(whole.result().body)["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", "grammar")
    assert streamed.result().status == 200
    frames = streamed.result().body.decode().removesuffix("\n\n").split("\n\n")
    *chunks, last = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    texts = [choice["delta"].get("content") for one in chunks for choice in one["choices"]]
    assert "".join(filter(None, texts)).startswith(FIRST)
    assert last == {"error": error}
    assert chat(real_server).status == 200
