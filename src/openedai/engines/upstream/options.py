"""The options of an upstream, and their checks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from yarl import URL

from openedai.engines.options import invalid_options, parse_options

Server = Literal[
    "openai", "openedai", "llama.cpp", "vllm", "sglang", "ollama", "lmstudio", "textgen"
]
Seconds = Annotated[float, Meta(gt=0)]


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
    slots: Annotated[int, Meta(ge=1)] = 64
    retries: Annotated[int, Meta(ge=0)] = 2
    connect_timeout: Seconds = 5.0
    first_byte_timeout: Seconds = 300.0
    idle_timeout: Seconds = 120.0
    health_interval: Annotated[float, Meta(ge=0)] = 10.0


def read_options(model: str, options: Mapping[str, Any]) -> UpstreamOptions:
    """The options of a model, checked. Raises EngineFailed, which never quotes a key."""
    known = parse_options(UpstreamOptions, model, options)
    if (known.url is None) == (not known.urls):
        raise invalid_options(model, "either `url` or `urls` must be given")
    return known


def addresses(model: str, options: UpstreamOptions) -> list[URL]:
    """The base of each replica's API: with the path `/v1` unless another was given. Raises
    EngineFailed.
    """
    given = options.urls or (options.url or "",)
    if len(set(given)) < len(given):
        raise invalid_options(model, "`urls` has the same address twice")
    return [_base(model, text) for text in given]


def _base(model: str, text: str) -> URL:
    try:
        url = URL(text)
    except ValueError:
        raise invalid_options(model, "the `url` is not valid") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise invalid_options(
            model, "the `url` must begin with http:// or https:// and name a host"
        )
    if url.user or url.password or url.query_string or url.fragment:
        raise invalid_options(
            model, "the `url` may have no user, query or fragment; keys go into `key`"
        )
    path = url.path.rstrip("/")
    return url.with_path(path or "/v1")


def request_headers(model: str, options: UpstreamOptions) -> dict[str, str]:
    """The headers of every request, keys included. Raises EngineFailed."""
    named = dict(options.headers)
    if options.key is not None:
        named["Authorization"] = options.key
    headers = {name: _value(model, name, text) for name, text in named.items()}
    if options.key is not None:
        if not headers["Authorization"]:
            raise invalid_options(model, "the `key` is empty")
        headers["Authorization"] = f"Bearer {headers['Authorization']}"
    # Compressed answers would be read in larger pieces, and could grow without bound.
    return {"Accept-Encoding": "identity", **headers}


def _value(model: str, name: str, text: str) -> str:
    if text.startswith("$"):
        variable = text[1:]
        if variable not in os.environ:
            raise invalid_options(model, f"the environment has no variable `{variable}`")
        text = os.environ[variable]
    if not (name.isascii() and name.isprintable() and text.isprintable()):
        raise invalid_options(model, "a key or header has characters that cannot be sent")
    return text
