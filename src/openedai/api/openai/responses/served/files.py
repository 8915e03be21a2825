"""The tool `file_search`, in vector stores."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from openedai.api.openai.responses.input.items import Message
from openedai.api.openai.responses.input.media import Located
from openedai.api.openai.responses.input.served import FileSearchTool
from openedai.api.openai.responses.output.objects import FileResult
from openedai.api.openai.responses.output.open_files import FilesResult, part_of
from openedai.api.openai.responses.tools import CallableTool, CallableTools
from openedai.api.openai.responses.types import ResponseRequest
from openedai.api.parameters.vector_stores.queries import RankingOptions, to_filter
from openedai.errors import NotFound
from openedai.serving.call import Call
from openedai.serving.tools.citations import parts_text
from openedai.serving.tools.failed import ToolFailed
from openedai.serving.tools.file_search import searched_texts
from openedai.serving.vector_stores.searching import StoreQuery, StoreSearch

_COUNT = 5  # of parts, in a request that does not say


class FileSearchRunner:
    """Searches for one response. `question` is what the user said last; `known` is how many parts
    of files are numbered already.
    """

    def __init__(self, search: StoreSearch, question: str, known: int) -> None:
        self._search = search
        self._question = question
        self._known = known

    async def run(
        self, call: Call[ResponseRequest], tool: CallableTool, arguments: dict[str, Any]
    ) -> AsyncGenerator[FilesResult, None]:
        served = tool.served
        assert isinstance(served, FileSearchTool)
        texts = searched_texts(arguments, self._question)
        if not texts:
            raise ToolFailed("The argument 'query' is missing, or is not a text.")
        options = served.ranking_options or RankingOptions()
        query = StoreQuery(
            texts=texts,
            limit=served.max_num_results or _COUNT,
            filter=to_filter(served.filters),
            weights=options.weights,
            least_score=options.score_threshold,
            rerank=options.rerank,
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
        text = parts_text([part_of(one) for one in found], self._known)
        self._known += len(found)
        yield FilesResult(text, queries=tuple(queries), found=found)


async def check_stores(search: StoreSearch, owner: str, tools: CallableTools) -> None:
    """Before anything runs, raise NotFound for a vector store of another owner and InvalidRequest
    for an expired one. If a store becomes unusable later, the item of a search says so.
    """
    for tool in tools.tools:
        if isinstance(tool.served, FileSearchTool):
            try:
                await search.check(owner, tool.served.vector_store_ids)
            except NotFound as error:
                param = f"{tool.path}.vector_store_ids"
                raise NotFound(error.message, code=error.code, param=param) from None


def last_question(items: Sequence[Located]) -> str:
    """What the user said last."""
    texts = [one.text for _, one in items if isinstance(one, Message) and one.role == "user"]
    return texts[-1] if texts else ""
