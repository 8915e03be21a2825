"""The tools that this server runs, according to its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from openedai.api.openai.responses.prepare import Prepared
from openedai.api.openai.responses.served.code import CodeRunner
from openedai.api.openai.responses.served.files import FileSearchRunner, last_question
from openedai.api.openai.responses.served.images import ImageRunner
from openedai.api.openai.responses.served.mcp import McpRunner
from openedai.api.openai.responses.served.runner import Runner
from openedai.api.openai.responses.served.search import WebSearchRunner
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import IMAGE
from openedai.config import Settings
from openedai.http.exchange import Exchange
from openedai.media.hosts import Hosts
from openedai.serving.containers.service import ContainerService
from openedai.serving.images.making import ImageMaking
from openedai.serving.tools.web_search import WebSearch
from openedai.serving.tracing.context import TraceHeaders
from openedai.serving.vector_stores.searching import StoreSearch


@dataclass(frozen=True)
class Runners:
    """The runners for the tools of one response, by their types; `mcp` also lists the tools of
    servers.
    """

    by_type: dict[str, Runner]
    mcp: McpRunner | None


class Toolkit:
    """Those tools of the official API that the settings allow. `mcp_hosts` are the allowed hosts of
    MCP servers; None if no servers may be used.
    """

    def __init__(
        self,
        settings: Settings,
        mcp_hosts: Hosts | None,
        catalog: Catalog,
        image_making: ImageMaking,
        store_search: StoreSearch,
        containers: ContainerService,
        trace: TraceHeaders,
    ) -> None:
        self._timeout = settings.tool_timeout
        self._trace = trace
        self._search: WebSearchRunner | None = None
        self._hosts = mcp_hosts
        self._stores = store_search
        self._code = CodeRunner(containers)
        has_images = catalog.default(IMAGE) is not None
        self._images = ImageRunner(catalog, image_making) if has_images else None
        if settings.web_search and not settings.offline:
            key = settings.web_search_key.reveal() if settings.web_search_key else ""
            search = WebSearch(settings.web_search, settings.web_search_url, key, self._timeout)
            self._search = WebSearchRunner(search, trace)

    @property
    def types(self) -> frozenset[str]:
        """The types of the tools that are run; `code_interpreter` only where code can be
        confined.
        """
        known = {
            "code_interpreter": self._code,
            "file_search": self._stores,
            "image_generation": self._images,
            "mcp": self._hosts,
            "web_search": self._search,
        }
        return frozenset(name for name, one in known.items() if one is not None)

    @asynccontextmanager
    async def open(self, prepared: Prepared, exchange: Exchange) -> AsyncIterator[Runners]:
        """The runners for the tools of one response. Their connections are closed at the end."""
        known = prepared.builder.known_parts
        files = FileSearchRunner(self._stores, last_question(prepared.located), known)
        found: dict[str, Runner] = {"code_interpreter": self._code, "file_search": files}
        if self._search is not None:
            found["web_search"] = self._search
        if self._images is not None:
            found["image_generation"] = self._images
        if self._hosts is None:
            yield Runners(found, None)
            return
        mcp = McpRunner(self._hosts, self._timeout, self._trace(exchange))
        found["mcp"] = mcp
        try:
            yield Runners(found, mcp)
        finally:
            await mcp.close()
