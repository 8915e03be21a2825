"""The tool `web_search`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from openedai.api.openai.responses.input.served import WebSearchTool
from openedai.api.openai.responses.output.open_served import SearchResult
from openedai.api.openai.responses.tools import CallableTool
from openedai.api.openai.responses.types import ResponseRequest
from openedai.serving.call import Call
from openedai.serving.tools.failed import ToolFailed
from openedai.serving.tools.web_search import WebQuery, WebSearch
from openedai.serving.tracing.context import TraceHeaders

_COUNTS = {"low": 3, "medium": 5, "high": 10}


class WebSearchRunner:
    def __init__(self, search: WebSearch, trace: TraceHeaders) -> None:
        self._search = search
        self._trace = trace

    async def run(
        self, call: Call[ResponseRequest], tool: CallableTool, arguments: dict[str, Any]
    ) -> AsyncGenerator[SearchResult, None]:
        text, served = arguments.get("query"), tool.served
        assert isinstance(served, WebSearchTool)
        if not isinstance(text, str):
            raise ToolFailed("The argument 'query' is missing, or is not a text.")
        count = _COUNTS[served.search_context_size or "medium"]
        query = WebQuery(text, count, served.domains, served.country)
        pages = await self._search.search(query, self._trace(call.exchange))
        found = "\n\n".join(f"[{page.title}]({page.url})\n{page.text}" for page in pages)
        yield SearchResult(found or "Nothing was found.", pages=pages)
