"""Makes the run of a request from its assistant and from what the request changes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from openedai.api.openai.assistants.attaching import StoreMaking, check_code_files, making
from openedai.api.openai.assistants.run_types import RunOptions
from openedai.api.openai.assistants.served.code import CODE
from openedai.api.openai.assistants.tools import AnyTool, CodeTool, check_choice, kept_tools
from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.errors import NotFound
from openedai.http.exchange import Exchange
from openedai.identity import Identity
from openedai.serving.assistants.keeping import WAITING_SECONDS, AssistantKeeping, new_job
from openedai.serving.containers.service import ContainerService
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.vector_stores.service import VectorStoreService
from openedai.store.assistants.assistants import Assistant
from openedai.store.assistants.messages import Message
from openedai.store.assistants.runs import PREFIX, Run, RunFields
from openedai.store.assistants.threads import Thread
from openedai.store.ids import ordered_id


class RunStarting:
    """Checks what requests for assistants, threads and runs refer to."""

    def __init__(
        self,
        keeping: AssistantKeeping,
        catalog: Catalog,
        tuned: TunedModels,
        stores: VectorStoreService,
        containers: ContainerService,
        settings: Settings,
    ) -> None:
        self._refuses_tools = settings.unsupported_tools == "refuse"
        self._containers = containers
        self._catalog = catalog
        self._tuned = tuned
        self._keeping = keeping
        self._stores = stores

    async def check_model(self, identity: Identity, name: str) -> None:
        """Raises ModelNotFound."""
        await self._tuned.prepare(identity.project, name)
        self._catalog.resolve_for(identity, name)

    async def check_stores(self, owner: str, stores: Sequence[str] | None) -> None:
        """Raise NotFound for a vector store of another owner."""
        for id in stores or ():
            await self._stores.stores.find(owner, id)

    async def tools(
        self, tools: Sequence[AnyTool], headers: dict[str, str]
    ) -> list[dict[str, Any]]:
        """The tools as they are stored. Raises InvalidRequest."""
        no_code = None
        if any(isinstance(tool, CodeTool) for tool in tools):
            no_code = await self._containers.unavailable()
        return kept_tools(tools, no_code=no_code, refuses=self._refuses_tools, headers=headers)

    async def check_code_files(
        self, owner: str, ids: Sequence[str] | None, within: str = ""
    ) -> None:
        """Raise NotFound for a file of another owner, and InvalidRequest if this server runs no
        code.
        """
        await check_code_files(self._containers, owner, ids or (), f"{within}tool_resources.{CODE}")

    async def forget(self, thread: Thread) -> None:
        """Delete the container of a deleted thread."""
        with suppress(NotFound):
            await self._containers.delete(thread.owner, thread.fields.container)

    def making(self, identity: Identity) -> AbstractAsyncContextManager[StoreMaking]:
        """What makes vector stores for a request. If the request fails, they are deleted."""
        return making(self._stores, self._containers, identity)

    async def attach(
        self, stores: StoreMaking, thread: Thread, messages: Sequence[Message], param: str
    ) -> Thread:
        """A thread that is about to get these messages, with a vector store of their files. The
        messages are the request's `param`.

        Raises NotFound for a file that is not the owner's.
        """
        fields = await stores.attach(thread.fields, messages, param)
        if fields == thread.fields:
            return thread
        changed = await self._keeping.threads.update(
            thread.owner, thread.id, stores=fields.stores, code_files=fields.code_files
        )
        stores.keep()
        return changed

    async def run(
        self,
        exchange: Exchange,
        thread: Thread,
        body: RunOptions,
        headers: dict[str, str],
        stores: Sequence[str] | None = None,
        code_files: Sequence[str] | None = None,
    ) -> Run:
        """A queued run of the body's assistant; `stores` and `code_files` replace the assistant's.

        Raises NotFound and InvalidRequest.
        """
        assistant = await self._keeping.assistants.find(exchange.owner, body.assistant_id)
        own = assistant.fields
        model = body.model or own.model
        await self.check_model(exchange.identity, model)
        tools = own.tools
        if body.tools is not None:
            tools = await self.tools(body.tools, headers)
        check_choice(body.tool_choice, tools)
        own_stores = own.stores if stores is None else stores
        searched = [*(own_stores or ()), *(thread.fields.stores or ())]
        await self.check_stores(exchange.owner, searched)
        own_files = own.code_files if code_files is None else code_files
        read = [*(own_files or ()), *(thread.fields.code_files or ())]
        now = time.time()
        return Run(
            id=ordered_id(PREFIX),
            thread=thread.id,
            owner=exchange.owner,
            created_at=now,
            expires_at=now + WAITING_SECONDS,
            status="queued",
            job=new_job(),
            streamed=int(bool(body.stream)),
            fields=RunFields(
                assistant=assistant.id,
                model=model,
                instructions=_instructions(body, own.instructions),
                caller=exchange.caller,
                identity=exchange.identity,
                tools=tools,
                stores=list(dict.fromkeys(searched)),
                code_files=list(dict.fromkeys(read)),
                **_options(body, assistant),
            ),
        )


def _instructions(body: RunOptions, own: str | None) -> str:
    given = own if body.instructions is None else body.instructions
    return "\n\n".join(filter(None, (given, body.more_instructions)))


def _options(body: RunOptions, assistant: Assistant) -> dict[str, Any]:
    """The other fields of a run, by their names."""
    own = assistant.fields
    truncation = body.truncation_strategy
    return {
        "tool_choice": body.shown("tool_choice") or "auto",
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "response_format": body.shown("response_format") or own.response_format,
        "temperature": _first(body.temperature, own.temperature),
        "top_p": _first(body.top_p, own.top_p),
        "reasoning_effort": body.effort or own.reasoning_effort,
        "max_prompt_tokens": body.max_prompt_tokens,
        "max_completion_tokens": body.max_completion_tokens,
        "truncation": {
            "type": "auto" if truncation is None else truncation.type,
            "last_messages": None if truncation is None else truncation.last_messages,
        },
        "metadata": body.metadata or {},
    }


def _first(given: float | None, own: float | None) -> float | None:
    return own if given is None else given
