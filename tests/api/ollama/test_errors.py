"""Errors of Ollama's API, and who may call it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ollama import Client, ResponseError

from tests.api.ollama.client import HELLO, both, chat
from tests.support import Running, ServerThread, echo_settings, fetch

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"messages": "hi"}, "messages"),
    ("chat", {"messages": [{"role": "king", "content": ""}]}, "messages[0].role"),
    ("chat", {"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
    ("chat", {"messages": [{"role": "user", "images": ["aGk="]}]}, "messages[0].images"),
    (
        "chat",
        {"messages": [{"role": "user", "tool_calls": [{"function": {"name": "f"}}]}]},
        "messages[0].tool_calls",
    ),
    ("chat", {"tools": [{"type": "custom"}]}, "tools[0].type"),
    ("chat", {"tools": [{"function": {"name": "f"}}] * 2}, "tools[1].function.name"),
    (
        "chat",
        {"tools": [{"function": {"name": "f", "parameters": {"type": "array"}}}]},
        "tools[0].function.parameters",
    ),
    ("chat", {"format": "xml"}, "format"),
    ("chat", {"think": "much"}, "think"),
    ("chat", {"keep_alive": "soon"}, "keep_alive"),
    ("chat", {"keep_alive": True}, "keep_alive"),
    ("chat", {"keep_alive": "5"}, "keep_alive"),
    ("chat", {"options": {"temperature": "hot"}}, "options.temperature"),
    ("chat", {"options": {"temperature": -1}}, "options.temperature"),
    ("chat", {"options": {"num_predict": -3}}, "options.num_predict"),
    ("chat", {"options": {"tfs_z": 0.5}}, "options.tfs_z"),
    ("chat", {"options": []}, "options"),
    ("chat", {"stream": "yes"}, "stream"),
    ("chat", {"top_logprobs": 2}, "top_logprobs"),
    ("chat", {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ("chat", {"truncate": True}, "truncate"),
    ("chat", {"options": {"num_predict": 5.5}}, "options.num_predict"),
    ("generate", {"template": "{{ .Prompt }}"}, "template"),
    ("generate", {"context": [1, 2]}, "context"),
    ("generate", {"images": ["aGk="]}, "images"),
    ("generate", {"raw": True, "images": ["aGk="]}, "images"),
    ("chat", {"messages": [{"role": "system", "images": ["aGk="]}]}, "messages[0].images"),
    ("generate", {"raw": True, "system": "x"}, "system"),
    ("generate", {"raw": True, "think": True}, "think"),
    ("generate", {"suffix": "x", "system": "x"}, "system"),
    ("generate", {"width": 5}, "width"),
    ("embed", {"input": 5}, "input"),
    ("embed", {"input": ["a", ""]}, "input"),
    ("embed", {"input": "a", "truncate": False}, "truncate"),
    ("embed", {"input": "a", "dimensions": 0}, "dimensions"),
    ("embed", {"input": "a", "dimensions": 9}, "dimensions"),
    ("embed", {}, "input"),
    ("embeddings", {"prompt": ["a"]}, "prompt"),
    ("pull", {"insecure": True}, "insecure"),
]
FILLED: dict[str, dict[str, Any]] = {
    "chat": {"model": "echo", "messages": HELLO},
    "generate": {"model": "echo", "prompt": "hi"},
}


@pytest.mark.parametrize(("call", "body", "named"), BAD, ids=str)
def test_bad_bodies(server: Running, call: str, body: dict[str, Any], named: str) -> None:
    full = {**FILLED.get(call, {"model": "echo"}), **body}
    answer = fetch(f"{server.url}/api/{call}", "POST", json=full)
    assert answer.status == 400
    error = json.loads(answer.body)
    assert set(error) == {"error"}
    assert f"'{named}'" in error["error"]


@pytest.mark.parametrize("call", ["chat", "generate", "embed", "show", "pull"])
def test_a_missing_model(server: Running, call: str) -> None:
    answer = fetch(
        f"{server.url}/api/{call}", "POST", json={"input": "x"} if call == "embed" else {}
    )
    assert answer.status == 400
    assert "'model'" in json.loads(answer.body)["error"]


def test_errors_in_a_stream(ollama: Client) -> None:
    parts = ollama.chat(model="fails-later", messages=HELLO, stream=True)
    assert next(parts).message.content == "one"
    assert next(parts).message.content == " two"
    with pytest.raises(ResponseError, match="told to fail"):
        next(parts)


@both
def test_errors_before_the_first_token_keep_their_status(ollama: Client, stream: bool) -> None:
    with pytest.raises(ResponseError, match="told to fail") as caught:
        chat(ollama, stream, model="fails-first")
    assert caught.value.status_code == 500


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 415),
        ({"referer": "http://evil.example/"}, 415),
    ],
)
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_clients_that_send_no_type_of_json(
    server: Running, headers: dict[str, str], status: int, kind: str
) -> None:
    """Such as curl, and LiteLLM's `ollama_chat`."""
    form = {"content-type": kind, **headers}
    body = json.dumps({"model": "echo", "prompt": "hi", "stream": False}).encode()
    answer = fetch(f"{server.url}/api/generate", "POST", data=body, headers=form)
    assert answer.status == status
    official = fetch(f"{server.url}/v1/completions", "POST", data=body, headers=form)
    assert official.status == (403 if status == 403 else 415)


def test_a_configured_key_is_required() -> None:
    with ServerThread(echo_settings(api_key="secret")) as running:
        for path in ("/api/tags", "/api/version", "/api/ps", "/", "/v1/internal/model/list"):
            assert fetch(f"{running.url}{path}").status == 401
        with (
            Client(host=running.url) as without_key,
            pytest.raises(ResponseError, match="API key") as caught,
        ):
            without_key.chat(model="echo", messages=HELLO)
        assert caught.value.status_code == 401
        with Client(host=running.url, headers={"authorization": "Bearer secret"}) as with_key:
            assert with_key.chat(model="echo", messages=HELLO).message.content == "one two three"


def test_pages_of_other_hosts_are_refused(server: Running) -> None:
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        answer = fetch(f"{server.url}/api/chat", "POST", json=FILLED["chat"], headers=headers)
        assert answer.status == 403
        assert set(json.loads(answer.body)) == {"error"}
