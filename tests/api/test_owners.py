"""What one key has made does not exist for another one, whatever the URL and the parameter."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from openedai.app import create_app
from openedai.security.callers import digest_name
from openedai.store.containers import ContainerFields, Containers, new_container
from openedai.store.fine_tuning import JOB, FineTuningRecords, JobRecord, TunedModel
from openedai.store.ids import ordered_id
from openedai.store.keys.secret import digest_of
from openedai.store.quotas import FileLimits, Quotas
from openedai.store.store import Store
from tests.security.keys import add_key
from tests.support import Answer, Running, ServerThread, echo_settings, fetch

MINE, OTHER = "mine-0123456789", "other-0123456789"
CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}

QUESTION = {"type": "predicate", "instructions": "hi"}


@dataclass(frozen=True)
class Key:
    """The server as someone with this key sees it."""

    server: Running
    key: str

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        if body is not None:
            options["json"] = body
        headers = {"authorization": f"Bearer {self.key}", "openai-beta": "assistants=v2"}
        return fetch(f"{self.server.url}{path}", method, headers=headers, **options)

    def made(self, path: str, body: Any = None, **options: Any) -> str:
        """The id of what a request makes."""
        answer = self.ask("POST", path, body, **options)
        assert answer.status == 200, answer.body
        return str(json.loads(answer.body)["id"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("data")
    with ServerThread(echo_settings(data=data, api_keys=(MINE, OTHER))) as running:
        yield running


@pytest.fixture
def mine(server: Running) -> Key:
    return Key(server, MINE)


@pytest.fixture
def other(server: Running) -> Key:
    return Key(server, OTHER)


def file(key: Key, purpose: str = "batch", text: str = "") -> str:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": CHAT}
    content = (text or json.dumps(line)).encode()
    return key.made("/v1/files", data={"purpose": purpose, "file": io.BytesIO(content)})


def upload(key: Key) -> str:
    body = {"purpose": "batch", "filename": "a", "bytes": 1, "mime_type": "text/plain"}
    return key.made("/v1/uploads", body)


def batch(key: Key) -> str:
    body = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return key.made("/v1/batches", {**body, "input_file_id": file(key)})


def chat(key: Key) -> str:
    return key.made("/v1/chat/completions", {**CHAT, "store": True})


def response(key: Key) -> str:
    return key.made("/v1/responses", {"model": "echo", "input": "hi", "background": True})


def conversation(key: Key) -> str:
    item = {"id": "msg_1", "role": "user", "content": "a"}
    return key.made("/v1/conversations", {"items": [item]})


def vector_store(key: Key) -> str:
    return key.made("/v1/vector_stores", {"file_ids": [file(key, "assistants")]})


def assistant(key: Key) -> str:
    return key.made("/v1/assistants", {"model": "echo"})


def thread(key: Key) -> str:
    return key.made("/v1/threads", {"messages": [{"role": "user", "content": "a"}]})


def container(key: Key) -> str:
    return in_store(key, add_container)


def tuning(key: Key) -> str:
    return in_store(key, add_job)


def tuned_model(key: Key) -> str:
    return in_store(key, add_model)


def in_store(key: Key, add: Callable[[Store, str], Any]) -> str:
    """What is made beside the server, as training needs an extra."""
    services = key.server.app.state.services

    async def scenario() -> str:
        store = Store(services.settings.data)
        try:
            return str(await add(store, digest_name(digest_of(key.key))))
        finally:
            await store.close()

    return asyncio.run(scenario())


async def add_job(store: Store, owner: str) -> str:
    job = JobRecord(
        id=ordered_id(JOB),
        created_at=time.time(),
        model="echo",
        training_file="file-1",
        owner=owner,
        status="succeeded",
    )
    async with (await store.database()).write() as query:
        await FineTuningRecords(store).insert(query, job)
    return job.id


async def add_container(store: Store, owner: str) -> str:
    """A container with a file: whether code can be confined does not matter."""
    containers = Containers(store, Quotas(FileLimits()))
    made = new_container(owner, "a", ContainerFields())
    await containers.create(made)
    async with store.contents.writing() as writing:
        await writing.add(b"a")
        await containers.put(made, "/mnt/data/a", "user", writing)
    return made.id


async def add_model(store: Store, owner: str) -> str:
    name = ordered_id("ft:echo:me::")
    model = TunedModel(name, "echo", "ftjob-1", "", time.time(), owner)
    async with (await store.database()).write() as query:
        await FineTuningRecords(store).add_model(query, model)
    return name


# Stands for a file of the store in the URL.
FILE = "file-of-the-store"
# Stands for an assistant of the key.
ASSISTANT = "assistant-of-the-key"
# What the ids of these URLs are of.
KINDS: dict[str, Callable[[Key], str]] = {
    "/v1/files/": file,
    "/v1/uploads/": upload,
    "/v1/batches/": batch,
    "/v1/fine_tuning/jobs/": tuning,
    "/v1/fine-tunes/": tuning,
    "/v1/chat/completions/": chat,
    "/v1/responses/": response,
    "/v1/conversations/": conversation,
    "/v1/vector_stores/": vector_store,
    "/v1/containers/": container,
    "/v1/assistants/": assistant,
    "/v1/threads/": thread,
}
BODIES: dict[str, Any] = {
    "/v1/uploads/{id}/complete": {"part_ids": []},
    "/v1/chat/completions/{id}": {"metadata": {"a": "b"}},
    "/v1/conversations/{id}": {"metadata": {"a": "b"}},
    "/v1/conversations/{id}/items": {"items": [{"role": "user", "content": "b"}]},
    "/v1/assistants/{id}": {"name": "a"},
    "/v1/threads/{id}": {"metadata": {"a": "b"}},
    "/v1/threads/{id}/messages": {"role": "user", "content": "b"},
    "/v1/threads/{id}/messages/{message_id}": {"metadata": {"a": "b"}},
    "/v1/threads/{id}/runs": {"assistant_id": ASSISTANT},
    "/v1/threads/{id}/runs/{run_id}": {"metadata": {"a": "b"}},
    "/v1/threads/{id}/runs/{run_id}/submit_tool_outputs": {"tool_outputs": []},
    "/v1/containers/{id}/files": {"file_id": FILE},
    "/v1/vector_stores/{id}": {"name": "a"},
    "/v1/vector_stores/{id}/search": {"query": "a"},
    "/v1/vector_stores/{id}/files": {"file_id": FILE},
    "/v1/vector_stores/{id}/files/{file_id}": {"attributes": {"a": "b"}},
    "/v1/vector_stores/{id}/file_batches": {"file_ids": [FILE]},
}


def stored_routes() -> list[tuple[str, str]]:
    """Every URL with an id, but for Azure's, which have the same endpoints."""
    routes = create_app(echo_settings()).state.routes
    paths = ((route.method, route.path) for route in routes if route.path.startswith("/v1/"))
    return [(method, path) for method, path in paths if "{id}" in path and "{model" not in path]


def options_of(method: str, path: str, parts: dict[str, str]) -> dict[str, Any]:
    if path.endswith("/parts"):
        return {"data": {"data": io.BytesIO(b"x")}}
    if method in ("GET", "DELETE"):
        return {}
    body = json.dumps(BODIES.get(path, {}))
    for name, part in ((FILE, "{file_id}"), (ASSISTANT, "{assistant_id}")):
        body = body.replace(name, parts.get(part, ""))
    return {"body": json.loads(body)}


def parts_of(key: Key, path: str, id: str) -> dict[str, str]:
    """Ids of what is in the thing that the URL is of."""
    found = {"{item_id}": "msg_1", "{file_id}": ""}
    if path.startswith("/v1/vector_stores/"):
        url = f"/v1/vector_stores/{id}"
        found["{file_id}"] = json.loads(key.ask("GET", f"{url}/files").body)["data"][0]["id"]
        if "{batch_id}" in path:
            body = {"file_ids": [found["{file_id}"]]}
            found["{batch_id}"] = key.made(f"{url}/file_batches", body)
    if path.startswith("/v1/containers/"):
        listed = json.loads(key.ask("GET", f"/v1/containers/{id}/files").body)
        found["{file_id}"] = file(key) if path.endswith("/files") else listed["data"][0]["id"]
    if path.startswith("/v1/threads/"):
        url = f"/v1/threads/{id}"
        found["{assistant_id}"] = assistant(key)
        listed = key.ask("GET", f"{url}/messages").body
        found["{message_id}"] = json.loads(listed)["data"][0]["id"]
        if "{run_id}" in path:
            found |= run_of(key, url, found["{assistant_id}"])
    return found


def run_of(key: Key, url: str, assistant_id: str) -> dict[str, str]:
    """Ids of a run that waits for the output of a tool, and of its step."""
    body = {
        "assistant_id": assistant_id,
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "required",
    }
    run = key.made(f"{url}/runs", body)
    deadline = time.monotonic() + 30
    while json.loads(key.ask("GET", f"{url}/runs/{run}").body)["status"] != "requires_action":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    steps = json.loads(key.ask("GET", f"{url}/runs/{run}/steps").body)
    return {"{run_id}": run, "{step_id}": steps["data"][0]["id"]}


@pytest.mark.parametrize(("method", "path"), stored_routes())
def test_urls_with_ids(mine: Key, other: Key, method: str, path: str) -> None:
    (make,) = [make for start, make in KINDS.items() if path.startswith(start)]
    id = make(mine)
    parts = parts_of(mine, path, id)
    options = options_of(method, path, parts)
    for name, part in parts.items():
        path = path.replace(name, part)
    url = path.replace("{id}", id)
    refused = other.ask(method, url, **options)
    assert refused.status == 404, refused.body
    unknown = other.ask(method, path.replace("{id}", "nothing"), **options)
    assert _without_ids(refused) == _without_ids(unknown)
    assert mine.ask(method, url, **options).status != 404


def _without_ids(answer: Answer) -> tuple[int, Any, Any]:
    error = json.loads(answer.body)["error"]
    return answer.status, error["code"], error["param"]


@pytest.mark.parametrize(
    ("path", "make"),
    [
        ("/v1/files", file),
        ("/v1/batches", batch),
        ("/v1/fine_tuning/jobs", tuning),
        ("/v1/fine-tunes", tuning),
        ("/v1/chat/completions", chat),
        ("/v1/vector_stores", vector_store),
        ("/v1/assistants", assistant),
        ("/v1/models", tuned_model),
        ("/v1/engines", tuned_model),
        ("/v1/internal/model/list", tuned_model),
        ("/api/tags", tuned_model),
    ],
)
def test_lists(mine: Key, other: Key, path: str, make: Callable[[Key], str]) -> None:
    id = make(mine).encode()
    assert id in mine.ask("GET", path).body
    assert id not in other.ask("GET", path).body


@pytest.mark.parametrize("dialect", [{}, {"anthropic-version": "2023-06-01"}])
def test_fine_tuned_models(server: Running, mine: Key, other: Key, dialect: dict[str, str]) -> None:
    name = tuned_model(mine)
    path = f"/v1/models/{name}"
    headers = {"authorization": f"Bearer {OTHER}", **dialect}
    assert fetch(f"{server.url}{path}", headers=headers).status == 404
    assert other.ask("DELETE", path).status == 404
    for url, body in (
        ("/v1/chat/completions", CHAT),
        ("/v1/completions", {"prompt": "a"}),
        ("/v1/messages", {**CHAT, "max_tokens": 5}),
        ("/api/chat", CHAT),
        ("/api/generate", {"prompt": "a"}),
        ("/v1/tokenize", {"prompt": "a"}),
        ("/v1/decisions", {"input": "a", "questions": [QUESTION]}),
    ):
        answer = other.ask("POST", url, {**body, "model": name})
        unknown = other.ask("POST", url, {**body, "model": f"{name}0"})
        assert answer.status == unknown.status == 404, (url, answer.body)
        assert name in json.dumps(json.loads(answer.body))
        assert b"does not exist" in answer.body
    assert mine.ask("GET", path).status == 200
    assert mine.ask("DELETE", path).status == 200


def test_what_assistants_runs_and_responses_refer_to(mine: Key, other: Key) -> None:
    searched = {"file_search": {"vector_store_ids": [vector_store(mine)]}}
    for path in ("/v1/assistants", "/v1/threads"):
        body: dict[str, Any] = {"tool_resources": searched}
        body |= {"model": "echo"} if path == "/v1/assistants" else {}
        for url in (path, f"{path}/{(assistant if body.get('model') else thread)(other)}"):
            assert other.ask("POST", url, body).status == 404
        assert mine.ask("POST", path, body).status == 200
    for url in (f"/v1/threads/{thread(other)}/runs", "/v1/threads/runs"):
        assert other.ask("POST", url, {"assistant_id": assistant(mine)}).status == 404
    tool = {"type": "file_search", "vector_store_ids": [vector_store(mine)]}
    for options in ({}, {"stream": True}, {"background": True}):
        body = {"model": "echo", "input": "a", "tools": [tool], **options}
        assert other.ask("POST", "/v1/responses", body).status == 404
        assert mine.ask("POST", "/v1/responses", body).status == 200
    attachment = {"file_id": file(mine), "tools": [{"type": "file_search"}]}
    message = {"role": "user", "content": "a", "attachments": [attachment]}
    for url in ("/v1/threads", f"/v1/threads/{thread(other)}/messages"):
        given = {"messages": [message]} if url == "/v1/threads" else message
        assert other.ask("POST", url, given).status == 404
    image = {"type": "image_file", "image_file": {"file_id": file(mine, "vision")}}
    body = {"assistant_id": assistant(other), "stream": True}
    body |= {"thread": {"messages": [{"role": "user", "content": [image]}]}}
    answer = other.ask("POST", "/v1/threads/runs", body)
    assert b"event: thread.run.failed" in answer.body
    assert b"No such File" in answer.body


@pytest.mark.usefixtures("confined")
def test_what_code_of_a_thread_has_made(mine: Key, other: Key) -> None:
    """Its container, the files there, and the files that the owner gets."""
    call = {"name": "code_interpreter", "arguments": {"code": "open('a.txt', 'w').write('a')"}}
    message = {"role": "user", "content": f"<tool_call>{json.dumps(call)}</tool_call>"}
    before = set(listed(mine, "/v1/containers"))
    body = {
        "assistant_id": assistant(mine),
        "tools": [{"type": "code_interpreter"}],
        "thread": {"messages": [message]},
        "stream": True,
    }
    answer = mine.ask("POST", "/v1/threads/runs", body)
    assert b"event: thread.run.completed" in answer.body, answer.body
    (output,) = [
        one["id"]
        for one in json.loads(mine.ask("GET", "/v1/files").body)["data"]
        if one["purpose"] == "assistants_output"
    ]
    (room,) = set(listed(mine, "/v1/containers")) - before
    (inside,) = listed(mine, f"/v1/containers/{room}/files")
    assert room not in listed(other, "/v1/containers")
    assert output not in listed(other, "/v1/files")
    for path in (
        f"/v1/files/{output}",
        f"/v1/files/{output}/content",
        f"/v1/containers/{room}",
        f"/v1/containers/{room}/files",
        f"/v1/containers/{room}/files/{inside}",
        f"/v1/containers/{room}/files/{inside}/content",
    ):
        assert other.ask("GET", path).status == 404
        assert mine.ask("GET", path).status == 200
    tool = {"type": "code_interpreter", "container": room}
    asked = {"model": "echo", "input": "a", "tools": [tool]}
    assert other.ask("POST", "/v1/responses", asked).status == 404
    used = {"tool_resources": {"code_interpreter": {"file_ids": [output]}}}
    attachment = {"file_id": output, "tools": [{"type": "code_interpreter"}]}
    attached = {"messages": [{**message, "attachments": [attachment]}]}
    copied = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": [output]}}
    for path, given in (
        ("/v1/threads", used),
        ("/v1/threads", attached),
        ("/v1/assistants", {"model": "echo", **used}),
        ("/v1/containers", {"name": "a", "file_ids": [output]}),
        ("/v1/responses", {"model": "echo", "input": "a", "tools": [copied]}),
    ):
        assert other.ask("POST", path, given).status == 404
        assert mine.ask("POST", path, given).status == 200
    for path in (f"/v1/files/{output}", f"/v1/containers/{room}"):
        assert other.ask("DELETE", path).status == 404
        assert mine.ask("DELETE", path).status == 200


def listed(key: Key, path: str) -> list[str]:
    """The ids of a list."""
    return [one["id"] for one in json.loads(key.ask("GET", path).body)["data"]]


def test_keys_of_a_project_share_what_it_stores(server: Running, other: Key) -> None:
    folder = server.app.state.services.settings.data
    first, second = (Key(server, add_key(folder, project="proj_a")[1]) for _ in range(2))
    elsewhere = Key(server, add_key(folder, project="proj_b")[1])
    for path, make in (
        ("/v1/files", file),
        ("/v1/batches", batch),
        ("/v1/responses", response),
        ("/v1/conversations", conversation),
        ("/v1/vector_stores", vector_store),
        ("/v1/assistants", assistant),
        ("/v1/threads", thread),
    ):
        url = f"{path}/{make(first)}"
        assert second.ask("GET", url).status == 200
        for foreign in (elsewhere, other):
            assert foreign.ask("GET", url).status == 404


def test_what_responses_refer_to(mine: Key, other: Key) -> None:
    first = mine.made("/v1/responses", {"model": "echo", "input": "hi"})
    kept = json.loads(mine.ask("GET", f"/v1/responses/{first}/input_items").body)
    for refers in (
        {"previous_response_id": first},
        {"conversation": conversation(mine)},
        {"input": [{"type": "item_reference", "id": kept["data"][0]["id"]}]},
    ):
        body = {"model": "echo", "input": "hi", **refers}
        for path in ("/v1/responses", "/v1/responses/input_tokens"):
            assert other.ask("POST", path, body).status == 404
            assert mine.ask("POST", path, body).status == 200


def test_permissions_of_checkpoints(mine: Key, other: Key) -> None:
    path = f"/v1/fine_tuning/checkpoints/{tuned_model(mine)}/permissions"
    assert mine.ask("GET", path).status == 200
    for method, url in (("GET", path), ("POST", path), ("DELETE", f"{path}/cp_1")):
        body = {"project_ids": ["p"]} if method == "POST" else None
        assert other.ask(method, url, body).status == 404


def test_ids_of_files_in_bodies(mine: Key, other: Key) -> None:
    id = file(mine)
    part = {"type": "file", "file": {"file_id": id}}
    asked = other.ask(
        "POST",
        "/v1/chat/completions",
        {**CHAT, "messages": [{"role": "user", "content": [part]}]},
    )
    assert asked.status == 404
    batch = {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": id}
    assert other.ask("POST", "/v1/batches", batch).status == 400
    for body in ({"file_ids": [id]}, {"file_ids": [file(other), id]}):
        assert other.ask("POST", "/v1/vector_stores", body).status == 404
    path = f"/v1/vector_stores/{vector_store(other)}"
    assert other.ask("POST", f"{path}/files", {"file_id": id}).status == 404
    assert other.ask("POST", f"{path}/file_batches", {"file_ids": [id]}).status == 404
    edit = {"model": "echo", "prompt": "a", "images": [{"file_id": file(mine, "vision")}]}
    refused = other.ask("POST", "/v1/images/edits", edit)
    assert (refused.status, b"No such File" in refused.body) == (404, True)
    job = {"model": "echo", "training_file": file(mine, "fine-tune"), "seed": 1}
    assert other.ask("POST", "/v1/fine_tuning/jobs", job).status in (400, 404)


def test_the_lines_of_a_batch_are_their_owners(mine: Key, other: Key) -> None:
    """A line stores a chat for the key that made the batch."""
    body = {**CHAT, "store": True, "metadata": {"from": "a line"}}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    made = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    text = json.dumps(line)
    id = mine.made("/v1/batches", {**made, "input_file_id": file(mine, text=text)})
    deadline = time.monotonic() + 30
    while json.loads(mine.ask("GET", f"/v1/batches/{id}").body)["status"] != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    query = "/v1/chat/completions?metadata[from]=a line"
    assert len(json.loads(mine.ask("GET", query).body)["data"]) == 1
    assert json.loads(other.ask("GET", query).body)["data"] == []


def test_without_keys_everything_is_the_local_users(tmp_path_factory: Any) -> None:
    with ServerThread(echo_settings(data=tmp_path_factory.mktemp("data"))) as server:
        id = chat(Key(server, "one"))
        assert Key(server, "two").ask("GET", f"/v1/chat/completions/{id}").status == 200
