"""The steps of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from openedai.errors import NotFound
from openedai.store.assistants.positions import page_by_position
from openedai.store.assistants.threads import Threads
from openedai.store.database import Query, Row
from openedai.store.ids import is_id
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor, Found

PREFIX = "step_"
_COLUMNS = "id, thread, position, run, record"


class StepFields(msgspec.Struct, frozen=True, kw_only=True):
    """`details` are as the API shows them. Times are seconds since 1970."""

    created_at: int
    assistant: str
    type: Literal["message_creation", "tool_calls"]
    details: dict[str, Any]
    status: str = "in_progress"
    metadata: dict[str, str] = {}
    completed_at: int | None = None
    cancelled_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    error_code: str | None = None
    error: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Step:
    """`position` is -1 until it is in its thread."""

    id: str
    thread: str
    run: str
    fields: StepFields
    position: int = -1

    def changed(self, **fields: Any) -> Step:
        changed = msgspec.structs.replace(self.fields, **fields)
        return Step(self.id, self.thread, self.run, changed, self.position)


class Steps:
    """The steps of runs that the caller may see. Methods that take a query are part of its
    transaction.
    """

    def __init__(self, store: Store, threads: Threads) -> None:
        self._store = store
        self._threads = threads

    async def put(self, query: Query, step: Step) -> None:
        """Add a step to its thread, or change an existing one. Raises NotFound."""
        change = "update run_steps set record=$1 where id=$2 returning id"
        if await query(change, _text(step), step.id):
            return
        position = await self._threads.take_positions(query, step.thread, 1)
        await query.run(
            f"insert into run_steps({_COLUMNS}) values($1, $2, $3, $4, $5)",
            *(step.id, step.thread, position, step.run, _text(step)),
        )

    async def find(self, run: str, id: str) -> Step:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from run_steps where id=$1 and run=$2"
        for row in await database.read(by_id, id, run) if is_id(id) else ():
            return _step(row)
        raise NotFound(f"No run step found with id '{id}'.", param="step_id")

    async def open(self, query: Query, run: str) -> list[Step]:
        """The steps of a run that have not ended."""
        by_run = f"select {_COLUMNS} from run_steps where run=$1 order by position"
        steps = [_step(row) for row in await query(by_run, run)]
        return [step for step in steps if step.fields.status == "in_progress"]

    async def page(self, run: str, cursor: Cursor) -> Found[Step]:
        """Steps in their order. Raises InvalidRequest."""
        found = await page_by_position(
            await self._store.database(), "run_steps", _COLUMNS, "run=$1", [run], cursor
        )
        return Found(list(map(_step, found.items)), found.has_more)

    async def all(self, thread: str) -> list[Step]:
        """The steps of all runs of a thread, the oldest first."""
        database = await self._store.database()
        by_thread = f"select {_COLUMNS} from run_steps where thread=$1 order by position"
        return [_step(row) for row in await database.read(by_thread, thread)]


def _step(row: Row) -> Step:
    id, thread, position, run, record = row
    return Step(id, thread, run, msgspec.json.decode(record, type=StepFields), position)


def _text(step: Step) -> str:
    return msgspec.json.encode(step.fields).decode()
