"""Clients of vector stores and assistants, on the echo engine: it says what the user said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.running import run
from tests.support import Running

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1500)]


def test_langchain(echo_server: Running, tmp_path: Path) -> None:
    seen = run(
        "langchain", echo_server, tmp_path, program="assistants", package="langchain-classic"
    )
    assert (seen["first"], seen["second"]) == ("Good morning.", "Good night.")
    assert seen["agent"] == "Good day."
    assert seen["tool"] == ["get_weather", {"city": "Paris"}, ["get_weather"]]
    assert seen["later"] == [["get_weather"], ["get_weather"]]


@pytest.mark.parametrize("version", ["openai-4", "openai-5", "openai-6", "openai-7"])
def test_openai_node(version: str, echo_server: Running, tmp_path: Path) -> None:
    seen = run("openai-node", echo_server, tmp_path, package=version, CLIENT=version)
    del seen["version"]
    text = ["textCreated", "messageDelta", "textDelta", "textDone"]
    said = ["runStepCreated", "messageCreated", *text, "messageDone", "runStepDone", "end"]
    tool = ["toolCallCreated", "runStepDelta", "toolCallDelta", "toolCallDone"]
    assert seen == {
        "files": ["completed"] * 3,
        "attributes": {"of": "cats"},
        "content": ["Cats sleep."],
        "listed": 3,
        "fileDeleted": True,
        "batches": [2, 4, 4],
        "cancelled": "completed",
        "found": ["cats.txt", "Cats sleep."],
        "renamed": "beasts",
        "deleted": True,
        "run": "completed",
        "stream": [said, [["Hello there."]]],
        "calling": ["runStepCreated", *tool, "end"],
        "tool": "get_weather",
        "told": [["It rains."]],
        "steps": ["message_creation", "tool_calls"],
        "ended": ["completed", "completed"],
        "messages": ["Hello there."] * 3 + ["It rains."] * 2,
        "read": ["thread.created", "thread.run.completed"],
        "threadDeleted": True,
        "assistantDeleted": True,
    }


def test_n8n(echo_server: Running, tmp_path: Path) -> None:
    seen = run("n8n", echo_server, tmp_path)
    assert seen["tools"] == ["file_search"]
    assert seen["first"] == "Hello there."
    assert seen["second"] == ["Good day.", True]
    assert seen["called"] == seen["older"] == "It rains in Paris."
    assert seen["updated"] == ["changed", 0.5, []]
    assert seen["kept"] == "Good night."
    assert seen["listed"] is seen["deleted"] is True


def test_flowise(echo_server: Running, tmp_path: Path) -> None:
    seen = run("flowise", echo_server, tmp_path)
    assert seen["first"] == "Hello there."
    assert seen["second"] == ["Good day.", "Good day."]
    assert seen["thread"] == 4
    rain = "It rains in Paris."
    assert seen["called"] == seen["calledInStream"] == [rain, ["get_weather", rain]]
