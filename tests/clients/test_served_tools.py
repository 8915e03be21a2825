"""Clients whose tools the server runs, on the echo engine: it says what the user said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.openai.responses.served.mcp_servers import RealServer, real_server
from tests.clients.running import run
from tests.support import Running, ServerThread, echo_settings

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1500)]

FOX = "The quick brown fox jumps over the lazy dog."
FOUND = {"answer": FOX, "found": ["fox.txt"], "cited": [["fox.txt", len(FOX)]]}


@pytest.fixture(scope="module")
def files() -> Iterator[RealServer]:
    with real_server() as files:
        yield files


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("data")
    with ServerThread(echo_settings(data=folder, mcp_private_hosts=["127.0.0.1"])) as running:
        yield running


@pytest.fixture(scope="module")
def store(server: Running) -> str:
    with server.client() as client:
        store = client.vector_stores.create().id
        client.vector_stores.files.upload_and_poll(
            vector_store_id=store, file=("fox.txt", FOX.encode()), poll_interval_ms=20
        )
    return store


def test_agents_sdk(server: Running, files: RealServer, store: str, tmp_path: Path) -> None:
    variables = {"STORE": store, "MCP_URL": f"{files.url}/mcp"}
    seen = run("openai-agents", server, tmp_path, program="served", **variables)
    assert seen["search"] == {**FOUND, "types": ["file_search_call", "message"]}
    assert seen["streamed"] == seen["search"]
    assert (seen["mcp"], seen["allowed"]) == ("3", "3")
    assert seen["denied"] == "The user did not allow this call. It is not to be deleted."
    assert seen["asked"] == ["add", "delete"]
    assert files.calls == ["add", "add"]
    assert all(one["authorization"] == "Bearer secret" for one in files.headers)


def test_llama_index(server: Running, store: str, tmp_path: Path) -> None:
    seen = run(
        "llama-index",
        server,
        tmp_path,
        program="files",
        package="llama-index-llms-openai",
        address="OPENAI_API_BASE",
        STORE=store,
    )
    assert seen["chat"] == seen["async"] == FOUND
    assert seen["stream"] == FOX
