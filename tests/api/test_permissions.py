"""What a key of the store may do: its models and its groups of URLs, in every API."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from openedai.api.endpoint_groups import GROUPS, endpoint_group
from openedai.app import create_app
from openedai.security.permissions import ANYONE, ORGANIZATION
from tests.security.keys import add_key, revoke_key
from tests.support import Answer, Running, ServerThread, echo_settings, fetch

USER = [{"role": "user", "content": "hi"}]
QUESTION = {"type": "predicate", "instructions": "hi"}
# Requests in every API, for a model that is put into them.
REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": USER},
    "/v1/completions": {"prompt": "a"},
    "/v1/engines/MODEL/completions": {"prompt": "a"},
    "/openai/deployments/MODEL/chat/completions": {"messages": USER},
    "/openai/v1/chat/completions": {"messages": USER},
    "/v1/responses": {"input": "hi"},
    "/v1/embeddings": {"input": "a"},
    "/v1/messages": {"messages": USER, "max_tokens": 5},
    "/v1/messages/count_tokens": {"messages": USER},
    "/api/chat": {"messages": USER},
    "/api/generate": {"prompt": "a"},
    "/api/embed": {"input": "a"},
    "/api/show": {},
    "/v1/tokenize": {"prompt": "a"},
    "/v1/rerank": {"query": "a", "documents": ["b"]},
    "/v1/decisions": {"input": "a", "questions": [QUESTION]},
    "/v1/moderations": {"input": "a"},
    "/v1/internal/encode": {"text": "a"},
    "/v1/audio/speech": {"input": "a", "voice": "alloy"},
    "/v1/images/generations": {"prompt": "a"},
    "/v1/assistants": {},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    with ServerThread(echo_settings(data=folder, listed_aliases=("parrot",))) as running:
        yield running


@pytest.fixture(scope="module")
def parrots(folder: Path) -> str:
    """A key for one model, by an alias of it."""
    return add_key(folder, models=("parrot",))[1]


def ask(server: Running, key: str, path: str, body: Any = None, method: str = "") -> Answer:
    headers = {"authorization": f"Bearer {key}", "openai-beta": "assistants=v2"}
    options = {} if body is None else {"json": body}
    how = method or ("GET" if body is None else "POST")
    return fetch(f"{server.url}{path}", how, headers=headers, **options)


def error(answer: Answer) -> tuple[int, str | None]:
    found = json.loads(answer.body)["error"]
    return answer.status, found.get("code") if isinstance(found, dict) else None


@pytest.mark.parametrize("path", REQUESTS)
def test_models(server: Running, parrots: str, path: str) -> None:

    def with_model(name: str) -> Answer:
        body = {**REQUESTS[path], "model": name}
        if "MODEL" in path:
            del body["model"]
        return ask(server, parrots, path.replace("MODEL", name), body)

    assert with_model("echo").status == 200
    assert with_model("parrot").status == 200
    refused, unknown = with_model("reveal"), with_model("no-such-model")
    assert refused.status == 404
    told = refused.body.replace(b"reveal", b"no-such-model")
    assert _without_id(told) == _without_id(unknown.body)


def _without_id(body: bytes) -> bytes:
    return re.sub(rb"req_\w+", b"", body)


def test_models_that_a_key_may_use_are_listed(server: Running, folder: Path) -> None:
    _, limited = add_key(folder, models=("parrot", "owner/echo:latest"))
    _, other = add_key(folder, models=("reveal",))
    listed = json.loads(ask(server, limited, "/v1/models").body)["data"]
    assert [one["id"] for one in listed] == ["echo", "owner/echo:latest", "parrot"]
    for path in ("/v1/engines", "/api/tags", "/v1/internal/model/list", "/api/ps"):
        assert b"owner/echo" not in ask(server, other, path).body
        assert b"vision" not in ask(server, limited, path).body
    for path in ("/v1/models/", "/v1/engines/"):
        assert ask(server, limited, f"{path}echo").status == 200
        assert error(ask(server, limited, f"{path}reveal")) == (404, "model_not_found")
    assert ask(server, limited, "/v1/models/reveal", method="DELETE").status == 404
    headers = {"authorization": f"Bearer {limited}", "anthropic-version": "2023-06-01"}
    assert fetch(f"{server.url}/v1/models/reveal", headers=headers).status == 404
    assert fetch(f"{server.url}/v1/models/parrot", headers=headers).status == 200


def test_models_of_what_is_done_later(server: Running, folder: Path) -> None:
    _, limited = add_key(folder, models=("reveal",))
    body = {"model": "echo", "input": "hi", "background": True}
    assert error(ask(server, limited, "/v1/responses", body)) == (404, "model_not_found")
    assert ask(server, limited, "/v1/vector_stores", {}).status == 404  # the default is `echo`
    body = {"embedding_model": "reveal"}
    assert ask(server, limited, "/v1/vector_stores", body).status == 200
    made = json.loads(ask(server, limited, "/v1/assistants", {"model": "reveal"}).body)["id"]
    run = {"assistant_id": made, "model": "echo"}
    assert error(ask(server, limited, "/v1/threads/runs", run)) == (404, "model_not_found")
    assert ask(server, limited, f"/v1/assistants/{made}", {"model": "echo"}).status == 404
    job = {"model": "echo", "training_file": "file-1"}
    assert ask(server, limited, "/v1/fine_tuning/jobs", job).status in (404, 501, 400)


def test_lines_of_batches_have_the_rights_of_the_key(server: Running, folder: Path) -> None:
    key, secret = add_key(folder, models=("reveal",), endpoints=("files", "batches", "chat"))
    lines = [
        {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}
        for name, body in (("a", {"model": "reveal", "messages": USER}),)
    ]
    batch = _batch(server, secret, lines, "/v1/chat/completions")
    revoke_key(folder, key.id)  # what it has begun goes on
    _, same = add_key(folder, project=key.project)
    assert _ended(server, same, batch)["request_counts"]["completed"] == 1
    _, secret = add_key(folder, models=("reveal",), endpoints=("files", "batches", "chat"))
    lines[0]["body"] = {"model": "echo", "messages": USER}
    batch = _batch(server, secret, lines, "/v1/chat/completions")
    assert _ended(server, secret, batch)["request_counts"]["failed"] == 1
    body = {"completion_window": "24h", "input_file_id": "file-1", "endpoint": "/v1/embeddings"}
    assert error(ask(server, secret, "/v1/batches", body)) == (403, "insufficient_permissions")


def _batch(server: Running, key: str, lines: list[Any], endpoint: str) -> str:
    content = io.BytesIO("\n".join(map(json.dumps, lines)).encode())
    headers = {"authorization": f"Bearer {key}"}
    data = {"purpose": "batch", "file": content}
    made = fetch(f"{server.url}/v1/files", "POST", headers=headers, data=data)
    assert made.status == 200, made.body
    body = {"completion_window": "24h", "input_file_id": json.loads(made.body)["id"]}
    started = ask(server, key, "/v1/batches", {**body, "endpoint": endpoint})
    assert started.status == 200, started.body
    return str(json.loads(started.body)["id"])


def _ended(server: Running, key: str, id: str) -> Any:
    deadline = time.monotonic() + 30
    while True:
        batch = json.loads(ask(server, key, f"/v1/batches/{id}").body)
        if batch["status"] in ("completed", "failed"):
            return batch
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_groups_of_urls(server: Running, folder: Path) -> None:
    _, chats = add_key(folder, endpoints=("chat", "models"))
    _, all_of_it = add_key(folder)
    _, watching = add_key(folder, endpoints=("server",))
    _, admin = add_key(folder, admin=True)
    chat = {"model": "echo", "messages": USER}
    for key, path, body, status in (
        (chats, "/v1/chat/completions", chat, 200),
        (chats, "/openai/deployments/echo/chat/completions", chat, 200),
        (chats, "/api/chat", chat, 200),
        (chats, "/v1/models", None, 200),
        (chats, "/", None, 200),
        (chats, "/v1/embeddings", {"model": "echo", "input": "a"}, 403),
        (chats, "/v1/engines/echo/completions", {"prompt": "a"}, 403),
        (chats, "/openai/deployments/echo/embeddings", {"input": "a"}, 403),
        (chats, "/v1/files", None, 403),
        (chats, "/metrics", None, 403),
        (all_of_it, "/v1/files", None, 200),
        (all_of_it, "/metrics", None, 403),
        (all_of_it, "/v1/internal/model/load", {"model_name": "echo"}, 403),
        (all_of_it, "/api/generate", {"model": "echo", "keep_alive": 0}, 403),
        (all_of_it, "/api/embed", {"model": "echo", "input": "a", "keep_alive": 0}, 403),
        (watching, "/metrics", None, 200),
        (watching, "/v1/models", None, 403),
        (admin, "/metrics", None, 200),
        (admin, "/v1/internal/model/load", {"model_name": "echo"}, 200),
        (admin, "/v1/chat/completions", chat, 200),
    ):
        answer = ask(server, key, path, body)
        assert answer.status == status, (path, answer.body)
        if status == 403 and not path.startswith("/api"):
            assert error(answer) == (403, "insufficient_permissions")
            group = endpoint_group(path.replace("echo", "{model:path}"))
            assert f"Missing scopes: {group}." in answer.body.decode()


def test_a_socket_asks_again(server: Running, folder: Path) -> None:
    url = f"ws://127.0.0.1:{server.port}/v1/responses"
    key, secret = add_key(folder)
    _, other = add_key(folder, endpoints=("chat",))
    create = json.dumps({"type": "response.create", "model": "echo", "input": "hi"})

    def opened(key: str) -> Any:
        return connect(url, additional_headers={"authorization": f"Bearer {key}"}, close_timeout=1)

    with pytest.raises(InvalidStatus) as refused:
        opened(other)
    assert refused.value.response.status_code == 403
    with opened(secret) as socket:
        socket.send(create)
        while json.loads(socket.recv(timeout=20))["type"] != "response.completed":
            pass
        revoke_key(folder, key.id)
        socket.send(create)
        event = json.loads(socket.recv(timeout=20))
        assert (event["type"], event["error"]["code"]) == ("error", "invalid_api_key")


def test_every_url_is_in_a_group() -> None:
    routes = create_app(echo_settings()).state.routes
    groups = {endpoint_group(route.path) for route in routes}
    assert groups - {ANYONE, ORGANIZATION} == set(GROUPS)
    assert endpoint_group("/v1/engines/{model:path}/embeddings") == "embeddings"
    assert endpoint_group("/openai/deployments/{model:path}/images/edits") == "images"
    assert endpoint_group("/openai/v1/vector_stores/{id}/search") == "vector_stores"
    assert endpoint_group("/openai/threads/{id}") == "assistants"
    assert endpoint_group("/v1/videos/{id}") == "videos"
