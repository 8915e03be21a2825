"""The tool `file_search`, in vector stores."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from openedai.api.openai.responses.input.served import FileSearchTool
from openedai.api.openai.responses.output.objects import FileResult
from openedai.api.openai.responses.output.open_files import FilesResult
from openedai.api.openai.responses.tools import CallableTool
from openedai.api.openai.responses.types import ResponseRequest
from openedai.api.parameters.store_queries import RankingOptions, to_filter
from openedai.serving.call import Call
from openedai.serving.tools.failed import ToolFailed
from openedai.serving.vector_stores.searching import StoreQuery, StoreSearch

_COUNT = 5  # of parts, in a request that does not say


class FileSearchRunner:
    def __init__(self, search: StoreSearch) -> None:
        self._search = search

    async def run(
        self, call: Call[ResponseRequest], tool: CallableTool, arguments: dict[str, Any]
    ) -> AsyncGenerator[FilesResult, None]:
        text, served = arguments.get("query"), tool.served
        assert isinstance(served, FileSearchTool)
        if not isinstance(text, str) or not text.strip():
            raise ToolFailed("The argument 'query' is missing, or is not a text.")
        options = served.ranking_options or RankingOptions()
        query = StoreQuery(
            texts=[text],
            limit=served.max_num_results or _COUNT,
            filter=to_filter(served.filters),
            weights=options.weights,
            least_score=options.score_threshold,
            rerank=options.ranker != "none",
        )
        queries, results = await self._search.run(call.exchange, served.vector_store_ids, query)
        found = tuple(
            FileResult(
                one.hit.file.file,
                one.hit.file.filename,
                one.score,
                one.hit.text,
                dict(one.hit.file.attributes),
            )
            for one in results
        )
        told = "\n\n".join(f"From the file {part.filename}:\n{part.text}" for part in found)
        yield FilesResult(told or "Nothing was found.", queries=tuple(queries), found=found)
