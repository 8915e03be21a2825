"""A plugin of pytest: the client's tests get what they take for granted.

They are written for a server that answers everything. So what an id in them stands for is made
before, and its id is sent instead; and some requests get what they need.
"""

from __future__ import annotations

import itertools
import json
import os
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from openai._models import FinalRequestOptions

URL = os.environ["TEST_API_BASE_URL"]
MODEL = "model"
TUNED = "ft:gpt-4o-mini-2024-07-18:org:weather:B7R9VjQd"
PROJECTS = itertools.count()
JOBS = itertools.count()
MESSAGE = {"type": "message", "role": "user", "content": "Hello."}
QUESTION = {"role": "user", "content": "Hello."}
WEATHER = {"type": "function", "function": {"name": "weather"}}
PART = b'--x\r\nContent-Disposition: form-data; name=%b; filename="a"\r\n\r\nHello.\r\n--x--\r\n'
FILE = b"--x\r\nContent-Disposition: form-data; name=purpose\r\n\r\nassistants\r\n" + PART % b"file"
LINE = {
    "custom_id": "1",
    "method": "POST",
    "url": "/v1/responses",
    "body": {"model": "slow", "input": "Hello.", "max_output_tokens": 16},
}
LINES = (
    b"--x\r\nContent-Disposition: form-data; name=purpose\r\n\r\nbatch\r\n"
    b'--x\r\nContent-Disposition: form-data; name=file; filename="a.jsonl"\r\n\r\n'
    + json.dumps(LINE).encode()
    + b"\r\n--x--\r\n"
)
UPLOAD = {"bytes": 6, "filename": "a.txt", "mime_type": "text/plain", "purpose": "assistants"}
TIMEOUT = 30  # seconds


def _answer(path: str, body: bytes | None = None, media: str = "application/json") -> str:
    key = "My Admin API Key" if path.startswith("/organization/") else "My API Key"
    headers = {"Content-Type": media, "Authorization": f"Bearer {key}"}
    headers["OpenAI-Beta"] = "assistants=v2"
    request = urllib.request.Request(f"{URL}{path}", body, headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        text: str = answer.read().decode()
    return text


def _post(path: str, body: Mapping[str, Any]) -> str:
    return _answer(path, json.dumps(body).encode())


def _made(path: str, body: Mapping[str, Any]) -> str:
    return str(json.loads(_post(path, body))["id"])


def _sent(path: str, form: bytes) -> str:
    return str(json.loads(_answer(path, form, "multipart/form-data; boundary=x"))["id"])


def _when(path: str, status: str) -> dict[str, Any]:
    """The object at `path`, as soon as it has that status."""
    end = time.monotonic() + TIMEOUT
    while True:
        found: dict[str, Any] = json.loads(_answer(path))
        if found["status"] == status:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.02)


class Granted:
    """What one test has taken for granted: the ids of what was made, by those that it names."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def replaced(self, options: FinalRequestOptions) -> FinalRequestOptions:
        """The options of a request that can be answered."""
        changed = options.model_copy()
        changed.url = self._path(options.url)
        body: Any = options.json_data
        if options.url in ANSWERED:
            body = {**NEEDED, **(body or {})}
        if options.url.endswith("/submit_tool_outputs"):
            run = json.loads(_answer(changed.url.removesuffix("/submit_tool_outputs")))
            (call,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
            body = {**body, "tool_outputs": [{"output": "output", "tool_call_id": call["id"]}]}
        if options.url.endswith("/resume"):
            _post(f"{changed.url.removesuffix('/resume')}/pause", {})
        changed.json_data = self._with_ids(body)
        return changed

    def id(self, named: str, collection: str) -> str:
        """The id of what is sent for `named`; it is made in `collection`, a path."""
        if named not in MADE:
            return named
        if named not in self._ids:
            self._ids[named] = MADE[named](self, collection)
        return self._ids[named]

    def file(self) -> str:
        return self.id("file-abc123", "/files")

    def lines(self) -> str:
        return self.id("input_file_id", "/files")

    def store(self) -> str:
        return self.id("vector_store_id", "/vector_stores")

    def part(self) -> str:
        return self.id("part_id", f"/uploads/{self.id('upload_abc123', '/uploads')}/parts")

    def assistant(self) -> str:
        return self.id("assistant_id", "/assistants")

    def _path(self, url: str) -> str:
        path, *parts = url.split("/")
        for part in parts:
            path = f"{path}/{self.id(part, path)}"
        return path

    def _with_ids(self, value: Any, key: str = "") -> Any:
        if isinstance(value, Mapping):
            return {key: self._with_ids(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self._with_ids(one, key) for one in value]
        return NAMED[key](self) if key in NAMED else self.id(value, "") if key in IDS else value


def _response(_: Granted, collection: str) -> str:
    """A response in the background, whose stream can be read again, after its end."""
    body = {"model": MODEL, "input": [MESSAGE], "background": True, "stream": True}
    data = [line for line in _post("/responses", body).splitlines() if line.startswith("data: ")]
    return str(json.loads(data[0].removeprefix("data: "))["response"]["id"])


def _conversation(_: Granted, collection: str) -> str:
    return _made(collection, {"items": [MESSAGE | {"id": "msg_abc"}]})


def _chat(_: Granted, collection: str) -> str:
    return _made(collection, {"model": MODEL, "messages": [QUESTION], "store": True})


def _file(_: Granted, collection: str) -> str:
    return _sent(collection, FILE)


def _named_file(granted: Granted, collection: str) -> str:
    """A file of a container, or else the one that stores have, too."""
    if collection.startswith("/containers/"):
        return _made(collection, {"file_id": granted.file()})
    return granted.file()


def _upload(_: Granted, collection: str) -> str:
    return _made(collection, UPLOAD)


def _part(_: Granted, collection: str) -> str:
    return _sent(collection, PART % b"data")


def _store(granted: Granted, collection: str) -> str:
    store = _made(collection, {"file_ids": [granted.file()]})
    _when(f"{collection}/{store}", "completed")
    return store


def _lines(_: Granted, collection: str) -> str:
    return _sent(collection, LINES)


def _batch(granted: Granted, collection: str) -> str:
    """A batch of files of a store, or else one of requests, which takes some seconds."""
    if collection == "/batches":
        wanted = {"completion_window": "24h", "endpoint": "/v1/responses"}
        return _made(collection, {**wanted, "input_file_id": granted.lines()})
    return _made(collection, {"file_ids": [granted.file()]})


def _container(_: Granted, collection: str) -> str:
    return _made(collection, {"name": "name"})


def _assistant(_: Granted, collection: str) -> str:
    return _made(collection, {"model": MODEL, "tools": [WEATHER]})


def _thread(_: Granted, collection: str) -> str:
    return _made(collection, {"messages": [QUESTION]})


def _message(_: Granted, collection: str) -> str:
    return _made(collection, QUESTION)


def _run(granted: Granted, collection: str) -> str:
    """A run that waits for what a tool gave."""
    run = _made(collection, {"assistant_id": granted.assistant(), "tool_choice": "required"})
    _when(f"{collection}/{run}", "requires_action")
    return run


def _step(_: Granted, collection: str) -> str:
    return str(json.loads(_answer(collection))["data"][0]["id"])


def _job(_: Granted, collection: str) -> str:
    """A queued job of fine-tuning, or else a model that one has made: both were there before."""
    return TUNED if collection == "/fine_tuning/checkpoints" else f"ftjob-{next(JOBS)}"


def _project(_: Granted, collection: str) -> str:
    return _made(collection, {"name": f"project-{next(PROJECTS)}"})


def _account(_: Granted, collection: str) -> str:
    return _made(collection, {"name": "name"})


def _key(granted: Granted, collection: str) -> str:
    """A key of a service account of the project."""
    accounts = collection.removesuffix("api_keys") + "service_accounts"
    return str(json.loads(_post(accounts, {"name": "name"}))["api_key"]["id"])


def _admin_key(_: Granted, collection: str) -> str:
    return _made(collection, {"name": "name"})


def _rate_limit(_: Granted, collection: str) -> str:
    return str(json.loads(_answer(collection))["data"][0]["id"])


NEEDED = {"model": MODEL, "input": "Hello."}
ANSWERED = ("/responses", "/responses/compact", "/responses/input_tokens")
MADE: dict[str, Callable[[Granted, str], str]] = {
    "resp_677efb5139a88190b512bc3fef8e535d": _response,
    "resp_123": _response,
    "response_id": _response,
    "conv_123": _conversation,
    "completion_id": _chat,
    "file-abc123": _file,
    "file_id": _named_file,
    "upload_abc123": _upload,
    "part_id": _part,
    "vs_abc123": _store,
    "vector_store_id": _store,
    "vsfb_abc123": _batch,
    "batch_id": _batch,
    "container_id": _container,
    "assistant_id": _assistant,
    "thread_id": _thread,
    "message_id": _message,
    "run_id": _run,
    "step_id": _step,
    "input_file_id": _lines,
    "ft-AF1WoRqd3aJAHsqc9NY7iL8F": _job,
    "project_id": _project,
    "service_account_id": _account,
    "api_key_id": _key,
    "key_id": _admin_key,
    "rate_limit_id": _rate_limit,
}
# The keys of bodies whose values stand for objects, whatever they are called; and those whose
# values are ids as in URLs.
NAMED: dict[str, Callable[[Granted], str]] = {
    "file_id": Granted.file,
    "file_ids": Granted.file,
    "input_file_id": Granted.lines,
    "part_ids": Granted.part,
    "vector_store_ids": Granted.store,
    "assistant_id": Granted.assistant,
}
IDS = ("previous_response_id",)


@pytest.fixture(autouse=True)
def granted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "respx2_mock" in request.fixturenames:  # which answers instead of a server
        return
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
