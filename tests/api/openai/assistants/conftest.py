"""A server for the tests of assistants, and the official client for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import OpenAI
from openai.types.beta import Assistant, Thread
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from pydantic import TypeAdapter

from openedai.config import ModelSpec
from tests.support import ECHO_MODELS, TWO_CALLS, Running, ServerThread, echo_settings

SEARCH_CALL = '<tool_call>{"name": "file_search", "arguments": {"queries": ["sugar"]}}</tool_call>'
MODELS = (
    *ECHO_MODELS,
    ModelSpec(id="steady", engine="echo", options={"delay": 0.01}),
    ModelSpec(id="endless", engine="echo", options={"delay": 3600}),
    ModelSpec(id="small", engine="echo", options={"context": 12}),
    ModelSpec(id="said-and-called", engine="echo", options={"reply": f"Wait. {TWO_CALLS}"}),
    ModelSpec(id="searches", engine="echo", options={"reply": SEARCH_CALL}),
)
KINDS: dict[str, Any] = {
    "assistant": Assistant,
    "thread": Thread,
    "thread.message": Message,
    "thread.run": Run,
    "thread.run.step": RunStep,
}


def check(response: httpx.Response) -> None:
    """Fails for an object, or a list of them, that is not of the official type."""
    if response.headers["content-type"] != "application/json" or not response.is_success:
        return
    values = json.loads(response.read())
    for one in values["data"] if values.get("object") == "list" else [values]:
        if (kind := KINDS.get(one.get("object"))) is not None:
            TypeAdapter(kind).validate_json(json.dumps(one), strict=True)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """It runs no code."""
    folder = tmp_path_factory.mktemp("data")
    settings = echo_settings(data=folder, models=MODELS, code_interpreter=False)
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with (
        httpx.Client(event_hooks={"response": [check]}, timeout=60) as http,
        server.client(http_client=http) as client,
    ):
        yield client
