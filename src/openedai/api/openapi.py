"""`/openapi.json`, which describes every URL, and `/docs`, the page that shows it.

The description is made when it is first requested: it needs the types of all bodies.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Page

from openedai import __version__
from openedai.api.console.pages import page
from openedai.api.route import Route, body_of
from openedai.http.respond import json_response

if TYPE_CHECKING:
    from pydantic import BaseModel

URL = "/openapi.json"
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def documentation(routes: Sequence[Route]) -> tuple[Page, ...]:
    """The URLs of the description of `routes`."""
    return Page(URL, _Description(routes).answer), page("/docs", "docs.html")


class _Description:
    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._document: dict[str, Any] | None = None

    async def answer(self, request: Request) -> Response:
        if self._document is None:
            self._document = await asyncio.to_thread(describe, self._routes)
        return json_response(self._document)


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI document of the routes. Imports every group: blocking."""
    from pydantic.json_schema import models_json_schema

    bodies = {body for route in routes if (body := body_of(route.endpoint.handler()))}
    ordered = sorted(bodies, key=lambda body: (body.__name__, body.__module__))
    schemas, components = models_json_schema(
        [(body, "validation") for body in ordered], ref_template="#/components/schemas/{model}"
    )
    schema_of = {body: schema for (body, _), schema in schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OpenedAI",
            "description": "The OpenAI API on your own models.",
            "version": __version__,
        },
        "paths": paths,
        "components": {"schemas": components.get("$defs", {})},
    }


def _operation(route: Route, path: str, schema_of: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    handler = route.endpoint.handler()
    operation: dict[str, Any] = {"summary": route.summary}
    if description := inspect.getdoc(handler):
        operation["description"] = description
    name = getattr(handler, "__name__", "")
    operation["operationId"] = re.sub(r"\W", "_", f"{name}{path}_{route.method.lower()}")
    if names := _PARAMETER.findall(route.path):
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    if (body := body_of(handler)) is not None:
        operation["requestBody"] = _request_body(body, schema_of[body])
    operation["responses"] = {
        "200": {
            "description": "Successful Response",
            "content": {"application/json": {"schema": {}}},
        }
    }
    return operation


def _request_body(model: type[BaseModel], schema: dict[str, Any]) -> dict[str, Any]:
    from openedai.http.body import Body
    from openedai.http.form import FORM_DATA

    types = {"application/json": True}
    if issubclass(model, Body):
        types = {"application/json": model.accepts_json, FORM_DATA: model.accepts_form}
    content = {name: {"schema": schema} for name, accepted in types.items() if accepted}
    return {"required": True, "content": content}
