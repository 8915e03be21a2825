"""`openedai models suggest` on machines of several sizes, and pulls from a local hub."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from openedai.catalog.recommended import Use
from openedai.cli.doctor.machine import nvidia_memory
from openedai.cli.suggest import USES, Machine, Suggestion, print_suggestions, suggest
from openedai.config import Settings
from tests.cli.program import openedai
from tests.weights.fakes.servers import HubServer

GB = 10**9


def machine(**given: Any) -> Machine:
    return Machine(**{"memory": 100 * GB, "cores": 64, "disk": 1000 * GB, **given})


def best(folder: Path, use: Use, on: Machine) -> Suggestion:
    (found,) = suggest(Settings(_env_file=None, cache_dir=folder), on, (use,))
    return found


@pytest.mark.parametrize(
    ("given", "use", "id", "reason"),
    [
        ({}, "chat", "qwen3-30b-a3b", "the best for this use"),
        ({"memory": 16 * GB}, "chat", "gpt-oss-20b", "qwen3-30b-a3b is better, but needs 22.3 GB"),
        ({"memory": 6 * GB, "cores": 4}, "chat", "qwen3-4b", "about 6 tokens a second on 4 cores"),
        ({"memory": 13 * GB, "cores": 1}, "chat", "qwen3-0.6b", "on 1 core; qwen3-1.7b is better"),
        ({"memory": 3 * GB}, "chat", "qwen3-0.6b", "needs 4.2 GB of memory"),
        ({"disk": 3 * GB}, "chat", "qwen3-4b", "qwen3-8b is better, but is 5.0 GB to download"),
        ({}, "code", "gpt-oss-20b", "devstral-small is better, but is slow here: 2.2 tokens"),
        ({"gpu_memory": 80 * GB}, "code", "gpt-oss-20b", "devstral-small is better"),
        (
            {"gpu_memory": 80 * GB, "gpu_build": True},
            "code",
            "devstral-small",
            "fits the GPU's memory; the best",
        ),
        ({"gpu_memory": 8 * GB, "gpu_build": True}, "code", "gpt-oss-20b", "64 cores"),
        ({"memory": 6 * GB}, "vision", "gemma-3-4b", "needs 7.0 GB"),
        ({"cores": 2}, "small", "qwen3-1.7b", "about 4 tokens"),
        ({"cores": 1}, "embeddings", "qwen3-embedding-0.6b", "fits the memory; the best"),
        ({"memory": GB}, "embeddings", "nomic-embed-text-v1.5", "bge-m3 is better, but"),
        ({"memory": GB}, "chat", None, "none fits: qwen3-0.6b needs 2.1 GB of memory"),
    ],
)
def test_the_best_that_fits(
    tmp_path: Path, given: dict[str, Any], use: Use, id: str | None, reason: str
) -> None:
    found = best(tmp_path, use, machine(**given))
    assert found.id == id
    assert reason in found.reason
    setting = "embedding" if use == "embeddings" else "chat"
    assert found.command == (id and f"openedai serve --{setting}-model {id}")


def test_what_is_printed(tmp_path: Path) -> None:
    on = machine(memory=6 * GB, cores=2, gpu_memory=8 * GB)
    found = suggest(Settings(_env_file=None, cache_dir=tmp_path), on, USES)
    file = io.StringIO()
    print_suggestions(on, found, Console(file=file, width=60))
    lines = file.getvalue().splitlines()
    assert lines[0] == (
        "Models may take 6.0 GB of memory; 2 cores; 1000.0 GB free on disk; a GPU with 8.0 GB, "
        "which is not used: openedai engines list shows builds of llama.cpp for GPUs."
    )
    assert lines[2:5] == [
        "chat: qwen3-4b (2.5 GB to download, 5.5 GB of memory, context 8192, Apache-2.0)",
        "  Fits the memory, about 3 tokens a second on 2 cores; qwen3-8b is better, but needs "
        "8.0 GB of memory, more than the 6.0 GB that models may take.",
        "  openedai serve --chat-model qwen3-4b",
    ]
    none = suggest(Settings(_env_file=None, cache_dir=tmp_path), machine(memory=1), ("small",))
    file = io.StringIO()
    print_suggestions(on, none, Console(file=file))
    assert "small: none fits: qwen3-0.6b needs 2.1 GB of memory" in file.getvalue()


def test_the_command(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    whole = {"OPENEDAI_MEMORY_BUDGET": "64GB", "OPENEDAI_CACHE_DIR": cache}
    done = openedai("models", "suggest", "--for", "small", "--json", folder=tmp_path, **whole)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["machine"]["memory"] == 64 * GB
    (only,) = found["suggestions"]
    assert only["use"] == "small"
    assert only["on_disk"] is False
    unknown = openedai("models", "suggest", "--for", "zoo", folder=tmp_path)
    assert unknown.returncode == 2
    assert "'zoo' is not one of chat, code, vision, small, embeddings" in unknown.stderr


def test_the_memory_of_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_memory() == 0
    program = tmp_path / "nvidia-smi"
    for text, size in (("A, 8192 MiB\nB, 24576 MiB", 24 << 30), ("A, [N/A]", 0)):
        program.write_text(f"#!/bin/sh\necho '{text}'\n")
        program.chmod(0o755)
        assert nvidia_memory() == size


@pytest.fixture(name="hub")
def _hub() -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.add("/Qwen/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf", b"GGUF" * 1000)
        yield hub


def variables(hub: HubServer, folder: Path) -> dict[str, str]:
    return {
        "OPENEDAI_CACHE_DIR": str(folder / "cache"),
        "OPENEDAI_MEMORY_BUDGET": "64GB",
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def test_pull_show_suggest_and_remove(hub: HubServer, tmp_path: Path) -> None:
    given = variables(hub, tmp_path)

    def models(*arguments: str) -> subprocess.CompletedProcess[str]:
        return openedai("models", *arguments, folder=tmp_path, **given)

    shown = json.loads(models("show", "qwen3-4b", "--json").stdout)
    assert shown["state"] == "not_downloaded"
    assert models("pull", "qwen3-4b").returncode == 0
    assert json.loads(models("show", "gpt-4o", "--json").stdout)["id"] == "qwen3-4b"
    found = best(tmp_path / "cache", "chat", machine(memory=6 * GB, disk=0))
    assert (found.id, found.on_disk) == ("qwen3-4b", True)
    assert models("rm", "qwen3-4b").returncode == 0
    assert json.loads(models("show", "qwen3-4b", "--json").stdout)["state"] == "not_downloaded"
    missing = models("pull", "qwen3-8b")
    assert missing.returncode == 1
    assert "`Qwen/Qwen3-8B-GGUF` is not on the hub" in missing.stderr
    assert "does not exist" in models("pull", "qwen3-5b").stderr
    given["OPENEDAI_OFFLINE"] = "true"
    given["HF_HOME"] = str(tmp_path / "empty")
    offline = models("pull", "qwen3-4b")
    assert offline.returncode == 1
    assert "downloads are off (`offline`)" in " ".join(offline.stderr.split())
