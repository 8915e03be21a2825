"""Images from http and https URLs that a client names, without being led where it must not go.

A host's addresses are looked up once, each is checked, and the connection is made to one of
them by its number: what the name means a moment later does not matter. Each redirect is checked
as the first URL was. Nothing of the environment is used: no proxy, no password of `.netrc`.
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
from openedai.media.addresses import Address, Permission, as_address
from openedai.media.budget import Budget
from openedai.media.image_formats import SNIFFED, media_type
from openedai.media.problem import BadImage

Lookup = Callable[[str, int], Sequence[str]]

_REDIRECTS = 5
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_LONGEST_URL = 8192
_PIECE = 1 << 16
_LOOKUPS = 4
_SYSTEM_PORTS = 1024


def addresses_of(host: str, port: int) -> Sequence[str]:
    """As the system knows them. Blocking. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Fetcher:
    """`timeout` is in seconds, for everything that one image takes."""

    def __init__(
        self, permission: Permission, timeout: float, lookup: Lookup = addresses_of
    ) -> None:
        self._permission = permission
        self._timeout = timeout
        self._lookup = lookup
        # Of its own, so that slow name servers hold up nothing but images.
        self._threads = ThreadPoolExecutor(_LOOKUPS, "image-hosts")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def fetch(self, url: str, budget: Budget) -> bytes:
        """The file behind the URL, which begins as an image does. Raises BadImage."""
        try:
            async with asyncio.timeout(self._timeout), _session() as session:
                return await self._follow(session, _parsed(url), budget)
        except TimeoutError:
            raise _failed(f"it took longer than {self._timeout:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, BadImage):
                raise
            raise _failed("the connection to its host failed") from error

    async def _follow(self, session: aiohttp.ClientSession, url: URL, budget: Budget) -> bytes:
        for _ in range(_REDIRECTS + 1):
            response = await self._ask(session, url)
            async with response:
                if response.status not in _REDIRECTED or "location" not in response.headers:
                    return await _body(response, budget)
                url = _parsed(str(url.join(URL(response.headers["location"]))))
        raise _failed(f"it was redirected more than {_REDIRECTS} times")

    async def _ask(self, session: aiohttp.ClientSession, url: URL) -> aiohttp.ClientResponse:
        """Connect to the first of the host's addresses that can be reached."""
        host = url.raw_host or ""
        failure: Exception | None = None
        for address in await self._addresses(host, url.port or 0):
            try:
                return await session.get(
                    url.with_host(str(address)),
                    headers={"Host": _authority(url)},
                    server_hostname=host if url.scheme == "https" else None,
                    allow_redirects=False,
                )
            except aiohttp.ClientConnectorError as error:
                failure = error
        raise _failed("its host cannot be reached") from failure

    async def _addresses(self, host: str, port: int) -> list[Address]:
        """All addresses of the host; if one of them may not be asked, none may."""
        written = as_address(host)
        if written is not None:
            addresses = [written]
        else:
            loop = asyncio.get_running_loop()
            try:
                found = await loop.run_in_executor(self._threads, self._lookup, host, port)
            except (OSError, UnicodeError) as error:
                raise _failed("its host is not known") from error
            addresses = [known for known in map(as_address, found) if known is not None]
        if not all(self._permission.covers(host, address) for address in addresses):
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


def _parsed(text: str) -> URL:
    """Raises BadImage for a URL that is not fetched from, whatever its host is."""
    if len(text) > _LONGEST_URL:
        raise BadImage(
            f"Invalid image URL: it is longer than {_LONGEST_URL} characters.",
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


def _authority(url: URL) -> str:
    """The host as the header names it."""
    host = url.raw_host or ""
    host = f"[{host}]" if ":" in host else host
    return host if url.is_default_port() else f"{host}:{url.port}"


async def _body(response: aiohttp.ClientResponse, budget: Budget) -> bytes:
    """Never more of it than the budget has. Raises BadImage."""
    if response.status != HTTPStatus.OK:
        raise _failed(f"its host answered with the status {response.status}")
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise _failed("its host sent it compressed, though it was asked not to")
    if response.content_length is not None:
        budget.require_bytes(response.content_length)
    pieces: list[bytes] = []
    head = b""
    async for piece in response.content.iter_chunked(_PIECE):
        budget.take_bytes(len(piece))
        pieces.append(piece)
        if len(head) < SNIFFED:
            head += piece[:SNIFFED]
            if len(head) >= SNIFFED:
                media_type(head)
    return b"".join(pieces)


def _failed(why: str) -> BadImage:
    return BadImage(f"Error while downloading the image: {why}.", code="invalid_image_url")
