"""`/v1/containers` by the official client: every method, and what must not be possible."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from openedai.sandbox.confinement import Confined
from openedai.store.containers import Containers
from openedai.store.quotas import FileLimits, Quotas
from openedai.store.store import Store
from tests.support import Running, ServerThread, echo_settings, fetch, wait_until


@pytest.fixture(scope="module")
def small(confined: Confined, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose containers have a MiB, and one process."""
    settings = echo_settings(
        data=tmp_path_factory.mktemp("data"), code_disk=1 << 20, code_containers=1
    )
    with ServerThread(settings) as running:
        yield running


def run(client: OpenAI, container: str, code: str) -> str:
    """What the code wrote."""
    call = {"name": "code_interpreter", "arguments": {"code": code}}
    response = client.responses.create(
        model="echo",
        input=f"<tool_call>{json.dumps(call)}</tool_call>",
        tools=[{"type": "code_interpreter", "container": container}],
        include=["code_interpreter_call.outputs"],
    )
    outputs = response.output[0].to_dict()["outputs"]
    return "".join(one["logs"] for one in outputs)  # type: ignore[attr-defined]


def test_containers(code_client: OpenAI) -> None:
    made = code_client.containers.create(
        name="first",
        expires_after={"anchor": "last_active_at", "minutes": 5},
        memory_limit="1g",
        network_policy={"type": "disabled"},
    )
    assert made.id.startswith("cntr_")
    assert made.to_dict() == {
        "id": made.id,
        "object": "container",
        "created_at": made.created_at,
        "status": "running",
        "expires_after": {"anchor": "last_active_at", "minutes": 5},
        "last_active_at": made.created_at,
        "memory_limit": "1g",
        "name": "first",
        "network_policy": {"type": "disabled"},
    }
    assert code_client.containers.retrieve(made.id).to_dict() == made.to_dict()
    second = code_client.containers.create(name="second")
    assert second.expires_after is not None
    assert second.expires_after.minutes == 20
    newest = list(code_client.containers.list(limit=2))
    assert [one.id for one in newest][:2] == [second.id, made.id]
    (named,) = code_client.containers.list(name="first", order="asc")
    assert named.id == made.id
    for one in (made, second):
        code_client.containers.delete(one.id)
        with pytest.raises(openai.NotFoundError):
            code_client.containers.retrieve(one.id)


def test_files(code_client: OpenAI) -> None:
    kept = code_client.files.create(file=("kept.txt", b"kept"), purpose="user_data")
    container = code_client.containers.create(name="files", file_ids=[kept.id])
    files = code_client.containers.files
    sent = files.create(container.id, file=("../../etc/sent.bin", bytes(range(256))))
    assert sent.to_dict() == {
        "id": sent.id,
        "object": "container.file",
        "bytes": 256,
        "container_id": container.id,
        "created_at": sent.created_at,
        "path": "/mnt/data/sent.bin",
        "source": "user",
    }
    copied = files.create(container.id, file_id=kept.id)
    assert copied.path == f"/mnt/data/{kept.id}-kept.txt"
    listed = list(files.list(container.id, order="asc", limit=1))
    assert [one.path for one in listed] == ["/mnt/data/kept.txt", sent.path, copied.path]
    assert files.retrieve(sent.id, container_id=container.id).to_dict() == sent.to_dict()
    content = files.content.retrieve(sent.id, container_id=container.id)
    assert content.read() == bytes(range(256))
    seen = run(code_client, container.id, "import os\nprint(sorted(os.listdir()))")
    assert seen == str(sorted([f"{kept.id}-kept.txt", "kept.txt", "sent.bin"]))
    files.delete(sent.id, container_id=container.id)
    with pytest.raises(openai.NotFoundError):
        files.retrieve(sent.id, container_id=container.id)
    assert run(code_client, container.id, "os.path.exists('sent.bin')") == "False"
    code_client.files.delete(kept.id)
    assert run(code_client, container.id, "open('kept.txt').read()") == "'kept'"


def test_what_code_does_with_files(code_client: OpenAI) -> None:
    """It changes, deletes and makes them; what is no file of its own is not kept."""
    container = code_client.containers.create(name="changes").id
    files = code_client.containers.files
    first = files.create(container, file=("a", b"a"))
    files.create(container, file=("b", b"b"))
    code = """
import os
open('a', 'w').write('changed')
os.unlink('b')
os.makedirs('deep/er')
open('deep/er/c', 'wb').write(bytes(3 << 20))
os.symlink('/etc/passwd', 'link')
os.symlink('/proc/self/environ', 'deep/link')
os.mkfifo('pipe')
open('line\\nfeed', 'w').close()
open('empty', 'w').close()
"""
    run(code_client, container, code)
    listed = {file.path: file for file in files.list(container)}
    assert set(listed) == {f"/mnt/data/{name}" for name in ("a", "deep/er/c", "empty")}
    assert listed["/mnt/data/a"].id == first.id
    assert files.content.retrieve(first.id, container_id=container).read() == b"changed"
    large = listed["/mnt/data/deep/er/c"]
    assert len(files.content.retrieve(large.id, container_id=container).read()) == 3 << 20
    empty = listed["/mnt/data/empty"]
    assert files.content.retrieve(empty.id, container_id=container).read() == b""


def test_a_process_that_ended_finds_its_files(small: Running) -> None:
    """Another container took the only process."""
    with small.client() as client:
        first = client.containers.create(name="first").id
        second = client.containers.create(name="second").id
        run(client, first, "x = open('a', 'w').write('kept')")
        assert run(client, second, "'x' in globals()") == "False"
        assert run(client, first, "open('a').read(), 'x' in globals()") == "('kept', False)"


def test_limits_of_bytes(small: Running) -> None:
    with small.client() as client:
        container = client.containers.create(name="full").id
        client.containers.files.create(container, file=("a", bytes(600_000)))
        with pytest.raises(openai.APIStatusError) as error:
            client.containers.files.create(container, file=("b", bytes(600_000)))
        assert (error.value.status_code, error.value.code) == (413, "file_too_large")
        kept = client.files.create(file=("c", bytes(600_000)), purpose="user_data").id
        with pytest.raises(openai.APIStatusError) as error:
            client.containers.files.create(container, file_id=kept)
        assert error.value.status_code == 413
        text = run(client, container, "open('d', 'wb').write(bytes(600_000))")
        assert "No space left on device" in text
        (left,) = (one for one in client.containers.files.list(container) if one.source == "user")
        assert left.path == "/mnt/data/a"


def test_an_expired_container(code_client: OpenAI, code_server: Running) -> None:
    """It is shown without its files, and cannot be used."""
    container = code_client.containers.create(name="old")
    code_client.containers.files.create(container.id, file=("a", b"a"))
    asyncio.run(_expire(code_server, container.id))
    assert code_client.containers.retrieve(container.id).status == "expired"
    assert not list(code_client.containers.files.list(container.id))
    with pytest.raises(openai.NotFoundError, match="has expired"):
        code_client.containers.files.create(container.id, file=("b", b"b"))
    with pytest.raises(openai.NotFoundError, match="has expired"):
        run(code_client, container.id, "1")


async def _expire(server: Running, id: str) -> None:
    """As another server of the database does it."""
    store = Store(server.app.state.services.settings.data)
    try:
        async with (await store.database()).write() as query:
            await query.run("update containers set expires_at=$1 where id=$2", time.time(), id)
        await Containers(store, Quotas(FileLimits())).sweep()
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_required_parameter", "name"),
        ({"name": ""}, "string_below_min_length", "name"),
        ({"name": "a", "memory_limit": "4g"}, "invalid_value", "memory_limit"),
        ({"name": "a", "skills": [{}]}, "unsupported_parameter", "skills"),
        (
            {"name": "a", "network_policy": {"type": "allowlist"}},
            "unsupported_value",
            "network_policy.type",
        ),
        (
            {"name": "a", "expires_after": {"anchor": "last_active_at", "minutes": 0}},
            "integer_below_min_value",
            "expires_after.minutes",
        ),
        ({"name": "a", "nothing": 1}, "unknown_parameter", "nothing"),
    ],
)
def test_what_is_refused(code_server: Running, body: dict[str, Any], code: str, param: str) -> None:
    answer = fetch(f"{code_server.url}/v1/containers", "POST", json=body)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["param"]) == (400, code, param)


def test_files_that_are_refused(code_client: OpenAI, code_server: Running) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        code_client.containers.create(name="a", file_ids=["file-1"])
    assert error.value.param == "file_ids[0]"
    container = code_client.containers.create(name="a").id
    with pytest.raises(openai.NotFoundError) as error:
        code_client.containers.files.create(container, file_id="file-1")
    assert error.value.param == "file_id"
    url = f"{code_server.url}/v1/containers/{container}/files"
    assert json.loads(fetch(url, "POST", json={}).body)["error"]["param"] == "file"


def test_deleting_ends_what_runs(code_client: OpenAI) -> None:
    container = code_client.containers.create(name="busy").id
    call = {"name": "code_interpreter", "arguments": {"code": "open('a', 'w')\nwhile True: pass"}}
    made = code_client.responses.create(
        model="echo",
        input=f"<tool_call>{json.dumps(call)}</tool_call>",
        tools=[{"type": "code_interpreter", "container": container}],
        background=True,
    )
    wait_until(lambda: code_client.responses.retrieve(made.id).status == "in_progress")
    code_client.containers.delete(container)
    wait_until(lambda: code_client.responses.retrieve(made.id).status != "in_progress")
    response = code_client.responses.retrieve(made.id)
    assert response.status == "completed"
    assert response.output[0].to_dict()["status"] == "failed"
