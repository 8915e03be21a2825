"""Clients that speak Responses, on the echo engine: it says what the user said, here tool calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from openedai.config import ModelSpec
from tests.clients.running import run, sockets
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1500)]

OLDER = "OPENAI_API_BASE"
IT_RAINS = "It rains in Paris."
PARIS = {"city": "Paris", "sunny": True}

# For the instructions of Codex, which are long.
BIG = ModelSpec(id="big", engine="echo", options={"context": 200_000})
# Where a tool must be called, the engine's answer is a call without arguments.
CALL = json.dumps({"name": "final_result", "arguments": PARIS})
FORCED = ModelSpec(id="forced", engine="echo", options={"reply": CALL})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = (*ECHO_MODELS, BIG, FORCED)
    settings = echo_settings(data=tmp_path_factory.mktemp("data"), models=models)
    with ServerThread(settings) as running:
        yield running


def test_codex(server: Running, tmp_path: Path) -> None:
    before = sockets(server)
    command = {"name": "exec_command", "arguments": {"cmd": "echo made by codex | tee made.txt"}}
    task = f"<tool_call>{json.dumps(command)}</tool_call>"
    tasks = json.dumps({"http": task, "socket": task})
    seen = run("codex", server, tmp_path, MODEL="big", TASKS=tasks, SECONDS="120")
    for transport in ("http", "socket"):
        assert seen[transport]["made"] == "made by codex\n", transport
        assert len(seen[transport]["outputs"]) == 1
        assert "made by codex" in seen[transport]["answer"]
    assert sockets(server) > before


def test_agents_sdk(server: Running, tmp_path: Path) -> None:
    before = sockets(server)
    check_agents_sdk(run("openai-agents", server, tmp_path))
    assert sockets(server) == before + 1


def test_agents_sdk_for_js(server: Running, tmp_path: Path) -> None:
    before = sockets(server)
    check_agents_sdk(run("openai-agents-js", server, tmp_path))
    assert sockets(server) == before + 1


def check_agents_sdk(seen: Mapping[str, Any]) -> None:
    """What the programs of both SDKs have seen."""
    assert seen["unnamed"] == "Good morning."
    assert seen["tool"] == IT_RAINS
    assert seen["handoff"] == "Spanish"
    assert seen["typed"] == PARIS
    assert seen["stream"] == seen["socket"] == {"answer": IT_RAINS, "completed": 2}
    assert seen["conversation"] == {"items": 6, "heard": True}
    assert seen["chained"]
    for mode, compacted in seen["compacted"].items():
        assert compacted == {"items": ["compaction"], "heard": True}, mode


def test_the_ai_sdk(server: Running, tmp_path: Path) -> None:
    seen = run("ai-sdk", server, tmp_path, program="responses", package="@ai-sdk/openai")
    assert (seen["text"], seen["tokens"]) == ("Say hello to Ann.", 4)
    assert seen["limited"] == ["One two", "length"]
    assert seen["tool"] == [IT_RAINS, 2, IT_RAINS]
    streamed = seen["stream"]
    assert (streamed["text"], streamed["steps"], streamed["tokens"]) == (IT_RAINS, 2, 9)
    assert {"tool-input-delta", "tool-call", "text-delta"} <= set(streamed["types"])
    assert seen["shell"] == "ran ls"
    assert seen["search"] == [["toolSearch"], []]
    assert seen["output"] == seen["streamedOutput"] == PARIS
    assert seen["options"] == ["Yes.", 1]
    assert seen["embeddings"] == [8, 8]
    assert seen["continued"] == [True, False]
    name, status, message = seen["error"]
    assert (name, status) == ("AI_APICallError", 404)
    assert "`nope`" in message


def test_langchain(server: Running, tmp_path: Path) -> None:
    seen = run("langchain", server, tmp_path, program="responses")
    assert (seen["text"], seen["model"], seen["tokens"]) == ("Say hello.", "echo", 2)
    assert seen["limited"] == ["One two", "max_output_tokens"]
    assert seen["stream"] == ["One two three.", 3, 3]
    assert seen["async"] == "One two."
    assert seen["tool"] == seen["streamed_tool"] == [{"city": "Paris"}, IT_RAINS]
    assert seen["structured"] == PARIS
    assert seen["reasoning"] == ["reasoning", "text"]
    assert seen["continued"] == [True, True, False]


def test_llama_index(server: Running, tmp_path: Path) -> None:
    package = "llama-index-llms-openai"
    seen = run("llama-index", server, tmp_path, program="responses", package=package, address=OLDER)
    assert seen["complete"] == "Say hello."
    assert seen["chat"] == "One two three."
    assert seen["stream"] == ["One", " two", " three."]
    assert seen["limited"] == "One two"
    assert seen["async"] == ["One two three.", IT_RAINS]
    assert seen["tool"] == [{"city": "Paris"}, IT_RAINS]
    assert seen["structured"] == PARIS
    assert seen["tracked"]


def test_pydantic_ai(server: Running, tmp_path: Path) -> None:
    before = sockets(server)
    seen = run("pydantic-ai", server, tmp_path)
    assert (seen["tool"], seen["tokens"]) == (IT_RAINS, 9)
    assert seen["stream"] == [["One", " two", " three."], 3]
    assert seen["streamed_tool"] == [["It", " rains", " in", " Paris."], 9]
    for way in ("tool_output", "native_output", "prompted_output", "typed_stream"):
        assert seen[way] == PARIS, way
    assert seen["continued"] == [True, 5]
    assert seen["continued_by_id"] == seen["in_conversation"] == [True, 1]
    assert seen["background"] == seen["socket"] == IT_RAINS
    assert sockets(server) == before + 1
    assert seen["error"] == [404, "model_not_found"]
