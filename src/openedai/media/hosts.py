"""URLs of clients that the server connects to, and the checked addresses of their hosts.

A host name is resolved once, every address is checked, and connections are made to the checked
addresses, so a later change of the name has no effect (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from openedai.media.addresses import Address, HostPolicy, parse_address

if TYPE_CHECKING:
    from yarl import URL

Lookup = Callable[[str, int], Sequence[str]]

_MAX_URL_LENGTH = 8192
_LOOKUP_THREADS = 4
_SYSTEM_PORTS = 1024


class BadUrl(Exception):
    """A URL that the server does not connect to. The text says why, as the rest of a sentence that
    begins with "the URL".
    """


class UnknownHost(Exception):
    """A host whose name cannot be resolved."""


class ForbiddenHost(Exception):
    """A host of which an address is not allowed."""


def parse_url(text: str) -> URL:
    """Raises BadUrl for a URL that is not allowed for any host."""
    from yarl import URL

    if len(text) > _MAX_URL_LENGTH:
        raise BadUrl(f"it is longer than {_MAX_URL_LENGTH} characters")
    try:
        url = URL(text)
        scheme, host, port = url.scheme, url.host, url.port
    except ValueError:
        raise BadUrl("it cannot be read") from None
    if scheme not in ("http", "https") or not host:
        raise BadUrl("expected an http or https URL")
    if url.user is not None or url.password is not None:
        raise BadUrl("it has a user name in it")
    if port is None or (port < _SYSTEM_PORTS and port not in (80, 443)):
        raise BadUrl(f"port {port} is not allowed")
    return url


def host_header(url: URL) -> str:
    """The value of the Host header."""
    host = url.raw_host or ""
    host = f"[{host}]" if ":" in host else host
    return host if url.is_default_port() else f"{host}:{url.port}"


def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of a host name, from the system. Blocking. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Hosts:
    """Resolves the names of hosts for one purpose, so that slow name servers delay nothing else."""

    def __init__(self, policy: HostPolicy, purpose: str, lookup: Lookup = resolve_host) -> None:
        self._policy = policy
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, purpose)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def addresses(self, url: URL) -> list[Address]:
        """All addresses of the URL's host. Raises UnknownHost and ForbiddenHost."""
        host = url.raw_host or ""
        literal = parse_address(host)
        if literal is not None:
            addresses = [literal]
        else:
            loop = asyncio.get_running_loop()
            try:
                found = await loop.run_in_executor(self._threads, self._lookup, host, url.port or 0)
            except (OSError, UnicodeError) as error:
                raise UnknownHost(host) from error
            addresses = [known for known in map(parse_address, found) if known is not None]
        if not all(self._policy.allows(host, address) for address in addresses):
            raise ForbiddenHost(host)
        return addresses
