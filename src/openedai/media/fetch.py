"""Fetches images from the URLs of clients, protected against server-side request forgery.

A host name is resolved once, every address is checked, and the connection is made to a checked
address, so a later change of the name has no effect (DNS rebinding). Redirects are checked like the
first URL. Proxies and `.netrc` of the environment are not used.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import aiohttp
from yarl import URL

from openedai import __version__
from openedai.images.bad_image import BadImage
from openedai.images.formats import SNIFF_BYTES, media_type
from openedai.media.addresses import Address, HostPolicy, parse_address
from openedai.media.budget import Budget

Lookup = Callable[[str, int], Sequence[str]]

_MAX_REDIRECTS = 5
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_MAX_URL_LENGTH = 8192
_CHUNK_BYTES = 1 << 16
_LOOKUP_THREADS = 4
_SYSTEM_PORTS = 1024


def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of a host name, from the system. Blocking. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Fetcher:
    """`timeout` is in seconds, for each image, redirects included."""

    def __init__(self, policy: HostPolicy, timeout: float, lookup: Lookup = resolve_host) -> None:
        self._policy = policy
        self._timeout = timeout
        self._lookup = lookup
        # Its own, so that slow name servers delay images only.
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, "image-hosts")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

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
        for address in await self._addresses(host, url.port or 0):
            try:
                return await session.get(
                    url.with_host(str(address)),
                    headers={"Host": _host_header(url)},
                    server_hostname=host if url.scheme == "https" else None,
                    allow_redirects=False,
                )
            except aiohttp.ClientConnectorError as error:
                failure = error
        raise _download_error("its host cannot be reached") from failure

    async def _addresses(self, host: str, port: int) -> list[Address]:
        """All addresses of the host. Raises BadImage if one of them is not allowed."""
        literal = parse_address(host)
        if literal is not None:
            addresses = [literal]
        else:
            loop = asyncio.get_running_loop()
            try:
                found = await loop.run_in_executor(self._threads, self._lookup, host, port)
            except (OSError, UnicodeError) as error:
                raise _download_error("its host is not known") from error
            addresses = [known for known in map(parse_address, found) if known is not None]
        if not all(self._policy.allows(host, address) for address in addresses):
            raise BadImage(
                "Invalid image URL: its host is not on the public internet, and this server may "
                "not fetch from there.",
                code="invalid_image_url",
            )
        return addresses


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
    if len(text) > _MAX_URL_LENGTH:
        raise BadImage(
            f"Invalid image URL: it is longer than {_MAX_URL_LENGTH} characters.",
            code="invalid_image_url",
        )
    try:
        url = URL(text)
        scheme, host, port = url.scheme, url.host, url.port
    except ValueError:
        raise BadImage("Invalid image URL: it cannot be read.", code="invalid_image_url") from None
    if scheme not in ("http", "https") or not host:
        raise BadImage(
            "Invalid image URL: expected an http or https URL, or a data URL with base64.",
            code="invalid_image_url",
        )
    if url.user is not None or url.password is not None:
        raise BadImage("Invalid image URL: it has a user name in it.", code="invalid_image_url")
    if port is None or (port < _SYSTEM_PORTS and port not in (80, 443)):
        raise BadImage(f"Invalid image URL: port {port} is not allowed.", code="invalid_image_url")
    return url


def _host_header(url: URL) -> str:
    """The value of the Host header."""
    host = url.raw_host or ""
    host = f"[{host}]" if ":" in host else host
    return host if url.is_default_port() else f"{host}:{url.port}"


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
