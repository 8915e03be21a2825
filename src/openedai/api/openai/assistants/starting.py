"""A run as a request makes it, from its assistant and what the request says otherwise."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from openedai.api.openai.assistants.attaching import StoreMaking, making
from openedai.api.openai.assistants.run_types import RunOptions
from openedai.api.openai.assistants.tools import check_choice, kept_tools
from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.http.exchange import Exchange
from openedai.identity import Identity
from openedai.serving.assistants.keeping import WAITING_SECONDS, AssistantKeeping, new_job
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.vector_stores.service import VectorStoreService
from openedai.store.assistants.assistants import Assistant
from openedai.store.assistants.messages import Message
from openedai.store.assistants.runs import PREFIX, Run, RunFields
from openedai.store.assistants.threads import Thread
from openedai.store.ids import ordered_id


class RunStarting:
    """With `refuses_tools`, tools that this server does not run are refused; otherwise they are
    left out beside others.
    """

    def __init__(
        self,
        keeping: AssistantKeeping,
        catalog: Catalog,
        tuned: TunedModels,
        stores: VectorStoreService,
        settings: Settings,
    ) -> None:
        self.refuses_tools = settings.unsupported_tools == "refuse"
        self._catalog = catalog
        self._tuned = tuned
        self._keeping = keeping
        self._stores = stores

    async def check_model(self, identity: Identity, name: str) -> None:
        """Raises ModelNotFound."""
        await self._tuned.prepare(identity.project, name)
        self._catalog.resolve_for(identity, name)

    async def check_stores(self, owner: str, stores: Sequence[str] | None) -> None:
        """Raises NotFound for a vector store that is not the owner's."""
        for id in stores or ():
            await self._stores.stores.find(owner, id)

    def making(self, identity: Identity) -> AbstractAsyncContextManager[StoreMaking]:
        """What makes vector stores for a request. If that fails, they are deleted."""
        return making(self._stores, identity)

    async def attach(
        self, stores: StoreMaking, thread: Thread, messages: Sequence[Message], param: str
    ) -> Thread:
        """A thread that is to have these messages, with a vector store of their files; `param`
        of the request has them.

        Raises NotFound for a file that is not the owner's.
        """
        fields = await stores.attach(thread.fields, messages, param)
        if fields.stores == thread.fields.stores:
            return thread
        changed = await self._keeping.threads.update(thread.owner, thread.id, stores=fields.stores)
        stores.keep()
        return changed

    async def run(
        self,
        exchange: Exchange,
        thread: Thread,
        body: RunOptions,
        headers: dict[str, str],
        stores: Sequence[str] | None = None,
    ) -> Run:
        """A queued run of the body's assistant; `stores` replace the assistant's.

        Raises NotFound and InvalidRequest.
        """
        assistant = await self._keeping.assistants.find(exchange.owner, body.assistant_id)
        own = assistant.fields
        model = body.model or own.model
        await self.check_model(exchange.identity, model)
        tools = own.tools
        if body.tools is not None:
            tools = kept_tools(body.tools, refuses=self.refuses_tools, headers=headers)
        check_choice(body.tool_choice, tools)
        own_stores = own.stores if stores is None else stores
        searched = [*(own_stores or ()), *(thread.fields.stores or ())]
        await self.check_stores(exchange.owner, searched)
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
                **_options(body, assistant),
            ),
        )


def _instructions(body: RunOptions, own: str | None) -> str:
    given = own if body.instructions is None else body.instructions
    return "\n\n".join(filter(None, (given, body.more_instructions)))


def _options(body: RunOptions, assistant: Assistant) -> dict[str, Any]:
    """What else a run has, by the names of its fields."""
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
