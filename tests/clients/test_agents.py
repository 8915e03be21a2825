"""Agents that speak Responses, on the echo engine: it says what the user said, here a tool call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openedai.config import ModelSpec
from tests.clients.running import run
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1500)]

# For the instructions of Codex, which are long.
BIG = ModelSpec(id="big", engine="echo", options={"context": 200_000})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = echo_settings(data=tmp_path_factory.mktemp("data"), models=(*ECHO_MODELS, BIG))
    with ServerThread(settings) as running:
        yield running


def test_codex(server: Running, tmp_path: Path) -> None:
    seen = run("codex", server, tmp_path)
    for transport in ("http", "socket"):
        assert seen[transport]["made"] == "made by codex\n", transport
        assert seen[transport]["commands"] == 1
        assert "made by codex" in seen[transport]["answer"]


def test_agents_sdk(server: Running, tmp_path: Path) -> None:
    seen = run("openai-agents", server, tmp_path)
    assert seen["tool"] == "It rains in Paris."
    assert seen["handoff"] == "Spanish"
    assert seen["stream"] == seen["socket"] == {"answer": "It rains in Paris.", "completed": 2}
    assert seen["conversation"] == 4
    assert "compaction" in seen["compacted"]
    assert seen["after"] == "Good bye."
