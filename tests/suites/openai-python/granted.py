"""A plugin of pytest: the client's tests get what they take for granted.

They are written for a server that answers everything. So what an id in them stands for is made
before, and its id is sent instead; and responses get the model and the input that they need.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from openai._models import FinalRequestOptions

URL = os.environ["TEST_API_BASE_URL"]
MODEL = "model"
MESSAGE = {"type": "message", "role": "user", "content": "Hello."}


def _post(path: str, body: Mapping[str, Any]) -> str:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer My API Key"}
    request = urllib.request.Request(f"{URL}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def _made(path: str, body: Mapping[str, Any]) -> str:
    return str(json.loads(_post(path, body))["id"])


def _response() -> str:
    """A response in the background, whose stream can be read again, after its end."""
    body = {"model": MODEL, "input": [MESSAGE], "background": True, "stream": True}
    data = [line for line in _post("/responses", body).splitlines() if line.startswith("data: ")]
    return str(json.loads(data[0].removeprefix("data: "))["response"]["id"])


def _conversation() -> str:
    return _made("/conversations", {"items": [MESSAGE | {"id": "msg_abc"}]})


def _chat() -> str:
    messages = [{"role": "user", "content": "Hello."}]
    return _made("/chat/completions", {"model": MODEL, "messages": messages, "store": True})


NEEDED = {"model": MODEL, "input": "Hello."}
ANSWERED = ("/responses", "/responses/compact", "/responses/input_tokens")
MADE = {
    "resp_677efb5139a88190b512bc3fef8e535d": _response,
    "resp_123": _response,
    "response_id": _response,
    "conv_123": _conversation,
    "completion_id": _chat,
}


class Granted:
    """What one test has taken for granted: the ids of what was made, by those that it names."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def replaced(self, options: FinalRequestOptions) -> FinalRequestOptions:
        """The options of a request that can be answered."""
        changed = options.model_copy()
        changed.url = "/".join(map(self._id, options.url.split("/")))
        body: Any = options.json_data
        if options.url in ANSWERED:
            body = changed.json_data = {**NEEDED, **(body or {})}
        if isinstance(body, dict) and (previous := body.get("previous_response_id")):
            changed.json_data = {**body, "previous_response_id": self._id(previous)}
        return changed

    def _id(self, named: str) -> str:
        if named not in MADE:
            return named
        if named not in self._ids:
            self._ids[named] = MADE[named]()
        return self._ids[named]


@pytest.fixture(autouse=True)
def granted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Granted()
    prepare, prepare_async = OpenAI._prepare_options, AsyncOpenAI._prepare_options

    def replacing(client: OpenAI, options: FinalRequestOptions) -> FinalRequestOptions:
        return prepare(client, made.replaced(options))

    async def replacing_async(
        client: AsyncOpenAI, options: FinalRequestOptions
    ) -> FinalRequestOptions:
        return await prepare_async(client, made.replaced(options))

    monkeypatch.setattr(OpenAI, "_prepare_options", replacing)
    monkeypatch.setattr(AsyncOpenAI, "_prepare_options", replacing_async)
