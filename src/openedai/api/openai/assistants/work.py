"""Works on a run: generations, and tools between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from copy import copy
from typing import Any

from pydantic import TypeAdapter

from openedai.api.openai.assistants.conversation import Thread
from openedai.api.openai.assistants.output import RunOutput
from openedai.api.openai.assistants.served.calls import SERVED, OpenCall, Result
from openedai.api.openai.assistants.served.code import CODE, CodeRunner
from openedai.api.openai.assistants.served.search import SEARCH, search
from openedai.api.openai.assistants.tools import engine_tool
from openedai.api.openai.dialect import OPENAI
from openedai.api.parameters.generation.answer_formats import ResponseFormat, format_constraint
from openedai.api.parameters.generation.tools import Toolset
from openedai.catalog.catalog import Catalog
from openedai.contract.chat import Chat, Tool
from openedai.contract.generate import Finish, GenerateRequest, Sampling
from openedai.errors import APIError, ContextLengthExceeded, InvalidRequest
from openedai.http.exchange import Exchange
from openedai.http.respond import as_api_error
from openedai.identity import Identity
from openedai.serving.assistants.handler import Left, Progress
from openedai.serving.assistants.keeping import AssistantKeeping
from openedai.serving.call import Call
from openedai.serving.containers.service import ContainerService
from openedai.serving.files.loading import FileLoading
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.generation import Generation
from openedai.serving.images.loading import ImageLoading
from openedai.serving.leases import Leases
from openedai.serving.outcome import Outcome
from openedai.serving.streams.truncation import fitted, run_truncated
from openedai.serving.tools.file_search import FILE_SEARCH
from openedai.serving.usage.ends import Ends
from openedai.serving.vector_stores.searching import StoreSearch
from openedai.serving.vector_stores.service import VectorStoreService
from openedai.store.assistants.runs import Run, RunStatus

# How often the server runs tools in one run; after that the model has to answer.
_MOST_ROUNDS = 10
# How long a search waits for files that are still being read.
_MOST_SECONDS = 60.0
_POLL_SECONDS = 0.1


class RunParts:
    """Makes the work on runs, with the same parts that answer requests."""

    def __init__(
        self,
        catalog: Catalog,
        tuned: TunedModels,
        keeping: AssistantKeeping,
        files: FileLoading,
        images: ImageLoading,
        generation: Generation,
        leases: Leases,
        searching: StoreSearch,
        stores: VectorStoreService,
        ends: Ends,
        containers: ContainerService,
    ) -> None:
        self.catalog = catalog
        self.tuned = tuned
        self.keeping = keeping
        self.files = files
        self.images = images
        self.generation = generation
        self.leases = leases
        self.searching = searching
        self.stores = stores
        self.ends = ends
        self.code = CodeRunner(containers, keeping)
        self.formats: TypeAdapter[Any] = TypeAdapter(ResponseFormat)

    def begin(self, run: Run, left: Left) -> RunWork:
        return RunWork(self, run, left)


class RunWork:
    def __init__(self, parts: RunParts, run: Run, left: Left) -> None:
        self._parts = parts
        self._output = RunOutput(run, left)
        self._exchange = Exchange(
            *(run.id, "POST", "/v1/threads/runs", OPENAI),
            caller=run.fields.caller,
            identity=run.fields.identity or Identity(project=run.owner),
            origin="run",
        )

    async def progress(self) -> AsyncGenerator[Progress, None]:
        """As `Work.progress`."""
        try:
            with self._parts.ends.attempt(self._exchange):
                async with aclosing(self._progress()) as progress:
                    async for one in progress:
                        yield one
        except Exception as error:
            if not self._output.begun and not isinstance(error, InvalidRequest):
                raise
            yield self.stop("failed", _last_error(as_api_error(error)))

    def stop(self, status: RunStatus, error: tuple[str, str] | None = None) -> Progress:
        """As `Work.stop`."""
        return self._output.stop(status, error)

    async def _progress(self) -> AsyncGenerator[Progress, None]:
        output = self._output
        if output.run.status == "queued":
            yield output.start()
        call = await self._call()
        rounds = 0
        while output.run.status == "in_progress":
            thread = await self._thread()
            request = await self._request(call, thread, serving=rounds < _MOST_ROUNDS)
            if request is None:
                for one in output.exceed_prompt():
                    yield one
                return
            output.cite(thread.parts(), is_prose=self._constraint() is None)
            output.show(thread.new_images(), thread.made(), thread.attached())
            finish: Finish | None = None
            events = run_truncated(self._parts.generation, call, request)
            async with aclosing(events):
                async for _, event in events:
                    if isinstance(event, Finish):
                        finish = event
                        continue
                    for one in output.add(event):
                        yield one
            ended = Outcome.of([] if finish is None else [finish]).finish
            output.count(ended)
            if ended.reason != "tool_calls":
                for one in output.end_text(ended):
                    yield one
                return
            progress, served = output.serve()
            if served:
                yield progress
            found = {one.id: await self._serve(one, thread) for one in served}
            rounds += 1
            for one in output.end_calls(ended, found):
                yield one

    async def _call(self) -> Call[Any]:
        run = self._output.run
        await self._parts.tuned.prepare(run.owner, run.fields.model)
        model = self._parts.catalog.resolve(run.fields.model)
        self._exchange.model = model.id
        return Call(None, model, self._exchange)

    async def _thread(self) -> Thread:
        run, keeping = self._output.run, self._parts.keeping
        messages = await keeping.messages.all(run.thread)
        return Thread.of(run, messages, await keeping.steps.all(run.thread))

    async def _request(
        self, call: Call[Any], thread: Thread, *, serving: bool
    ) -> GenerateRequest | None:
        """The request for the next generation; None if the conversation has too many tokens."""
        fields, parts = self._output.run.fields, self._parts
        files = await parts.files.load(self._exchange.owner, list(thread.file_refs()))
        images = await parts.images.load(call, [*thread.image_refs(), *files.images])
        tools = await self._toolset(free=thread.has_calls, serving=serving)
        limit = fields.max_completion_tokens
        request = GenerateRequest(
            prompt=Chat(
                messages=thread.engine_messages(images),
                tools=tools.tools,
                call_required=tools.required,
                parallel_calls=tools.parallel,
                reasoning_effort=fields.reasoning_effort,
            ),
            sampling=Sampling(temperature=fields.temperature, top_p=fields.top_p),
            max_tokens=None if limit is None else max(1, limit - fields.completion_tokens),
            constraint=self._constraint(),
            streamed=bool(self._output.run.streamed),
        )
        if fields.max_prompt_tokens is None:
            return request
        rest = fields.max_prompt_tokens - fields.prompt_tokens
        return await fitted(parts.leases, call, request, rest)

    def _constraint(self) -> Any:
        format = self._output.run.fields.response_format
        if isinstance(format, str):
            return None
        return format_constraint(self._parts.formats.validate_python(format))

    async def _serve(self, call: OpenCall, thread: Thread) -> Result:
        """Run a tool."""
        run = self._output.run
        if call.name == CODE:
            return await self._parts.code.run(self._exchange, run, call.code)
        await self._wait_for_files()
        tool = next(tool for tool in run.fields.tools if tool["type"] == SEARCH)
        return await search(
            self._parts.searching,
            copy(self._exchange),
            run.fields.stores,
            tool,
            call.arguments,
            thread.last_question(),
        )

    async def _toolset(self, *, free: bool, serving: bool) -> Toolset:
        """The tools that the model may call; those of the server only while it is still
        `serving`.
        """
        run, tools = self._output.run, list[Tool]()
        for tool in run.fields.tools:
            if tool["type"] == "function":
                tools.append(engine_tool(tool["function"]))
            elif serving:
                is_search = tool["type"] == SEARCH
                tools.append(FILE_SEARCH if is_search else await self._parts.code.tool(run))
        return _toolset(run, tools, free=free)

    async def _wait_for_files(self) -> None:
        """Wait, but not forever, until the files in the run's stores have been read."""
        deadline = time.monotonic() + _MOST_SECONDS
        while time.monotonic() < deadline:
            counts = await self._parts.stores.stores.counts(self._output.run.fields.stores)
            if not any(one.of("in_progress") for one in counts.values()):
                return
            await asyncio.sleep(_POLL_SECONDS)


def _toolset(run: Run, tools: Sequence[Tool], *, free: bool) -> Toolset:
    """Which of the tools the model may call. A choice applies to the first calls of the run; after
    that the model is `free`.
    """
    choice, parallel = run.fields.tool_choice, run.fields.parallel_tool_calls
    if choice == "none" or not tools:
        return Toolset()
    if free or choice == "auto":
        return Toolset(tuple(tools), parallel=parallel)
    if choice == "required":
        return Toolset(tuple(tools), required=True, parallel=parallel)
    return Toolset(_chosen(tools, choice), required=True, parallel=False)


def _chosen(tools: Sequence[Tool], choice: dict[str, Any]) -> tuple[Tool, ...]:
    name = choice["type"] if choice["type"] in SERVED else choice["function"]["name"]
    return tuple(tool for tool in tools if tool.name == name)


def _last_error(error: APIError) -> tuple[str, str]:
    if error.status == 429:
        return "rate_limit_exceeded", error.message
    invalid = isinstance(error, InvalidRequest | ContextLengthExceeded)
    return ("invalid_prompt" if invalid else "server_error"), error.message
