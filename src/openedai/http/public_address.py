"""The URL of the server for its clients."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request


class PublicAddress:
    """The address at which clients reach the server. It changes when a tunnel is opened.

    `url` has no slash at its end; it is empty for the URL that each request was sent to.
    """

    def __init__(self, url: str = "") -> None:
        self.url = ""
        self.host = ""
        self.set(url)

    def set(self, url: str) -> None:
        """`url` is an http or https URL without query, or empty."""
        self.url = url.rstrip("/")
        self.host = hostname(urlsplit(self.url).netloc)

    def base(self, request: Request) -> str:
        """The base URL of the API's paths, for the client of this request."""
        return self.url or str(request.base_url).rstrip("/")


def hostname(host: str) -> str:
    """The host name of a Host header: without the port, in lower case."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()
