"""The options of an upstream, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from yarl import URL

from openedai.engines.options import invalid_options, parse_options
from openedai.engines.remote.options import NO_COMPRESSION, Seconds, base_urls, header_value

Server = Literal[
    "openai", "openedai", "llama.cpp", "vllm", "sglang", "ollama", "lmstudio", "textgen"
]
Capability = Literal[
    "chat",
    "embedding",
    "rerank",
    "transcription",
    "speech",
    "image",
    "moderation",
    "image_moderation",
]


class UpstreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model. Times are in seconds. A `key` or header that begins with `$` names
    a variable of the environment.
    """

    url: str | None = None
    urls: tuple[str, ...] = ()
    server: Server = "openai"
    key: str | None = None
    model: str | None = None
    names: dict[str, str] = {}
    headers: dict[str, str] = {}
    capabilities: tuple[Capability, ...] = ()
    slots: Annotated[int, Meta(ge=1)] = 64
    retries: Annotated[int, Meta(ge=0)] = 2
    connect_timeout: Seconds = 5.0
    first_byte_timeout: Seconds = 300.0
    idle_timeout: Seconds = 120.0
    health_interval: Annotated[float, Meta(ge=0)] = 10.0


def read_options(model: str, options: Mapping[str, Any]) -> UpstreamOptions:
    """The options of a model, checked. Raises EngineFailed, which never quotes a key."""
    return parse_options(UpstreamOptions, model, options)


def addresses(model: str, options: UpstreamOptions) -> list[URL]:
    """The base of each replica's API: with the path `/v1` unless another was given. Raises
    EngineFailed.
    """
    return base_urls(model, options.url, options.urls, path="/v1")


def request_headers(model: str, options: UpstreamOptions) -> dict[str, str]:
    """The headers of every request, keys included. Raises EngineFailed."""
    named = dict(options.headers)
    if options.key is not None:
        named["Authorization"] = options.key
    headers = {name: header_value(model, name, text) for name, text in named.items()}
    if options.key is not None:
        if not headers["Authorization"]:
            raise invalid_options(model, "the `key` is empty")
        headers["Authorization"] = f"Bearer {headers['Authorization']}"
    return {**NO_COMPRESSION, **headers}
