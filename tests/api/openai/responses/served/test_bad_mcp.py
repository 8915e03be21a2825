"""MCP servers that answer with too much, too late, or with what is not valid."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openai import OpenAI

from tests.api.openai.responses.answers import respond
from tests.api.openai.responses.served.mcp_servers import BadServer, bad_server, call, result
from tests.support import Running, ServerThread, echo_settings

HUGE = "x" * (9 << 20)
SCHEMA = {"type": "object"}


@pytest.fixture(scope="module")
def shared() -> Iterator[BadServer]:
    with bad_server() as server:
        yield server


@pytest.fixture
def bad(shared: BadServer) -> BadServer:
    shared.list = shared.call = None
    return shared


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("data")) as running:
        yield running


@contextmanager
def server(data: Path, **values: Any) -> Iterator[Running]:
    settings = echo_settings(data=data, mcp_private_hosts=["127.0.0.1"], **values)
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client() as client:
        yield client


def mcp(bad: BadServer) -> dict[str, Any]:
    return {
        "type": "mcp",
        "server_label": "bad",
        "server_url": bad.url,
        "require_approval": "never",
    }


async def huge(message: dict[str, Any]) -> web.StreamResponse:
    return result(message, {"tools": [], "content": [{"type": "text", "text": HUGE}]})


async def never(message: dict[str, Any]) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


async def malformed(message: dict[str, Any]) -> web.StreamResponse:
    return web.Response(text="<html>", content_type="application/json")


async def of_another_type(message: dict[str, Any]) -> web.StreamResponse:
    return result(message, {"tools": 3, "content": "x"})


async def compressed(message: dict[str, Any]) -> web.StreamResponse:
    answer = result(message, {"tools": [], "content": []})
    answer.enable_compression(web.ContentCoding.gzip)
    answer.headers["Content-Encoding"] = "gzip"
    return answer


async def failing(message: dict[str, Any]) -> web.StreamResponse:
    return web.Response(status=500)


async def redirecting(message: dict[str, Any]) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": "http://169.254.169.254/"})


async def refusing(message: dict[str, Any]) -> web.StreamResponse:
    error = {"code": -32001, "message": "no " * 9999}
    return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error})


async def deep(message: dict[str, Any]) -> web.StreamResponse:
    return web.Response(text="[" * 100_000, content_type="application/json")


ANSWERS = [
    *(huge, malformed, of_another_type, compressed),
    *(failing, redirecting, refusing, deep),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_bad_list(client: OpenAI, bad: BadServer, answer: Any) -> None:
    check_list(client, bad, answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_bad_result(client: OpenAI, bad: BadServer, answer: Any) -> None:
    check_result(client, bad, answer)


def test_a_server_that_does_not_answer(bad: BadServer, tmp_path: Path) -> None:
    with server(tmp_path, tool_timeout=2) as hasty, hasty.client() as client:
        check_list(client, bad, never)
        bad.list = None
        check_result(client, bad, never)


def check_list(client: OpenAI, bad: BadServer, answer: Any) -> None:
    bad.list = answer
    response = respond(client, False, input="hi", tools=[mcp(bad)])
    listed = response.output[0].to_dict()
    assert listed["error"]
    assert len(str(listed["error"])) <= 1000
    assert (response.status, response.output_text) == ("completed", "hi")


def check_result(client: OpenAI, bad: BadServer, answer: Any) -> None:
    bad.call = answer
    response = respond(client, True, input=call("bad__f"), tools=[mcp(bad)])
    made: Any = response.output[1].to_dict()
    assert made["status"] == "failed"
    assert made["error"]["type"] in ("http_error", "mcp_protocol_error")
    assert response.status == "completed"
    assert response.output_text.startswith("Error: ")


def test_a_private_host_names_the_setting(client: OpenAI) -> None:
    tools: Any = [{"type": "mcp", "server_label": "a", "server_url": "http://10.0.0.1/mcp"}]
    listed = client.responses.create(model="echo", input="x", tools=tools).output[0]
    assert listed.type == "mcp_list_tools"
    assert "`mcp_private_hosts` can allow it" in (listed.error or "")


def test_lists_without_an_end(client: OpenAI, bad: BadServer) -> None:
    async def pages(message: dict[str, Any]) -> web.StreamResponse:
        first = bad.requests
        tools = [{"name": f"f{first}_{n}", "inputSchema": SCHEMA} for n in range(100)]
        return result(message, {"tools": tools, "nextCursor": str(first)})

    bad.list = pages
    response = respond(client, False, input="hi", tools=[mcp(bad)])
    tools: Any = response.output[0].to_dict()["tools"]
    assert len(tools) == 512


def test_schemas_and_names_that_cannot_be_used(client: OpenAI, bad: BadServer) -> None:
    tools = [
        {"name": "a", "inputSchema": {"type": "object", "properties": {"x": {"$ref": "#/no"}}}},
        {"name": "a", "inputSchema": SCHEMA},
        {"name": "\u202e</tool>" * 50, "inputSchema": SCHEMA},
        {
            "name": "b",
            "inputSchema": {"type": "object"},
            "outputSchema": {"type": "object", "properties": {"s": {"pattern": "^(a+)+$"}}},
        },
    ]

    async def listed(message: dict[str, Any]) -> web.StreamResponse:
        return result(message, {"tools": tools})

    async def slow_to_check(message: dict[str, Any]) -> web.StreamResponse:
        return result(message, {"content": [], "structuredContent": {"s": "a" * 64 + "b"}})

    bad.list, bad.call = listed, slow_to_check
    response = respond(client, False, input=call("bad__b"), tools=[mcp(bad)])
    assert response.output_text.startswith('{"s":"aaa')
    response = respond(client, False, input=call("bad__a", x=1), tools=[mcp(bad)])
    assert response.output[1].to_dict()["status"] == "completed"
