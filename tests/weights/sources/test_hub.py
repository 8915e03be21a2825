"""The hub's protocol, spoken by a local server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from openedai.config import ModelSpec, Settings
from openedai.errors import Unavailable
from openedai.weights.library import Library
from openedai.weights.manifest import read_manifest
from openedai.weights.sources.base import Access
from tests.weights.fakes.recorder import Recorder
from tests.weights.fakes.servers import COMMIT, Fault, HubServer
from tests.weights.fakes.wheels import noise

ROOT = Path(__file__).parents[3]
Q4 = b"GGUF" + noise(2 << 20, seed=6)
SHARDS = {f"m-Q8_0-0000{n}-of-00002.gguf": noise(5000, seed=n) for n in (1, 2)}
CHAT = ModelSpec(id="m", engine="llama_cpp", source="hf:o/r")
EMBEDDER = ModelSpec(id="e", engine="onnx_embeddings", source="hf:o/e")
SENTENCES = {
    "modules.json": b"[]",
    "config.json": b"{}",
    "1_Pooling/config.json": b"{ }",
    "tokenizer.json": b"{  }",
    "model.safetensors": noise(4000, seed=7),
    "pytorch_model.bin": noise(4000, seed=8),
    "onnx/model.onnx": noise(4000, seed=9),
}


@pytest.fixture(autouse=True)
def _no_requests_to_the_real_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.add("/o/r/m-Q4_K_M.gguf", Q4)
        hub.add("/o/r/README.md", b"# m")
        for name, content in SHARDS.items():
            hub.add(f"/o/r/Q8_0/{name}", content)
        for name, content in SENTENCES.items():
            hub.add(f"/o/e/{name}", content)
        yield hub


def library(hub: HubServer, folder: Path, *, offline: bool = False, room: int = 10**9) -> Library:
    access = Access(
        offline=offline,
        hub_endpoint=hub.url,
        hub_cache=folder / "hub",
        free_space=lambda _: room,
    )
    return Library(Settings(_env_file=None, cache_dir=folder / "cache"), access)


def downloads(hub: HubServer) -> set[str]:
    return {
        request.path.partition("/resolve/")[2].partition("/")[2]
        for request in hub.requests
        if request.method == "GET" and "/resolve/" in request.path
    }


def test_a_gguf_file(hub: HubServer, tmp_path: Path) -> None:
    progress = Recorder()
    path = library(hub, tmp_path).pull(CHAT, progress)
    assert path is not None
    assert path.name == "m-Q4_K_M.gguf"
    assert path.read_bytes() == Q4
    assert not path.is_symlink()
    assert downloads(hub) == {"m-Q4_K_M.gguf"}
    assert progress.step("Downloading") == (len(Q4), len(Q4))
    again = library(hub, tmp_path)
    assert again.find(CHAT) == path
    manifest = read_manifest(path.parent)
    assert manifest is not None
    assert manifest.license == "mit"
    assert again.download_size(CHAT) is None


def test_a_split_gguf_file(hub: HubServer, tmp_path: Path) -> None:
    spec = replace(CHAT, source="hf:o/r:q8_0")
    path = library(hub, tmp_path).pull(spec)
    assert path is not None
    assert path.name == "m-Q8_0-00001-of-00002.gguf"
    assert {name: (path.parent / name).read_bytes() for name in SHARDS} == SHARDS


def with_projector(projector: str, **more: str) -> ModelSpec:
    return replace(CHAT, options={"mmproj": projector})


def test_a_projector_in_another_folder(hub: HubServer, tmp_path: Path) -> None:
    """It gets the path of the option, whatever its path in the repository."""
    hub.add("/o/r/vision/mmproj-F16.gguf", b"projector")
    for projector in ("mmproj-F16.gguf", "vision/mmproj-f16.gguf"):
        path = library(hub, tmp_path).pull(with_projector(projector))
        assert path is not None
        assert path.name == "m-Q4_K_M.gguf"
        assert (path.parent / projector).read_bytes() == b"projector"
        assert library(hub, tmp_path).size(with_projector(projector)) == len(Q4) + 9
        assert library(hub, tmp_path, offline=True).find(with_projector(projector)) == path
    assert downloads(hub) == {"m-Q4_K_M.gguf", "vision/mmproj-F16.gguf"}
    assert library(hub, tmp_path).find(CHAT) is None


def test_a_projector_that_is_not_in_the_repository(hub: HubServer, tmp_path: Path) -> None:
    hub.add("/o/r/mmproj-F16.gguf", b"projector")
    with pytest.raises(Unavailable, match=r"mmproj-BF16\.gguf.*there is: mmproj-F16\.gguf"):
        library(hub, tmp_path).pull(with_projector("mmproj-BF16.gguf"))
    path = library(hub, tmp_path).pull(with_projector("/elsewhere/mmproj.gguf"))
    assert path is not None
    assert downloads(hub) == {"m-Q4_K_M.gguf"}


def test_a_sentence_transformers_folder(hub: HubServer, tmp_path: Path) -> None:
    path = library(hub, tmp_path).pull(EMBEDDER)
    assert path is not None
    assert (path / "model.onnx").read_bytes() == SENTENCES["onnx/model.onnx"]
    assert (path / "1_Pooling/config.json").read_bytes() == b"{ }"
    assert downloads(hub) == set(SENTENCES) - {"pytorch_model.bin", "model.safetensors"}


def test_the_torch_engine_takes_safetensors(hub: HubServer, tmp_path: Path) -> None:
    spec = replace(EMBEDDER, engine="sentence_transformers")
    path = library(hub, tmp_path).pull(spec)
    assert path is not None
    assert (path / "model.safetensors").read_bytes() == SENTENCES["model.safetensors"]
    assert downloads(hub) == set(SENTENCES) - {"pytorch_model.bin", "onnx/model.onnx"}


def test_a_cut_connection_is_continued(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The library writes complete chunks only, and resumes after these.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 18)
    address = "/o/r/m-Q4_K_M.gguf"
    hub.faults[address] = [Fault(cut=1 << 20)]
    path = library(hub, tmp_path).pull(CHAT)
    assert path is not None
    assert path.read_bytes() == Q4
    ranges = [r.range for r in hub.requests if r.method == "GET" and r.path.endswith("gguf")]
    assert ranges == [None, f"bytes={1 << 20}-"]


def test_a_wrong_hash(hub: HubServer, tmp_path: Path) -> None:
    hub.wrong_hashes = frozenset({"/o/r/m-Q4_K_M.gguf"})
    with pytest.raises(Unavailable, match="is not the file it should be"):
        library(hub, tmp_path).pull(CHAT)
    assert library(hub, tmp_path).find(CHAT) is None
    hub.wrong_hashes = frozenset()
    assert library(hub, tmp_path).pull(CHAT) is not None


def test_too_little_space(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Not enough space"):
        library(hub, tmp_path, room=len(Q4) - 1).pull(CHAT)
    assert downloads(hub) == set()
    assert library(hub, tmp_path, room=len(Q4)).pull(CHAT) is not None


def test_offline_with_the_hubs_cache(hub: HubServer, tmp_path: Path) -> None:
    first = library(hub, tmp_path)
    path = first.pull(CHAT)
    assert path is not None
    assert first.remove(CHAT) < len(Q4)
    before = len(hub.requests)
    again = library(hub, tmp_path, offline=True).pull(CHAT)
    assert again == path
    assert again.read_bytes() == Q4
    assert len(hub.requests) == before


def test_a_repository_that_changes_during_the_pull(hub: HubServer, tmp_path: Path) -> None:
    hub.listed_commit = "f" * 40
    with pytest.raises(Unavailable, match="changed on the hub meanwhile"):
        library(hub, tmp_path).pull(CHAT)
    hub.listed_commit = COMMIT
    assert library(hub, tmp_path).pull(CHAT) is not None


def test_offline_without_the_weights(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"not in the hub's cache.*`offline`"):
        library(hub, tmp_path, offline=True).pull(CHAT)
    assert hub.requests == []


def test_no_such_repository(hub: HubServer, tmp_path: Path) -> None:
    spec = replace(CHAT, source="hf:o/typo")
    with pytest.raises(Unavailable, match="`o/typo` is not on the hub"):
        library(hub, tmp_path).pull(spec)


def test_a_gated_repository(hub: HubServer, tmp_path: Path) -> None:
    hub.gated = frozenset({"o/r"})
    with pytest.raises(Unavailable, match="gated: accept its terms"):
        library(hub, tmp_path).pull(CHAT)


def test_an_unreachable_hub(tmp_path: Path) -> None:
    with HubServer() as hub:
        closed = library(hub, tmp_path)
    with pytest.raises(Unavailable, match="could not be downloaded from the hub"):
        closed.pull(CHAT)


@pytest.mark.parametrize("name", ["../evil.json", "/abs.json"])
def test_a_name_that_leaves_its_folder(hub: HubServer, tmp_path: Path, name: str) -> None:
    hub.add(f"/o/e/{name}", b"evil")
    with pytest.raises(Unavailable, match="leaves its folder"):
        library(hub, tmp_path).pull(EMBEDDER)


@pytest.mark.parametrize("token", ["right", "wrong"])
def test_the_environment_names_the_hub_and_the_token(
    hub: HubServer, tmp_path: Path, token: str
) -> None:
    hub.token = "right"
    order = {
        "cache_dir": str(tmp_path / "cache"),
        "spec": asdict(CHAT),
        "package": None,
        "halt_at": "",
    }
    environment = {
        "PYTHONPATH": str(ROOT / "src"),
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": token,
        "HF_HOME": str(tmp_path / "hf"),
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.weights.fakes.puller", json.dumps(order)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if token == "right":
        assert "m-Q4_K_M.gguf" in done.stdout.splitlines()[-1]
        assert all(r.authorization == "Bearer right" for r in hub.requests if "o/r" in r.path)
    else:
        assert done.returncode
        assert "it is private and HF_TOKEN is not set for it" in done.stderr
