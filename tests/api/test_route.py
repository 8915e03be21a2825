"""The URLs of the routes for older clients and for Azure's."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from openedai.api import routes
from openedai.api.openapi import describe
from openedai.api.route import Group, Route, azure_routes, engine_routes
from tests.support import Running, fetch

GROUP = Group("none:Nothing")
CHAT = Route(
    "POST",
    "/v1/chat/completions",
    GROUP["create"],
    "Chat",
    in_engines=True,
    on_azure=True,
    in_deployments=True,
)
EDITS = Route("POST", "/v1/edits", GROUP["edit"], "Edit", in_engines=True)
MODELS = Route("GET", "/v1/models", GROUP["list"], "List", on_azure=True)
ROUTES = (CHAT, EDITS, MODELS)


def test_routes_under_an_engine() -> None:
    assert [route.path for route in engine_routes(ROUTES)] == [
        "/v1/engines/{model:path}/chat/completions",
        "/v1/engines/{model:path}/edits",
    ]


def test_routes_on_azure() -> None:
    assert [(route.method, route.path) for route in azure_routes(ROUTES)] == [
        ("POST", "/openai/deployments/{model:path}/chat/completions"),
        ("POST", "/openai/v1/chat/completions"),
        ("GET", "/openai/models"),
        ("GET", "/openai/v1/models"),
    ]


def test_only_the_path_is_different() -> None:
    for route in (*engine_routes([CHAT]), *azure_routes([CHAT])):
        assert (route.endpoint, route.summary) == (CHAT.endpoint, "Chat")


def test_every_url_is_described(echo_server: Running) -> None:
    """Also: every group can be made, and has the methods that the table names."""
    document = describe(routes(echo_server.app.state.services))
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["operationId"].endswith(f"_{method}")
            named = {one["name"] for one in operation.get("parameters", ())}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
    posted = {
        path
        for path, operations in document["paths"].items()
        if "post" in operations and "requestBody" not in operations["post"]
    }
    refused = {"/api/create", "/api/copy", "/api/push", "/api/blobs/{digest}"}
    ended = {
        path for path in posted if path.endswith(("}/cancel", "}/pause", "}/resume", "}/archive"))
    }
    assert "/v1/batches/{id}/cancel" in ended
    model = "/console/api/models/{model}"
    console = {f"{model}/{action}" for action in ("load", "unload", "download")}
    others = {"/v1/internal/model/unload", "/v1/internal/stop-generation", *refused, *console}
    assert posted - ended == others


def test_the_description_is_valid(echo_server: Running) -> None:
    document = describe(routes(echo_server.app.state.services))
    schemas = document["components"]["schemas"]
    named = set(re.findall(r'"\$ref": "(.*?)"', json.dumps(document)))
    assert named <= {f"#/components/schemas/{name}" for name in schemas}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/v1/models", 200),
        ("HEAD", "/v1/models/none", 404),
        ("HEAD", "/metrics", 200),
        ("HEAD", "/v1/embeddings", 405),
        ("HEAD", "/", 200),
        ("HEAD", "/docs", 200),
        ("GET", "/v1/completions", 405),
        ("GET", "/v1/models/", 404),
        ("GET", "/v1/nothing", 404),
    ],
)
def test_methods(echo_server: Running, method: str, path: str, status: int) -> None:
    assert fetch(f"{echo_server.url}{path}", method).status == status


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/embeddings", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("OPTIONS", "/v1/engines/echo/completions", "GET, HEAD, POST"),
        ("PUT", "/docs", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    echo_server: Running, method: str, path: str, allowed: str
) -> None:
    answer = fetch(f"{echo_server.url}{path}", method)
    assert answer.status == 405
    assert answer.headers["allow"] == allowed


def test_head_is_answered_as_get_without_the_body(echo_server: Running) -> None:
    url = f"{echo_server.url}/v1/models"
    whole, head = fetch(url), fetch(url, "HEAD")
    assert head.body == b""
    assert head.headers["content-length"] == str(len(whole.body))


def test_a_wrong_method_counts_to_its_route(echo_server: Running) -> None:
    fetch(f"{echo_server.url}/v1/embeddings")
    metrics = fetch(f"{echo_server.url}/metrics").body.decode()
    assert 'openedai_requests_total{route="/v1/embeddings",status="405"}' in metrics


def test_an_error_of_a_wrong_method(echo_server: Running) -> None:
    answer: Any = json.loads(fetch(f"{echo_server.url}/v1/embeddings").body)
    assert answer["error"]["code"] == "method_not_supported"
