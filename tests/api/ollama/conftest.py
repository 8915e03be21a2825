"""A server on the echo engine, and Ollama's official client for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ollama import Client

from openedai.config import ModelSpec
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings

ENDLESS = ModelSpec(
    id="endless", engine="echo", options={"delay": 0.001, "repeat": 10**6, "context": 10**9}
)
CALLS = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'
MODELS = (
    *ECHO_MODELS,
    ENDLESS,
    ModelSpec(
        id="forecasts",
        engine="echo",
        options={"reply": CALLS + "\n" + CALLS.replace("Oslo", "Bergen")},
    ),
    ModelSpec(id="thinks", engine="echo", options={"reply": "<think>hm hm</think>\n\nyes"}),
    ModelSpec(
        id="sampled", engine="echo", options={"slots": 2, "context": 100}, license="Apache-2.0"
    ),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with ServerThread(echo_settings(models=MODELS)) as running:
        yield running


@pytest.fixture
def ollama(server: Running) -> Iterator[Client]:
    with Client(host=server.url) as client:
        yield client
