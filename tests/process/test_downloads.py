"""Downloads that requests begin are shown in the console, and can be paused there."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.gguf import tiny_decoder
from tests.process.serving import Process, serving
from tests.process.settings_files import model_table, settings_file
from tests.support import fetch, wait_until
from tests.weights.fakes.servers import HubServer

FILE = "/o/r/m-Q4_K_M.gguf"
CONFIG = settings_file(
    model_table("echo"), model_table("tiny", engine="llama_cpp", source="hf:o/r", context=512)
)
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}


class HeldHub(HubServer):
    """It answers with the file only once `go` is set."""

    go: Event

    def answer(self, handler: Any, path: str) -> None:
        if handler.command == "GET" and path.endswith(".gguf"):
            assert self.go.wait(60)
        super().answer(handler, path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldHub]:
    with HeldHub() as hub:
        hub.go = Event()
        hub.add(FILE, tiny_decoder.write(tmp_path / "tiny.gguf").read_bytes())
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
        monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        try:
            yield hub
        finally:
            hub.go.set()


def downloads(server: Process) -> dict[str, str]:
    """The states of the downloads by their models."""
    with urllib.request.urlopen(f"{server.url}/console/api/now", timeout=30) as states:
        state = json.loads(states.readline().removeprefix(b"data: "))
    return {one["model"]: one["state"] for one in state["downloads"]}


def test_downloads_of_requests_are_shown_and_paused(hub: HeldHub, tmp_path: Path) -> None:
    with (
        serving(tmp_path, CONFIG, cache_dir=tmp_path / "cache") as server,
        ThreadPoolExecutor(2) as threads,
    ):

        def post(path: str, body: Any) -> Any:
            return threads.submit(fetch, f"{server.url}{path}", "POST", json=body)

        pulled = post("/api/pull", {"model": "tiny", "stream": False})
        wait_until(lambda: downloads(server) == {"tiny": "running"})
        paused = post("/console/api/models/tiny/pause", {})
        hub.go.set()
        assert json.loads(paused.result().body)["state"] == "paused"
        assert pulled.result().status == 503
        assert b"The download of the model `tiny` was paused." in pulled.result().body
        hub.go.clear()
        answered = post("/v1/chat/completions", CHAT)
        wait_until(lambda: downloads(server) == {"tiny": "running"})
        hub.go.set()
        assert answered.result().status == 200
        assert downloads(server) == {"tiny": "done"}
