"""`/v1/threads/{id}/runs`: runs, what they wait for, and their steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.assistants.events import (
    event_stream,
    run_event,
    step_event,
    thread_event,
)
from openedai.api.openai.assistants.objects import run_object, step_object
from openedai.api.openai.assistants.routes import named, shown_page
from openedai.api.openai.assistants.run_types import (
    IncludeQuery,
    RunCreateRequest,
    StepListQuery,
    ThreadRunRequest,
    ToolOutputsRequest,
)
from openedai.api.openai.assistants.starting import RunStarting
from openedai.api.openai.assistants.types import (
    ListQuery,
    MetadataRequest,
    ThreadCreateRequest,
)
from openedai.api.route import takes
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.assistants.keeping import AssistantKeeping
from openedai.store.assistants.runs import WORKING, Run
from openedai.store.assistants.steps import Step
from openedai.store.assistants.threads import new_thread

# How often waiting clients ask again, in milliseconds: the longer they have waited, the less often.
_LEAST_POLL, _MOST_POLL = 50, 5000
_POLL_SHARE = 0.2


class RunRoutes:
    def __init__(self, calls: Calls, keeping: AssistantKeeping, *parts: Any) -> None:
        self._calls = calls
        self._keeping = keeping
        self._starting = RunStarting(keeping, *parts)

    @takes(RunCreateRequest)
    async def create(self, request: Request) -> Response:
        self._calls.query(request, IncludeQuery)
        body, headers = await self._calls.body(request, RunCreateRequest)
        exchange = exchange_of(request.scope)
        thread = await self._keeping.threads.find(*named(request))
        messages = [message.message(thread.id) for message in body.additional_messages or ()]
        async with self._starting.making(exchange.identity) as making:
            thread = await self._starting.attach(making, thread, messages, "additional_messages")
            run = await self._starting.run(exchange, thread, body, headers)
            events = [run_event(run, "created"), run_event(run)]
            await self._keeping.begin(run, messages, events)
        return await self._begun(request, run, headers)

    @takes(ThreadRunRequest)
    async def create_with_thread(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ThreadRunRequest)
        given = body.thread or ThreadCreateRequest()
        exchange = exchange_of(request.scope)
        messages, owner = given.new_messages(""), exchange.owner
        await self._starting.check_code_files(owner, given.fields().code_files, "thread.")
        await self._starting.check_code_files(owner, body.code_files())
        async with self._starting.making(exchange.identity) as making:
            fields = await making.fields(given.fields(), given.new_store, messages, "thread.")
            thread = new_thread(exchange.owner, fields)
            resources = (body.stores(), body.code_files())
            run = await self._starting.run(exchange, thread, body, headers, *resources)
            events = [thread_event(thread), run_event(run, "created"), run_event(run)]
            await self._keeping.begin(run, messages, events, thread)
        return await self._begun(request, run, headers)

    async def list_runs(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ListQuery)
        thread = await self._keeping.threads.find(*named(request))
        found = await self._keeping.runs.page(thread.owner, thread.id, query.cursor())
        return json_response(shown_page(found, run_object), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        run = await self._keeping.find_run(*_named_run(request))
        return json_response(run_object(run), headers=_poll_headers(run))

    @takes(MetadataRequest)
    async def update(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, MetadataRequest)
        run = await self._keeping.set_run_metadata(*_named_run(request), body.metadata or {})
        return json_response(run_object(run), headers=headers)

    async def cancel(self, request: Request) -> Response:
        return json_response(run_object(await self._keeping.cancel(*_named_run(request))))

    @takes(ToolOutputsRequest)
    async def submit(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ToolOutputsRequest)
        waiting = await self._keeping.find_run(*_named_run(request))
        identity = exchange_of(request.scope).identity
        await self._starting.check_model(identity, waiting.fields.model)
        run, last = await self._keeping.submit(
            *_named_run(request), body.outputs(), _outputs_events, streamed=bool(body.stream)
        )
        return await self._begun(request, run, headers, last)

    async def list_steps(self, request: Request) -> Response:
        query, headers = self._calls.query(request, StepListQuery)
        run = await self._keeping.find_run(*_named_run(request))
        found = await self._keeping.steps.page(run.id, query.cursor())
        shown = shown_page(found, lambda step: step_object(step, with_contents=bool(query.include)))
        return json_response(shown, headers=headers)

    async def retrieve_step(self, request: Request) -> Response:
        query, headers = self._calls.query(request, IncludeQuery)
        run = await self._keeping.find_run(*_named_run(request))
        step = await self._keeping.steps.find(run.id, request.path_params["step_id"])
        shown = step_object(step, with_contents=bool(query.include))
        return json_response(shown, headers=headers)

    async def _begun(
        self, request: Request, run: Run, headers: dict[str, str], after: int = -1
    ) -> Response:
        """The queued run, or its stream."""
        if run.streamed:
            exchange = exchange_of(request.scope)
            return await event_stream(self._keeping, exchange, run, after, headers)
        return json_response(run_object(run), headers={**headers, **_poll_headers(run)})


def _outputs_events(step: Step, run: Run) -> Sequence[bytes]:
    return [step_event(step), run_event(run)]


def _named_run(request: Request) -> tuple[str, str, str]:
    """The owner, and the ids of the thread and the run in the URL."""
    return *named(request), request.path_params["run_id"]


def _poll_headers(run: Run) -> dict[str, str]:
    if run.status not in WORKING:
        return {}
    waited = 1000 * (time.time() - run.created_at)
    pause = min(_MOST_POLL, max(_LEAST_POLL, int(_POLL_SHARE * waited)))
    return {"openai-poll-after-ms": str(pause)}
