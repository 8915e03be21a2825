"""`openedai models pull` and `rm`, with a local server that speaks the hub's protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.cli.program import openedai
from tests.weights.fakes.servers import Fault, HubServer
from tests.weights.fakes.wheels import noise

CONFIG = """
builtin_models = false
chat_model = "tiny"
[[models]]
id = "tiny"
engine = "llama_cpp"
source = "hf:o/r"
training_source = "hf:o/whole"
[[models.adapters]]
name = "legal"
source = "hf:o/lora"
"""
WEIGHTS = b"GGUF" + noise(2 << 20, seed=1)
ADAPTER = b"GGUF" + noise(5000, seed=2)
TRAINING = noise(7000, seed=3)


@pytest.fixture(name="hub")
def _hub() -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.add("/o/r/m-Q4_K_M.gguf", WEIGHTS)
        hub.add("/o/lora/lora.gguf", ADAPTER)
        hub.add("/o/whole/model.safetensors", TRAINING)
        hub.add("/o/whole/config.json", b"{}")
        yield hub


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "openedai.toml").write_text(CONFIG)
    return tmp_path


def models(hub: HubServer, folder: Path, *arguments: str) -> CompletedProcess[str]:
    return openedai(
        "models",
        *arguments,
        folder=folder,
        OPENEDAI_CACHE_DIR=str(folder / "cache"),
        HF_ENDPOINT=hub.url,
        HF_HOME=str(folder / "hub"),
        HF_HUB_DISABLE_TELEMETRY="1",
    )


def sizes(hub: HubServer, folder: Path) -> dict[str, int | None]:
    found = json.loads(models(hub, folder, "list", "--json").stdout)
    return {model["id"]: model["size_on_disk"] for model in found}


def test_pull_and_remove(hub: HubServer, folder: Path) -> None:
    assert sizes(hub, folder) == {"tiny": None, "tiny:legal": None}
    pulled = models(hub, folder, "pull", "tiny")
    assert pulled.returncode == 0
    assert "Pulling tiny from hf:o/r" in pulled.stderr
    assert "Pulling tiny:legal from hf:o/lora" in pulled.stderr
    assert "Pulling tiny (training) from hf:o/whole" in pulled.stderr
    (training,) = (folder / "hub").rglob("model.safetensors")
    assert training.read_bytes() == TRAINING
    assert sizes(hub, folder) == {"tiny": len(WEIGHTS), "tiny:legal": len(ADAPTER)}
    requests = len(hub.requests)
    assert models(hub, folder, "pull", "tiny").stderr == ""
    assert len(hub.requests) == requests
    removed = models(hub, folder, "rm", "tiny")
    assert removed.returncode == 0
    assert removed.stdout == "tiny: 0 MB freed\n"  # the hub's own cache still has the file
    assert sizes(hub, folder) == {"tiny": None, "tiny:legal": len(ADAPTER)}


def test_a_refused_download(hub: HubServer, folder: Path) -> None:
    hub.faults["/o/r/m-Q4_K_M.gguf"] = [Fault(status=403)]
    refused = models(hub, folder, "pull", "tiny")
    assert refused.returncode == 1
    assert "tiny: " in refused.stderr
    assert "Traceback" not in refused.stderr
    assert sizes(hub, folder) == {"tiny": None, "tiny:legal": None}
