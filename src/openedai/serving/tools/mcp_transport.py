"""How the MCP library's client reaches servers: at checked addresses, and within limits.

It imports the library's HTTP client, so it is imported where it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import aiohttp
import httpx2
from yarl import URL

from openedai import __version__
from openedai.media.hosts import BadUrl, ForbiddenHost, Hosts, UnknownHost, host_header, parse_url

_MAX_BYTES = 8 << 20  # of an answer
_CLOSE_SECONDS = 2.0  # for the request that ends a session
# Headers that the connection itself sets.
_OWN_HEADERS = frozenset({"accept-encoding", "connection", "content-length", "host"})


class CheckedTransport(httpx2.AsyncBaseTransport):
    """`timeout` is in seconds, until an answer begins. `status` is that of the last message's
    answer, 0 before one; `failure` says what failed, if something did.
    """

    def __init__(self, hosts: Hosts, timeout: float) -> None:
        self._hosts = hosts
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self.status = 0
        self.failure = ""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        timeout = self._timeout if request.method != "DELETE" else _CLOSE_SECONDS
        body = await request.aread()
        if request.method == "POST":
            self.failure = ""
        try:
            async with asyncio.timeout(timeout):
                response = await self._send(request, parse_url(str(request.url)), body)
        except TimeoutError:
            raise self._failed(f"it did not answer within {timeout:g} seconds") from None
        except BadUrl as error:
            raise self._failed(f"its URL is not valid: {error}") from None
        except UnknownHost:
            raise self._failed("its host is not known") from None
        except ForbiddenHost:
            raise self._failed(
                "its host is not on the public internet; `mcp_private_hosts` can allow it"
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._failed("it cannot be reached") from error
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            response.close()
            raise self._failed("its answer is compressed, though it was asked not to be")
        if request.method == "POST" or not self.status:  # other requests may fail
            self.status = response.status
        return httpx2.Response(
            response.status,
            headers=[(bytes(name), bytes(value)) for name, value in response.raw_headers],
            stream=_Answer(response, self),
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, request: httpx2.Request, url: URL, body: bytes) -> aiohttp.ClientResponse:
        """Send the request to the first address of the host that accepts a connection."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
            )
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _OWN_HEADERS
        }
        headers |= {
            "Host": host_header(url),
            "Accept-Encoding": "identity",
            "User-Agent": f"OpenedAI/{__version__}",
        }
        failure: Exception | None = None
        for address in await self._hosts.addresses(url):
            try:
                return await self._session.request(
                    request.method,
                    url.with_host(str(address)),
                    data=body or None,
                    headers=headers,
                    server_hostname=url.raw_host if url.scheme == "https" else None,
                    allow_redirects=False,
                )
            except aiohttp.ClientConnectorError as error:
                failure = error
        raise failure or OSError("no address")

    def _failed(self, reason: str) -> httpx2.TransportError:
        self.failure = reason
        return httpx2.TransportError(reason)

    def too_large(self) -> httpx2.TransportError:
        return self._failed("its answer is too large")


class _Answer(httpx2.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, transport: CheckedTransport) -> None:
        self._response = response
        self._transport = transport

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        size = 0
        async for chunk in self._response.content.iter_any():
            size += len(chunk)
            if size > _MAX_BYTES:
                raise self._transport.too_large()
            yield chunk

    async def aclose(self) -> None:
        self._response.close()
