"""`/v1/responses`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from openedai.api.calls import Calls
from openedai.api.openai.responses.compaction import Compactor, compacted_response
from openedai.api.openai.responses.history import History
from openedai.api.openai.responses.moderated import ResponseModerator
from openedai.api.openai.responses.output.events import Event
from openedai.api.openai.responses.output.steps import Stepped
from openedai.api.openai.responses.prepare import Preparation, Prepared
from openedai.api.openai.responses.render import Keep, ResponseRenderer, keep_nothing
from openedai.api.openai.responses.served.code import CodePlacing
from openedai.api.openai.responses.served.files import check_stores
from openedai.api.openai.responses.served.toolkit import Toolkit
from openedai.api.openai.responses.served.turns import Generate, Turns
from openedai.api.openai.responses.socket import ResponseCreate, ResponseSocket, Send
from openedai.api.openai.responses.state.history import StoredHistory
from openedai.api.openai.responses.state.jobs import credentials, job_input
from openedai.api.openai.responses.state.routes import event_stream
from openedai.api.openai.responses.state.storing import stored_response, storing
from openedai.api.openai.responses.types import (
    CompactRequest,
    InputTokensRequest,
    ResponseRequest,
)
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.contract.engine import Tokenizer
from openedai.contract.generate import Finish, GenerateRequest
from openedai.http.exchange import Exchange
from openedai.media.hosts import Hosts
from openedai.serving.audio.hearing import Hearing
from openedai.serving.call import Call
from openedai.serving.containers.service import ContainerService
from openedai.serving.files.loading import FileLoading
from openedai.serving.generation import Generation
from openedai.serving.images.loading import ImageLoading
from openedai.serving.images.making import ImageMaking
from openedai.serving.leases import Leases
from openedai.serving.moderation import Moderation
from openedai.serving.outcome import Indexed, fold
from openedai.serving.responses.keeping import ResponseKeeping
from openedai.serving.streams.truncation import run_truncated
from openedai.serving.tracing.context import TraceHeaders
from openedai.serving.vector_stores.searching import StoreSearch


class InputTokens(msgspec.Struct):
    input_tokens: int
    object: str = "response.input_tokens"


class Responses:
    def __init__(
        self,
        calls: Calls,
        catalog: Catalog,
        leases: Leases,
        file_loading: FileLoading,
        image_loading: ImageLoading,
        hearing: Hearing,
        generation: Generation,
        moderation: Moderation,
        keeping: ResponseKeeping,
        settings: Settings,
        mcp_hosts: Hosts | None,
        image_making: ImageMaking,
        store_search: StoreSearch,
        containers: ContainerService,
        trace: TraceHeaders,
    ) -> None:
        self._calls = calls
        self._leases = leases
        self._generation = generation
        self._moderator = ResponseModerator(catalog, moderation)
        self._compactor = Compactor(generation, leases)
        self._history = StoredHistory(keeping)
        self._keeping = keeping
        self._store_search = store_search
        self._toolkit = Toolkit(
            settings, mcp_hosts, catalog, image_making, store_search, containers, trace
        )
        self._preparation = Preparation(
            file_loading,
            image_loading,
            hearing,
            self._history,
            served_tools=self._toolkit.types,
            code=CodePlacing(containers),
            refuses_tools=settings.unsupported_tools == "refuse",
        )

    @takes(ResponseRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, ResponseRequest)
        prepared = await self._prepare(call)
        if call.body.background:
            return await self._begin(request, call, prepared)
        prepared = await self._compactor.fit(call, prepared)
        renderer = self._renderer(call, prepared, self._keep(call, prepared))
        events = self._events(call, prepared)
        return await self._calls.answer(call, events, renderer, stream=bool(call.body.stream))

    async def connect(self, socket: WebSocket) -> None:
        """Serve a WebSocket."""
        await ResponseSocket(socket, self._history, self._answer_message).serve()

    async def _answer_message(
        self, values: Any, exchange: Exchange, history: History, send: Send
    ) -> Prepared:
        call = await self._calls.message(values, ResponseCreate, exchange)
        prepared = await self._compactor.fit(call, await self._prepare(call, history))
        if call.body.generate is False and prepared.finish is None:
            await self._compute_prompt(call, prepared, send)
            return prepared
        keep = self._keep(call, prepared)
        renderer = self._renderer(call, prepared, keep, error_events=False)
        async with aclosing(renderer.events(self._events(call, prepared))) as events:
            async for event in events:
                await send(event)
        return prepared

    async def _compute_prompt(
        self, call: Call[ResponseCreate], prepared: Prepared, send: Send
    ) -> None:
        """Generate one token and discard it, so that the model has the prompt in its cache."""
        request = msgspec.structs.replace(prepared.request, max_tokens=1, constraint=None)
        (outcome,) = await fold(self._generation.run(call, [request]), 1)
        for event in [*prepared.builder.start(), *prepared.builder.end_empty(outcome.finish)]:
            await send(event)

    async def _prepare(
        self, call: Call[ResponseRequest], history: History | None = None
    ) -> Prepared:
        """What is generated for a request. Raises InvalidRequest, and NotFound for a vector store
        of another owner.
        """
        prepared = await self._preparation.prepare(call, history)
        await check_stores(self._store_search, call.exchange.owner, prepared.tools)
        return prepared

    async def prepared(self, call: Call[ResponseRequest]) -> Prepared:
        """What a job generates for a call; a store may have been deleted meanwhile. Raises
        InvalidRequest.
        """
        return await self._compactor.fit(call, await self._preparation.prepare(call))

    @takes(CompactRequest)
    async def compact(self, request: Request) -> Response:
        call = await self._calls.read(request, CompactRequest)
        items, media = await self._preparation.input(call)
        item, usage = await self._compactor.compact(call, items, media, call.body.instructions)
        return self._calls.respond(call, compacted_response(item, usage))

    def events(
        self, call: Call[ResponseRequest], prepared: Prepared
    ) -> AsyncGenerator[Event, None]:
        """The events of the response to a call. The response is not stored."""
        return self._renderer(call, prepared).events(self._events(call, prepared))

    async def _begin(
        self, request: Request, call: Call[ResponseRequest], prepared: Prepared
    ) -> Response:
        """The queued response, or its stream."""
        response = prepared.builder.response
        stored = stored_response(response, call, prepared, self._keeping)
        job = job_input(call, once=prepared.tools.any_served)
        await self._keeping.begin(stored, job, credentials(call))
        if call.body.stream:
            return await event_stream(self._keeping, request, response.id)
        return self._calls.respond(call, response)

    @takes(InputTokensRequest)
    async def count(self, request: Request) -> Response:
        call = await self._calls.read(request, InputTokensRequest)
        chat = await self._preparation.chat(call)
        async with self._leases.lease(call, Tokenizer) as engine:
            tokens = await engine.count(chat)
        return self._calls.respond(call, InputTokens(tokens))

    def _keep(self, call: Call[ResponseRequest], prepared: Prepared) -> Keep:
        if call.body.store is False:
            return keep_nothing
        return storing(call, prepared, self._keeping)

    def _renderer(
        self,
        call: Call[ResponseRequest],
        prepared: Prepared,
        keep: Keep = keep_nothing,
        *,
        error_events: bool = True,
    ) -> ResponseRenderer:
        moderate = self._moderator.of(call, prepared.chat)
        return ResponseRenderer(prepared.builder, moderate, keep, error_events=error_events)

    def _events(
        self, call: Call[ResponseRequest], prepared: Prepared
    ) -> AsyncGenerator[Stepped, None]:
        def generate(request: GenerateRequest) -> AsyncGenerator[Indexed, None]:
            if call.body.truncation == "auto":
                return run_truncated(self._generation, call, request)
            return self._generation.run(call, [request])

        if prepared.finish is not None:
            return _only(prepared.finish)
        if not prepared.tools.any_served:
            return generate(prepared.request)
        return self._turns(call, prepared, generate)

    async def _turns(
        self, call: Call[ResponseRequest], prepared: Prepared, generate: Generate
    ) -> AsyncGenerator[Stepped, None]:
        async with self._toolkit.open(prepared, call.exchange) as runners:
            turns = Turns(call, prepared, generate, runners)
            async with aclosing(turns.run()) as steps:
                async for step in steps:
                    yield step


async def _only(finish: Finish) -> AsyncGenerator[Indexed, None]:
    yield 0, finish
