"""A server with models for the older endpoints: some that generate text, one that only embeds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from openedai.config import ModelSpec
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings

MODELS = (
    *ECHO_MODELS,
    ModelSpec(id="fencer", engine="echo", options={"reply": "\n```\nfixed\n```\n"}),
    ModelSpec(id="yes", engine="echo", options={"reply": " Yes.\n"}),
    ModelSpec(id="good", engine="echo", options={"reply": " Very good"}),
    ModelSpec(id="small", engine="echo", options={"reply": " Good", "context": 40}),
    ModelSpec(id="talkative", engine="echo", options={"reply": "So " * 30, "context": 40}),
    ModelSpec(
        id="endless",
        engine="echo",
        options={"delay": 0.01, "repeat": 10**6, "slots": 4, "context": 10**9},
    ),
    ModelSpec(id="writer", engine="llama_cpp", source="./never-loaded.gguf"),
    ModelSpec(id="embedder", engine="onnx_embeddings", source="./never-loaded"),
)


@pytest.fixture(scope="session")
def legacy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = echo_settings(models=MODELS, data=tmp_path_factory.mktemp("data"))
    with ServerThread(settings) as running:
        yield running
