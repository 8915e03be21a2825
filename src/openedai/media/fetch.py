"""Fetches images from the URLs of clients, protected against server-side request forgery.

Connections are made to checked addresses only. Redirects are checked like the first URL. Proxies
and `.netrc` of the environment are not used.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import aiohttp
from yarl import URL

from openedai import __version__
from openedai.images.bad_image import BadImage
from openedai.images.formats import SNIFF_BYTES, media_type
from openedai.media.addresses import Address, HostPolicy
from openedai.media.budget import Budget
from openedai.media.hosts import (
    BadUrl,
    ForbiddenHost,
    Hosts,
    Lookup,
    UnknownHost,
    host_header,
    parse_url,
    resolve_host,
)

_MAX_REDIRECTS = 5
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 1 << 16


class Fetcher:
    """`timeout` is in seconds, for each image, redirects included."""

    def __init__(self, policy: HostPolicy, timeout: float, lookup: Lookup = resolve_host) -> None:
        self._timeout = timeout
        self._hosts = Hosts(policy, "image-hosts", lookup)

    def close(self) -> None:
        self._hosts.close()

    async def fetch(self, url: str, budget: Budget) -> bytes:
        """The file at the URL, which begins like an image. Raises BadImage."""
        try:
            async with asyncio.timeout(self._timeout), _session() as session:
                return await self._follow(session, _parse_url(url), budget)
        except TimeoutError:
            raise _download_error(f"it took longer than {self._timeout:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, BadImage):
                raise
            raise _download_error("the connection to its host failed") from error

    async def _follow(self, session: aiohttp.ClientSession, url: URL, budget: Budget) -> bytes:
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._connect(session, url)
            async with response:
                if response.status not in _REDIRECT_STATUSES or "location" not in response.headers:
                    return await _read_body(response, budget)
                url = _parse_url(str(url.join(URL(response.headers["location"]))))
        raise _download_error(f"it was redirected more than {_MAX_REDIRECTS} times")

    async def _connect(self, session: aiohttp.ClientSession, url: URL) -> aiohttp.ClientResponse:
        """Send the request to the first address of the host that accepts a connection."""
        host = url.raw_host or ""
        failure: Exception | None = None
        for address in await self._addresses(url):
            try:
                return await session.get(
                    url.with_host(str(address)),
                    headers={"Host": host_header(url)},
                    server_hostname=host if url.scheme == "https" else None,
                    allow_redirects=False,
                )
            except aiohttp.ClientConnectorError as error:
                failure = error
        raise _download_error("its host cannot be reached") from failure

    async def _addresses(self, url: URL) -> list[Address]:
        """All addresses of the host. Raises BadImage if one of them is not allowed."""
        try:
            return await self._hosts.addresses(url)
        except UnknownHost as error:
            raise _download_error("its host is not known") from error
        except ForbiddenHost:
            raise BadImage(
                "Invalid image URL: its host is not on the public internet. The server's setting "
                "`image_private_hosts` can allow it.",
                code="invalid_image_url",
            ) from None


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "User-Agent": f"OpenedAI/{__version__}",
            "Accept": "image/png, image/jpeg, image/gif, image/bmp, image/webp;q=0.5",
            "Accept-Encoding": "identity",
        },
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        trust_env=False,
    )


def _parse_url(text: str) -> URL:
    """Raises BadImage for a URL that is not allowed for any host."""
    try:
        return parse_url(text)
    except BadUrl as error:
        raise BadImage(f"Invalid image URL: {error}.", code="invalid_image_url") from None


async def _read_body(response: aiohttp.ClientResponse, budget: Budget) -> bytes:
    """Read at most what the budget allows. Raises BadImage."""
    if response.status != HTTPStatus.OK:
        raise _download_error(f"its host answered with the status {response.status}")
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise _download_error("its host sent it compressed, though it was asked not to")
    if response.content_length is not None:
        budget.require_bytes(response.content_length)
    chunks: list[bytes] = []
    head = b""
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        budget.take_bytes(len(chunk))
        chunks.append(chunk)
        if len(head) < SNIFF_BYTES:
            head += chunk[:SNIFF_BYTES]
            if len(head) >= SNIFF_BYTES:
                media_type(head)
    return b"".join(chunks)


def _download_error(reason: str) -> BadImage:
    return BadImage(f"Error while downloading the image: {reason}.", code="invalid_image_url")
