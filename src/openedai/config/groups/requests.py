"""Settings: requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from openedai.config.sources import Secret


@dataclass(frozen=True, init=False)
class Requests:
    """What requests may ask for: images by URL, unknown parameters, tools that the server runs."""

    image_urls: Annotated[
        bool,
        "Fetch images that requests name by URL; never where `offline` is set.",
    ] = True
    image_private_hosts: Annotated[
        tuple[str, ...],
        "Host names, addresses and networks (`10.0.0.0/8`) that images may be fetched "
        "from, besides the public internet.",
    ] = ()
    image_timeout: Annotated[
        float,
        Meta(gt=0),
        "Seconds that fetching one image may take, redirects and all.",
    ] = 10.0
    image_max_count: Annotated[int, Meta(ge=1), "Most images in one request."] = 32
    image_max_bytes: Annotated[
        int, Meta(ge=1024), "Most bytes of all images of a request together."
    ] = 20 << 20
    image_max_pixels: Annotated[
        int, Meta(ge=1024), "Most pixels of all images of a request together."
    ] = 50_000_000
    image_url_lifetime: Annotated[
        float, Meta(gt=0), "Seconds until the URL of a made image expires."
    ] = 3600.0
    unknown_parameters: Annotated[
        Literal["refuse", "warn"],
        "Refuse unknown parameters with a 400, or ignore them with a warning header.",
    ] = "refuse"
    unsupported_tools: Annotated[
        Literal["refuse", "warn"],
        "Refuse tools of responses and assistants that the official API runs itself, such as "
        "`code_interpreter`, and this server does not, or leave them out beside others, with a "
        "warning header.",
    ] = "warn"
    web_search: Annotated[
        Literal["", "searxng", "brave"],
        "The search engine of the tool `web_search` of `/v1/responses`; none if it is empty, and "
        "never where `offline` is set.",
    ] = ""
    web_search_url: Annotated[
        str, "The address of the search engine: of SearXNG, or of another server with Brave's API."
    ] = ""
    web_search_key: Annotated[
        Secret | None, "The key that the search engine asks for: Brave's own does."
    ] = None
    mcp_servers: Annotated[
        bool,
        "Let responses use the tools of MCP servers that requests name; never where `offline` is "
        "set. It needs the extra `mcp`.",
    ] = True
    mcp_private_hosts: Annotated[
        tuple[str, ...],
        "Host names, addresses and networks (`10.0.0.0/8`) whose MCP servers may be used, besides "
        "those of the public internet.",
    ] = ()
    tool_timeout: Annotated[
        float, Meta(gt=0), "Seconds that a tool that the server runs may take for one call."
    ] = 60.0
