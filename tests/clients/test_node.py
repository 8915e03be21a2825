"""Clients in JavaScript, on the real default models; for what is compared see test_libraries."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.running import run
from tests.support import Running

pytestmark = [pytest.mark.clients, pytest.mark.real, pytest.mark.timeout(1500)]

OLDER = "OPENAI_API_BASE"

CHAT = "smollm2-135m-instruct"


def test_openai_node_3(real_server: Running, tmp_path: Path) -> None:
    seen = run("openai-node-3", real_server, tmp_path, address=OLDER)
    assert (seen["model"], seen["retrieved"]) == (CHAT, "gpt-4")
    assert seen["chat"] == seen["stream"] != ""
    assert seen["completion"]
    assert seen["tokens"] == 5
    assert seen["embeddings"] == [768, 768]
    assert CHAT in seen["models"]
    assert seen["error"] == [404, "model_not_found"]


def test_openai_node_7(real_server: Running, tmp_path: Path) -> None:
    seen = run("openai-node-7", real_server, tmp_path)
    assert seen["model"] == CHAT
    assert seen["chat"] == seen["stream"] != ""
    assert seen["tokens"] == seen["streamTokens"] == 12
    assert seen["requestId"].startswith("req_")
    assert seen["embeddings"] == [768, 768]
    assert CHAT in seen["models"]
    assert seen["aborted"] == 3
    assert seen["tool"] == "get_weather"
    assert seen["toolResult"].startswith("It rains in ")
    assert seen["error"] == ["NotFoundError", 404, "model_not_found", "model"]


def test_chatgpt_api(real_server: Running, tmp_path: Path) -> None:
    seen = run("chatgpt", real_server, tmp_path, address=OLDER)
    assert seen["model"] == CHAT
    assert seen["first"]
    assert seen["second"]
    assert seen["pieces"] > 1
    assert seen["tokens"] > 0
    assert all(one.startswith("chatcmpl-") for one in seen["ids"])
    assert len(set(seen["ids"])) == 2
    assert seen["error"] == ["ChatGPTError", 404]


def test_the_ai_sdk(real_server: Running, tmp_path: Path) -> None:
    seen = run("ai-sdk", real_server, tmp_path)
    assert seen["chat"] == seen["stream"] != ""
    assert seen["tokens"] == seen["streamTokens"] == 12
    assert seen["finish"] == "length"
    assert list(seen["object"]) == ["city", "degrees", "sunny"]
    assert isinstance(seen["object"]["degrees"], int)
    assert isinstance(seen["object"]["sunny"], bool)
    assert seen["embeddings"] == [768, 768]
    assert seen["tool"] == "weather"
    assert list(seen["toolInput"]) == list(seen["streamToolInput"]) == ["city"]
    assert seen["toolResult"] == f"It rains in {seen['toolInput']['city']}."
    assert seen["toolFinish"] == "tool-calls"
    assert seen["toolAnswer"]
    name, status, message = seen["error"]
    assert (name, status) == ("AI_APICallError", 404)
    assert "`nope`" in message
