"""The URLs of assistants, threads, messages and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.route import Endpoint, Group, Handler, Route
from openedai.errors import InvalidRequest
from openedai.serving.services import Services

_HEADER = "openai-beta"
_VERSION = "assistants=v2"


@dataclass(frozen=True)
class InBeta:
    """An endpoint that needs the header of the official API's second version."""

    endpoint: Endpoint

    async def __call__(self, request: Request) -> Response:
        given = [one.strip() for one in request.headers.get(_HEADER, "").split(",")]
        if _VERSION not in given:
            raise InvalidRequest(
                "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please "
                f"try again by setting the header 'OpenAI-Beta: {_VERSION}'.",
                code="invalid_beta",
            )
        return await self.endpoint(request)

    def handler(self) -> Handler:
        return self.endpoint.handler()


def assistant_routes(s: Services, calls: Calls) -> tuple[Route, ...]:
    """Assistants, and the threads in which they run."""
    return tuple(_in_beta([*_assistants(s, calls), *_runs(s, calls), *_threads(s, calls)]))


def _in_beta(routes: Iterable[Route]) -> Iterator[Route]:
    for route in routes:
        yield replace(route, endpoint=InBeta(route.endpoint))


def _group(s: Services, calls: Calls, class_path: str) -> Group:
    parts = (s.assistants, s.catalog, s.tuned, s.vector_stores, s.containers, s.settings)
    return Group(class_path, calls, *parts)


def _assistants(s: Services, calls: Calls) -> tuple[Route, ...]:
    group = _group(s, calls, "openai.assistants.routes:AssistantRoutes")
    path = "/v1/assistants"
    one = f"{path}/{{id}}"
    return (
        Route("POST", path, group["create"], "Make an assistant"),
        Route("GET", path, group["list_assistants"], "List the assistants"),
        Route("GET", one, group["retrieve"], "Show an assistant"),
        Route("POST", one, group["update"], "Change an assistant"),
        Route("DELETE", one, group["delete"], "Delete an assistant"),
    )


def _threads(s: Services, calls: Calls) -> tuple[Route, ...]:
    group = _group(s, calls, "openai.assistants.routes:ThreadRoutes")
    path = "/v1/threads/{id}"
    messages = f"{path}/messages"
    message = f"{messages}/{{message_id}}"
    return (
        Route("POST", "/v1/threads", group["create"], "Make a thread"),
        Route("GET", path, group["retrieve"], "Show a thread"),
        Route("POST", path, group["update"], "Change a thread"),
        Route("DELETE", path, group["delete"], "Delete a thread"),
        Route("POST", messages, group["add_message"], "Add a message to a thread"),
        Route("GET", messages, group["list_messages"], "List the messages of a thread"),
        Route("GET", message, group["retrieve_message"], "Show a message"),
        Route("POST", message, group["update_message"], "Change the metadata of a message"),
        Route("DELETE", message, group["delete_message"], "Delete a message"),
    )


def _runs(s: Services, calls: Calls) -> tuple[Route, ...]:
    group = _group(s, calls, "openai.assistants.run_routes:RunRoutes")
    path = "/v1/threads/{id}/runs"
    run = f"{path}/{{run_id}}"
    steps = f"{run}/steps"
    return (
        Route("POST", "/v1/threads/runs", group["create_with_thread"], "Run in a new thread"),
        Route("POST", path, group["create"], "Run an assistant in a thread"),
        Route("GET", path, group["list_runs"], "List the runs of a thread"),
        Route("GET", run, group["retrieve"], "Show a run"),
        Route("POST", run, group["update"], "Change the metadata of a run"),
        Route("POST", f"{run}/cancel", group["cancel"], "Cancel a run"),
        Route("POST", f"{run}/submit_tool_outputs", group["submit"], "Go on with outputs"),
        Route("GET", steps, group["list_steps"], "List the steps of a run"),
        Route("GET", f"{steps}/{{step_id}}", group["retrieve_step"], "Show a step of a run"),
    )


def run_works(s: Services) -> Callable[[], Any]:
    """Make what produces the work on runs. Blocking."""
    return Group(
        "openai.assistants.work:RunParts",
        *(s.catalog, s.tuned, s.assistants, s.file_loading, s.image_loading),
        *(s.generation, s.leases, s.store_search, s.vector_stores, s.ends, s.containers),
    ).make
