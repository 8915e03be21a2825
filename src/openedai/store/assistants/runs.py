"""The runs of assistants in threads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from openedai.errors import NotFound
from openedai.identity import Identity
from openedai.store.database import Query, Row
from openedai.store.ids import is_id
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor, Found, read_page

PREFIX = "run_"
KIND = "run"  # of jobs
_COLUMNS = "id, thread, owner, created_at, expires_at, status, job, streamed, record"

RunStatus = Literal[
    "queued",
    "in_progress",
    "requires_action",
    "cancelling",
    "cancelled",
    "failed",
    "completed",
    "incomplete",
    "expired",
]
WORKING = ("queued", "in_progress", "cancelling")
OPEN = (*WORKING, "requires_action")


class RunFields(msgspec.Struct, frozen=True, kw_only=True):
    """`tools`, `tool_choice`, `response_format` and `truncation` are as the API shows them.

    `stores` are the vector stores that are searched, `code_files` the files for code. `calls` are
    the tool calls for whose outputs the run waits. `begun` is the number of the last event before
    the job began its answer. `caller` made the run, and `identity` is the identity of their key,
    with the rights that it had then. Times are seconds since 1970.
    """

    assistant: str
    model: str
    instructions: str
    caller: str
    identity: Identity | None = None  # of runs that older servers made
    tools: list[dict[str, Any]] = []
    stores: list[str] = []
    code_files: list[str] = []
    tool_choice: Any = "auto"
    parallel_tool_calls: bool = True
    response_format: Any = "auto"
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: str | None = None
    max_prompt_tokens: int | None = None
    max_completion_tokens: int | None = None
    truncation: dict[str, Any]
    metadata: dict[str, str] = {}
    started_at: int | None = None
    completed_at: int | None = None
    cancelled_at: int | None = None
    failed_at: int | None = None
    incomplete_reason: str | None = None
    error_code: str | None = None
    error: str | None = None
    calls: list[dict[str, Any]] = []
    prompt_tokens: int = 0
    completion_tokens: int = 0
    begun: int = -1


@dataclass(frozen=True)
class Run:
    """`job` is the job that works on it, or last did. `streamed` is whether its events are
    stored.
    """

    id: str
    thread: str
    owner: str
    created_at: float
    expires_at: float
    status: RunStatus
    job: str
    streamed: int
    fields: RunFields

    def changed(self, status: RunStatus | None = None, **fields: Any) -> Run:
        """The run in a different state."""
        changed = msgspec.structs.replace(self.fields, **fields)
        return replace(self, status=status or self.status, fields=changed)


class Runs:
    """Only its owner sees a run. Methods that take a query are part of its transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, query: Query, run: Run) -> None:
        marks = ", ".join(f"${number}" for number in range(1, 10))
        await query.run(
            f"insert into runs({_COLUMNS}) values({marks})",
            *(run.id, run.thread, run.owner, run.created_at, run.expires_at),
            *(run.status, run.job, run.streamed, _text(run.fields)),
        )

    async def find(self, owner: str, thread: str, id: str) -> Run:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from runs where id=$1 and thread=$2 and owner=$3"
        for row in await database.read(by_id, id, thread, owner) if is_id(id) else ():
            return _run(row)
        raise no_such_run(id)

    async def lock(self, query: Query, id: str) -> Run:
        """Lock the run, whoever owns it, until the end of the transaction, and return it.

        Raises NotFound.
        """
        suffix = (await self._store.database()).for_update
        for row in await query(f"select {_COLUMNS} from runs where id=$1{suffix}", id):
            return _run(row)
        raise no_such_run(id)

    async def update(self, query: Query, run: Run) -> None:
        """Update the state of a run."""
        await query.run(
            "update runs set status=$1, job=$2, streamed=$3, expires_at=$4, record=$5 where id=$6",
            *(run.status, run.job, run.streamed, run.expires_at, _text(run.fields), run.id),
        )

    async def active(self, query: Query, thread: str) -> list[Run]:
        """The run of a thread that has not ended, if there is one."""
        marks = ", ".join(f"'{status}'" for status in OPEN)
        by_thread = f"select {_COLUMNS} from runs where thread=$1 and status in ({marks})"
        return [_run(row) for row in await query(by_thread, thread)]

    async def page(self, owner: str, thread: str, cursor: Cursor) -> Found[Run]:
        """Runs in the order in which they were made."""
        select = f"select {_COLUMNS} from runs where thread=$1 and owner=$2"
        found = await read_page(await self._store.database(), select, "id", [thread, owner], cursor)
        return Found(list(map(_run, found.items)), found.has_more)

    async def overdue(self, now: float) -> list[str]:
        """The ids of runs that have waited too long for the outputs of tools."""
        database = await self._store.database()
        by_expiry = "select id from runs where status='requires_action' and expires_at <= $1"
        return [id for (id,) in await database.read(by_expiry, now)]


def no_such_run(id: str) -> NotFound:
    return NotFound(f"No run found with id '{id}'.", param="run_id")


def _run(row: Row) -> Run:
    values = (*row[:-1], msgspec.json.decode(row[-1], type=RunFields))
    return Run(*values)


def _text(fields: RunFields) -> str:
    return msgspec.json.encode(fields).decode()
