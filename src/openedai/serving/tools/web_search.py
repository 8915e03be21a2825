"""Searches the web with the search engine that the settings name."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from openedai import __version__
from openedai.serving.tools.failed import ToolFailed

SearchEngine = Literal["searxng", "brave"]

_BRAVE = "https://api.search.brave.com/res/v1"
_MAX_BYTES = 4 << 20  # of an answer
_MAX_TEXT = 2000  # characters of a result
_MAX_QUERY = 400  # characters
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


@dataclass(frozen=True)
class Page:
    """A page that was found; `text` is the part of it that the search engine shows."""

    url: str
    title: str
    text: str


@dataclass(frozen=True)
class WebQuery:
    """`domains` are those whose pages may be found, subdomains included; empty for all. `country`
    is a code of two letters.
    """

    text: str
    count: int
    domains: Sequence[str] = ()
    country: str | None = None


class _Result(msgspec.Struct):
    url: str = ""
    title: str | None = None
    content: str | None = None
    description: str | None = None


class _Searxng(msgspec.Struct):
    results: list[_Result]


class _Web(msgspec.Struct):
    results: list[_Result] = []


class _Brave(msgspec.Struct):
    web: _Web = msgspec.field(default_factory=_Web)


class WebSearch:
    """`url` is the engine's; empty for Brave's own. `timeout` is in seconds, for each search."""

    def __init__(self, engine: SearchEngine, url: str, key: str, timeout: float) -> None:
        self._engine = engine
        self._url = (url or _BRAVE).rstrip("/")
        self._key = key
        self._timeout = timeout

    async def search(self, query: WebQuery, trace: Mapping[str, str]) -> tuple[Page, ...]:
        """At most `count` pages, the best first. `trace` are the headers of a request's trace.
        Raises ToolFailed.
        """
        if not query.text.strip():
            raise ToolFailed("The query is empty.")
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._answer(query, trace)
        except TimeoutError:
            raise ToolFailed(
                f"The search engine did not answer within {self._timeout:g} seconds."
            ) from None
        try:
            results = self._results(answer)
        except (msgspec.DecodeError, RecursionError):
            raise ToolFailed("The search engine's answer cannot be read.") from None
        found = {page.url: page for page in map(_page, results) if _is_allowed(page.url, query)}
        return tuple(found.values())[: query.count]

    def _results(self, answer: bytes) -> list[_Result]:
        if self._engine == "searxng":
            return msgspec.json.decode(answer, type=_Searxng).results
        return msgspec.json.decode(answer, type=_Brave).web.results

    def _request(self, query: WebQuery) -> tuple[str, dict[str, str], dict[str, str]]:
        """The URL, its parameters, and the headers."""
        sites = " OR ".join(f"site:{domain}" for domain in query.domains)
        text = query.text[:_MAX_QUERY]
        text = f"{text} ({sites})" if sites else text
        if self._engine == "searxng":
            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            return f"{self._url}/search", {"q": text, "format": "json"}, headers
        parameters = {"q": text, "count": str(query.count), "result_filter": "web"}
        if query.country is not None:
            parameters["country"] = query.country.upper()
        return f"{self._url}/web/search", parameters, {"X-Subscription-Token": self._key}

    async def _answer(self, query: WebQuery, trace: Mapping[str, str]) -> bytes:
        import aiohttp

        url, parameters, headers = self._request(query)
        headers |= {"Accept": "application/json", "User-Agent": f"OpenedAI/{__version__}", **trace}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
                session.get(
                    url, params=parameters, headers=headers, allow_redirects=False
                ) as response,
            ):
                if response.status != 200:
                    raise ToolFailed(
                        f"The search engine answered with the status {response.status}."
                    )
                chunks, size = list[bytes](), 0
                async for chunk in response.content.iter_any():
                    size += len(chunk)
                    if size > _MAX_BYTES:
                        raise ToolFailed("The search engine's answer is too large.")
                    chunks.append(chunk)
                return b"".join(chunks)
        except (aiohttp.ClientError, OSError) as error:
            raise ToolFailed("The search engine cannot be reached.") from error


def _page(result: _Result) -> Page:
    text = result.content or result.description or ""
    return Page(result.url, _plain(result.title or "", 200), _plain(text, _MAX_TEXT))


def _plain(text: str, limit: int) -> str:
    """The text without the HTML tags with which engines highlight matches."""
    return " ".join(html.unescape(_TAG.sub("", text)).split())[:limit]


def _is_allowed(url: str, query: WebQuery) -> bool:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host:
        return False
    domains = [domain.lower().strip(".") for domain in query.domains]
    return not domains or any(host == one or host.endswith(f".{one}") for one in domains)
