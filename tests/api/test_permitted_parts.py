"""The parts of requests that make a model run ask which models the key may use, too.

Keys are limited to `mine`; every default model is `theirs`, which no request here may load.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openedai.config import ModelSpec
from tests.api.test_permissions import ask, error
from tests.security.keys import add_key
from tests.support import (
    TWO_CALLS,
    Answer,
    Running,
    ServerThread,
    echo_settings,
    fetch,
    wait_until,
)

MODELS = (
    *(ModelSpec(id=id, engine="echo") for id in ("mine", "theirs", "other")),
    ModelSpec(id="mine-calls", engine="echo", options={"reply": TWO_CALLS}),
    ModelSpec(id="calls", engine="echo", options={"reply": TWO_CALLS}),
)
KINDS = ("chat", "embedding", "rerank", "transcription", "speech", "image", "moderation")
REFUSED = (404, "model_not_found")
USER = {"role": "user", "content": "hi"}
SEARCH = {"type": "file_search"}
NO_RERANKER = {"ranking_options": {"ranker": "none"}}
INCLUDED = ["file_search_call.results"]
SOUND = {
    "type": "input_audio",
    "input_audio": {"data": "YQ==", "format": "wav"},
}
MODERATED: Any = {"moderation": {"model": "theirs"}}
GRADER = {
    "type": "score_model",
    "name": "judge",
    "model": "theirs",
    "input": [{"role": "user", "content": "hi"}],
}
CHAT = {"model": "mine", "messages": [USER]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    defaults = {f"{kind}_model": "theirs" for kind in KINDS}
    with ServerThread(echo_settings(data=folder, models=MODELS, **defaults)) as running:
        yield running


@pytest.fixture
def server(running: Running) -> Iterator[Running]:
    """After each test, `theirs` was not loaded."""
    yield running
    snapshot = running.app.state.services.pool.snapshot()
    assert "theirs" not in [model.id for model in snapshot.models]


@pytest.fixture(scope="module")
def limited(folder: Path) -> str:
    return add_key(folder, models=("mine", "mine-calls"))[1]


@pytest.fixture(scope="module")
def full(folder: Path) -> str:
    """A key of the same project."""
    return add_key(folder)[1]


def made(server: Running, key: str, path: str, body: Any) -> str:
    answer = ask(server, key, path, body)
    assert answer.status == 200, answer.body
    return str(json.loads(answer.body)["id"])


@pytest.fixture(scope="module")
def file(running: Running, full: str) -> str:
    headers = {"authorization": f"Bearer {full}"}
    data = {"purpose": "assistants", "file": io.BytesIO(b"Cats sleep.")}
    answer = fetch(f"{running.url}/v1/files", "POST", headers=headers, data=data)
    return str(json.loads(answer.body)["id"])


def store(server: Running, full: str, model: str, file: str) -> str:
    """A vector store with a file that this model embedded."""
    id = made(server, full, "/v1/vector_stores", {"embedding_model": model, "file_ids": [file]})
    until_embedded(server, full, id)
    return id


def until_embedded(server: Running, full: str, store: str) -> None:
    def done() -> bool:
        found = json.loads(ask(server, full, f"/v1/vector_stores/{store}").body)
        return bool(found["file_counts"]["completed"])

    wait_until(done)


@pytest.fixture(scope="module")
def stores(running: Running, full: str, file: str) -> dict[str, str]:
    return {model: store(running, full, model, file) for model in ("mine", "other")}


def listed(server: Running, full: str) -> list[str]:
    page = json.loads(ask(server, full, "/v1/vector_stores?limit=100").body)
    return [one["id"] for one in page["data"]]


@pytest.mark.parametrize("body", [{"file_id": "FILE"}, {"file_ids": ["FILE"]}])
def test_files_of_stores(
    server: Running, limited: str, full: str, stores: dict[str, str], file: str, body: Any
) -> None:
    sent = json.loads(json.dumps(body).replace("FILE", file))
    folder = "files" if "file_id" in body else "file_batches"
    refused = ask(server, limited, f"/v1/vector_stores/{stores['other']}/{folder}", sent)
    assert error(refused) == REFUSED
    assert b"`other` does not exist" in refused.body
    made(server, limited, f"/v1/vector_stores/{stores['mine']}/{folder}", sent)
    until_embedded(server, full, stores["mine"])  # again, which other tests search


@pytest.mark.parametrize("theirs", [False, True])
def test_attachments(
    server: Running, limited: str, full: str, stores: dict[str, str], file: str, theirs: bool
) -> None:
    """Of threads without a store, which would get one, and of those that have one of a model."""
    before = listed(server, full)
    message = {**USER, "attachments": [{"file_id": file, "tools": [SEARCH]}]}
    searched = {"file_search": {"vector_store_ids": [stores["other"]]}} if theirs else {}
    empty = {"tool_resources": searched}
    id = made(server, limited, "/v1/threads", empty)
    assistant = made(server, limited, "/v1/assistants", {"model": "mine"})
    run = {"assistant_id": assistant}
    thread = {**empty, "messages": [message]}
    for path, body, at in (
        ("/v1/threads", thread, "messages"),
        (f"/v1/threads/{id}/messages", message, "attachments"),
        (
            f"/v1/threads/{id}/runs",
            {**run, "additional_messages": [message]},
            "additional_messages",
        ),
        ("/v1/threads/runs", {**run, "thread": thread}, "thread.messages"),
    ):
        refused = ask(server, limited, path, body)
        assert (error(refused), param(refused)) == (REFUSED, at), path
    assert listed(server, full) == before
    assert json.loads(ask(server, limited, f"/v1/threads/{id}/messages").body)["data"] == []
    assert json.loads(ask(server, limited, f"/v1/threads/{id}/runs").body)["data"] == []
    mine = {"file_search": {"vector_store_ids": [stores["mine"]]}}
    made(server, limited, "/v1/threads", {"tool_resources": mine, "messages": [message]})


def test_stores_of_assistants_and_threads(
    server: Running, limited: str, full: str, file: str
) -> None:
    before = listed(server, full)
    resources = {"file_search": {"vector_stores": [{"file_ids": [file]}]}}
    fields = {"tools": [SEARCH], "tool_resources": resources}
    for path, body in (
        ("/v1/assistants", {"model": "mine", **fields}),
        ("/v1/threads", {"tool_resources": resources}),
    ):
        refused = ask(server, limited, path, body)
        assert (error(refused), param(refused)) == (REFUSED, "tool_resources"), path
    assistant = made(server, limited, "/v1/assistants", {"model": "mine"})
    run = {"assistant_id": assistant, "thread": {"tool_resources": resources}}
    refused = ask(server, limited, "/v1/threads/runs", run)
    assert (error(refused), param(refused)) == (REFUSED, "thread.tool_resources")
    assert listed(server, full) == before


def test_runs_of_other_keys(server: Running, limited: str, full: str) -> None:
    """A key answers the calls of runs whose model it may use."""
    tools = [
        {"type": "function", "function": {"name": name}} for name in ("get_weather", "get_time")
    ]
    for model, status in (("calls", 404), ("mine-calls", 200)):
        assistant = made(server, full, "/v1/assistants", {"model": model, "tools": tools})
        thread = made(server, full, "/v1/threads", {"messages": [USER]})
        runs = f"/v1/threads/{thread}/runs"
        run = f"{runs}/{made(server, full, runs, {'assistant_id': assistant})}"

        def found(run: str = run) -> Any:
            return json.loads(ask(server, full, run).body)

        wait_until(lambda found=found: found()["status"] == "requires_action")  # type: ignore[misc]
        calls = found()["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = {"tool_outputs": [{"tool_call_id": one["id"], "output": "a"} for one in calls]}
        answer = ask(server, limited, f"{run}/submit_tool_outputs", outputs)
        assert answer.status == status
        if status == 404:
            assert error(answer) == REFUSED
            assert found()["status"] == "requires_action"


def test_searches(server: Running, limited: str, stores: dict[str, str]) -> None:
    mine = f"/v1/vector_stores/{stores['mine']}/search"
    other = f"/v1/vector_stores/{stores['other']}/search"
    plain = {"query": "cats", **NO_RERANKER}
    assert ask(server, limited, mine, plain).status == 200
    assert error(ask(server, limited, other, plain)) == REFUSED
    assert error(ask(server, limited, mine, {**plain, "rewrite_query": True})) == REFUSED
    for options in ({}, {"ranking_options": {"ranker": "auto"}}):  # without the reranker
        assert ask(server, limited, mine, {"query": "cats", **options}).status == 200
    named = {"ranking_options": {"ranker": "default-2024-11-15"}}
    refused = ask(server, limited, mine, {"query": "cats", **named})
    assert error(refused) == REFUSED
    assert param(refused) == "ranking_options.ranker"


def param(answer: Answer) -> str | None:
    found = json.loads(answer.body)["error"]["param"]
    assert found is None or isinstance(found, str)
    return found


def call(name: str, **arguments: Any) -> str:
    called = json.dumps({"name": name, "arguments": arguments})
    return f"<tool_call>{called}</tool_call>"


@pytest.mark.parametrize("model", [None, "theirs"])
def test_images_that_responses_make(server: Running, limited: str, model: str | None) -> None:
    tool = {"type": "image_generation", "model": model}
    text = call("image_generation", prompt="a cat")
    answer = ask(
        server, limited, "/v1/responses", {"model": "mine", "input": text, "tools": [tool]}
    )
    made = json.loads(answer.body)["output"][0]
    assert (made["type"], made["status"], made["result"]) == (
        *("image_generation_call", "failed"),
        None,
    )
    assert made["error"]["message"].startswith("The model `theirs` does not exist")


def test_searches_of_responses(server: Running, limited: str, stores: dict[str, str]) -> None:
    text = call("file_search", queries=["cats"])
    found = {}
    for model in ("mine", "other"):
        tool = {**SEARCH, "vector_store_ids": [stores[model]]}
        body = {"model": "mine", "input": text, "tools": [tool], "include": INCLUDED}
        response = json.loads(ask(server, limited, "/v1/responses", body).body)
        found[model] = response["output"][0]
    assert found["mine"]["status"] == "completed"
    assert [one["text"] for one in found["mine"]["results"]] == ["Cats sleep."]
    assert found["other"]["status"] == "failed"
    assert not found["other"]["results"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {**CHAT, **MODERATED}),
        ("/v1/chat/completions", {**CHAT, **MODERATED, "stream": True}),
        ("/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": [SOUND]}]}),
        (
            "/v1/chat/completions",
            {**CHAT, "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
        ),
        ("/v1/responses", {"model": "mine", "input": "hi", **MODERATED}),
        ("/v1/fine_tuning/alpha/graders/run", {"grader": GRADER, "model_sample": "a"}),
        ("/v1/fine_tuning/alpha/graders/validate", {"grader": GRADER}),
    ],
)
def test_parts_of_requests(server: Running, limited: str, path: str, body: Any) -> None:
    assert error(ask(server, limited, path, body)) == REFUSED
