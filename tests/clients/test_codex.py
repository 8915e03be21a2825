"""Codex CLI with a real model: small tasks, for minutes on a few cores; run by `make torture`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openedai.config import ModelSpec, Settings
from tests.clients.running import run, sockets
from tests.support import ServerThread

pytestmark = [pytest.mark.torture, pytest.mark.real, pytest.mark.timeout(1500)]

CODER = ModelSpec(
    id="qwen2.5-coder-1.5b-instruct",
    engine="llama_cpp",
    source="pypi:qwen2.5-coder-1.5b-instruct",
    options={"context": 8192, "slots": 1, "sampling": {"temperature": 0}},
)
TASKS = {
    "http": "How many lines does the file notes.txt have?",
    "socket": "Create the file made.txt with the text: hello world",
}


def test_codex_does_small_tasks(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None, data=tmp_path / "data", chat_model=CODER.id, models=(CODER,)
    )
    with ServerThread(settings) as server, server.client(timeout=900) as client:
        client.responses.create(model=CODER.id, input="Hello.", max_output_tokens=16)
        seen = run(
            "codex",
            server,
            tmp_path,
            MODEL=CODER.id,
            TASKS=json.dumps(TASKS),
            SHORT="1",
            SECONDS="280",
        )
        opened = sockets(server)
    print({transport: seen[transport]["seconds"] for transport in TASKS})
    assert "7 notes.txt\n" in seen["http"]["outputs"]
    assert "7" in seen["http"]["answer"]
    assert seen["socket"]["made"] == "hello world\n"
    assert seen["socket"]["answer"]
    assert opened
