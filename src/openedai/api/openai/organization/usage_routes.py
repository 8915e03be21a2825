"""`/v1/organization/usage/…` and `/v1/organization/costs`: what was used, by buckets of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.organization import usage_results as results
from openedai.api.openai.organization.usage_queries import (
    BatchUsageQuery,
    BucketQuery,
    Buckets,
    CostQuery,
    FileSearchQuery,
    ImageUsageQuery,
    KeyUsageQuery,
    ProjectUsageQuery,
    UsageQuery,
    WebSearchQuery,
)
from openedai.http.respond import json_response
from openedai.serving.usage import kinds
from openedai.serving.usage.recording import UsageRecording
from openedai.store.usage.sums import UsageFilter, UsageSum, UsageSums
from openedai.store.vector_stores.stores import VectorStores

Numbers = Callable[[Sequence[UsageSum]], results.Result]
Q = TypeVar("Q", bound=BucketQuery)


class UsageRoutes:
    """`recording` is None on a server that records no usage; then what others have recorded is
    shown.
    """

    def __init__(
        self,
        calls: Calls,
        sums: UsageSums,
        recording: UsageRecording | None,
        stores: VectorStores,
    ) -> None:
        self._calls = calls
        self._sums = sums
        self._recording = recording
        self._stores = stores

    async def completions(self, request: Request) -> Response:
        return await self._usage(request, BatchUsageQuery, kinds.COMPLETIONS, results.tokens)

    async def decisions(self, request: Request) -> Response:
        return await self._usage(request, BatchUsageQuery, kinds.DECISIONS, results.tokens)

    async def embeddings(self, request: Request) -> Response:
        return await self._usage(request, UsageQuery, kinds.EMBEDDINGS, results.read_tokens)

    async def moderations(self, request: Request) -> Response:
        return await self._usage(request, UsageQuery, kinds.MODERATIONS, results.read_tokens)

    async def audio_speeches(self, request: Request) -> Response:
        return await self._usage(request, UsageQuery, kinds.SPEECHES, results.characters)

    async def audio_transcriptions(self, request: Request) -> Response:
        return await self._usage(request, UsageQuery, kinds.TRANSCRIPTIONS, results.seconds)

    async def images(self, request: Request) -> Response:
        return await self._usage(request, ImageUsageQuery, kinds.IMAGES, results.images)

    async def file_search_calls(self, request: Request) -> Response:
        query, kind = FileSearchQuery, kinds.FILE_SEARCHES
        return await self._usage(request, query, kind, results.calls, "file_searches")

    async def web_search_calls(self, request: Request) -> Response:
        query, kind = WebSearchQuery, kinds.WEB_SEARCHES
        return await self._usage(request, query, kind, results.calls_of_requests, "web_searches")

    async def vector_stores(self, request: Request) -> Response:
        """The bytes of the existing stores, in each bucket since they were made."""
        query, headers = self._calls.query(request, ProjectUsageQuery)
        buckets, by_project = query.buckets(), bool(query.group_by)
        found: dict[int, list[results.Result]] = {}
        sizes = await self._stores.sizes(query.project_ids)
        for start in buckets.starts():
            bytes_of: defaultdict[str | None, int] = defaultdict(int)
            for owner, created_at, size in sizes:
                if created_at < start + buckets.width:
                    bytes_of[(owner or None) if by_project else None] += size
            found[start] = [
                {
                    "object": "organization.usage.vector_stores.result",
                    "usage_bytes": size,
                    "project_id": project,
                }
                for project, size in bytes_of.items()
            ]
        return json_response(results.page_of(buckets, found), headers=headers)

    async def code_interpreter_sessions(self, request: Request) -> Response:
        """A session is a container that was made."""
        kind = kinds.CODE_SESSIONS
        return await self._usage(request, ProjectUsageQuery, kind, results.sessions)

    async def costs(self, request: Request) -> Response:
        query, headers = self._calls.query(request, CostQuery)
        names, buckets = query.group_by or [], query.buckets()
        by_item = "line_item" in names or query.line_items is not None
        columns = _columns([*names, *(["line_item"] if by_item else [])])
        sums = await self._read(buckets, columns, _filter(query))
        if by_item:
            page = results.cost_page(buckets, names, sums, query.line_items or ())
        else:
            page = results.usage_page("costs", buckets, names, sums, results.amount)
        return json_response(page, headers=headers)

    async def _usage(
        self,
        request: Request,
        query_type: type[KeyUsageQuery | ProjectUsageQuery],
        kind: str,
        numbers: Numbers,
        name: str = "",
    ) -> Response:
        """`name` is the name of results, if it differs from that of the kind."""
        query, headers = self._calls.query(request, query_type)
        names, buckets = list(query.group_by or ()), query.buckets()
        sources = query.sources if isinstance(query, ImageUsageQuery) else None
        columns = _columns([*names, *(["source"] if sources else [])])
        sums = await self._read(buckets, columns, _filter(query, kind))
        if sources:
            sums = [one for one in sums if results.source_of(one.values["route"]) in sources]
        page = results.usage_page(f"usage.{name or kind}", buckets, names, sums, numbers)
        return json_response(page, headers=headers)

    async def _read(
        self, buckets: Buckets, columns: Sequence[str], filter: UsageFilter
    ) -> list[UsageSum]:
        if self._recording is not None:
            await self._recording.writer.flush()
        if buckets.start >= buckets.end:
            return []
        return await self._sums.read(buckets.start, buckets.end, buckets.width, columns, filter)


def _columns(names: Sequence[str]) -> list[str]:
    """The dimensions from which the names of `group_by` are made."""
    columns = [column for name in names for column in results.COLUMNS.get(name, ())]
    return list(dict.fromkeys(columns))


def _filter(query: BucketQuery, kind: str | None = None) -> UsageFilter:
    only: dict[str, Any] = {
        "kind": None if kind is None else [kind],
        "project": query.project_ids,
        "key": query.api_key_ids if isinstance(query, KeyUsageQuery | CostQuery) else None,
        "model": query.models if isinstance(query, UsageQuery) else None,
        "size": query.sizes if isinstance(query, ImageUsageQuery) else None,
    }
    batch = query.batch if isinstance(query, BatchUsageQuery) else None
    return UsageFilter({name: values for name, values in only.items() if values}, batch)
