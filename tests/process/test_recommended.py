"""A recommended model by its name: downloaded from a hub, checked, served and chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import NotFoundError, OpenAI

from tests.cli.program import openedai
from tests.gguf import tiny_decoder
from tests.process.serving import Process, serving, started
from tests.process.settings_files import model_table
from tests.support import wait_until
from tests.weights.fakes.servers import HubServer

FILE = "/Qwen/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf"
# A default embedding model of our own, so that no other is downloaded.
CONFIG = f"""
builtin_models = false
embedding_model = "echo"
memory_budget = "64GB"
{model_table("echo")}
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.add(FILE, tiny_decoder.write(tmp_path / "tiny.gguf").read_bytes())
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
        monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        monkeypatch.setenv("OPENEDAI_CACHE_DIR", str(tmp_path / "cache"))
        yield hub


def banner(server: Process) -> str:
    """All of it but its first line."""
    wait_until(lambda: any("curl" in line for line in server.log))
    return "".join(server.log)


def test_a_recommended_model_is_all_it_takes(hub: HubServer, tmp_path: Path) -> None:
    flags = ("--chat-model", "qwen3-4b")
    hub.wrong_hashes = frozenset({FILE})
    with started(tmp_path, CONFIG, *flags, pull=True) as process:
        assert process.wait(60) == 1
        assert process.stderr is not None
        said = process.stderr.read()
    assert "is not the file it should be: its SHA-256 is" in " ".join(said.split())
    hub.wrong_hashes = frozenset()
    with serving(tmp_path, CONFIG, *flags, pull=True) as server, server.client() as client:
        assert "Pulling qwen3-4b from hf:Qwen/Qwen3-4B-GGUF:Q4_K_M" in banner(server)
        assert re.search(r"Downloading .* 100 %", banner(server))
        assert "qwen3-4b, as chat_model says" in banner(server)
        assert "Authorization" not in banner(server)
        answer = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hi"}], max_tokens=4
        )
        assert answer.model == "qwen3-4b"
        assert answer.usage is not None
        assert answer.usage.completion_tokens > 0
    made = openedai(
        "keys", "create", "boss", "--admin", folder=tmp_path, OPENEDAI_DATA=str(tmp_path / "data")
    )
    assert made.returncode == 0
    with serving(tmp_path, 'memory_budget = "64GB"') as server:
        assert "qwen3-4b, the best recommended model on disk" in banner(server)
        assert "-H 'Authorization: Bearer YOUR_KEY'" in banner(server)


def test_what_another_process_pulls_is_served_at_once(hub: HubServer, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")

    def models(*arguments: str) -> None:
        done = openedai("models", *arguments, folder=tmp_path, OPENEDAI_CACHE_DIR=cache)
        assert done.returncode == 0, done.stderr

    def chat(client: OpenAI) -> str:
        answer = client.chat.completions.create(
            model="qwen3-4b", messages=[{"role": "user", "content": "hi"}], max_tokens=4
        )
        return answer.model

    with serving(tmp_path, 'memory_budget = "64GB"') as server, server.client() as client:
        with pytest.raises(NotFoundError):
            chat(client)
        models("pull", "qwen3-4b")
        assert chat(client) == "qwen3-4b"
        assert "qwen3-4b" in [model.id for model in client.models.list()]
        models("rm", "qwen3-4b")
        assert "qwen3-4b" not in [model.id for model in client.models.list()]
