"""The URLs of the routes for older clients and for Azure's."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.route import Route, azure_routes, engine_routes


class Body(BaseModel):
    model: str


async def endpoint(request: Request) -> Response:
    return Response()


CHAT = Route("POST", "/v1/chat/completions", endpoint, "Chat", Body, in_engines=True, on_azure=True)
EDITS = Route("POST", "/v1/edits", endpoint, "Edit", Body, in_engines=True)
MODELS = Route("GET", "/v1/models", endpoint, "List", on_azure=True)
ROUTES = (CHAT, EDITS, MODELS)


def test_routes_under_an_engine() -> None:
    assert [route.path for route in engine_routes(ROUTES)] == [
        "/v1/engines/{model:path}/chat/completions",
        "/v1/engines/{model:path}/edits",
    ]


def test_routes_on_azure() -> None:
    """A route whose body names the model is under a deployment."""
    assert [(route.method, route.path) for route in azure_routes(ROUTES)] == [
        ("POST", "/openai/deployments/{model:path}/chat/completions"),
        ("POST", "/openai/v1/chat/completions"),
        ("GET", "/openai/models"),
        ("GET", "/openai/v1/models"),
    ]


def test_only_the_path_is_different() -> None:
    for route in (*engine_routes([CHAT]), *azure_routes([CHAT])):
        assert (route.endpoint, route.body, route.summary) == (endpoint, Body, "Chat")
