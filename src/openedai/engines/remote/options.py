"""Options of the engines that use other servers: addresses, and values from the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta
from yarl import URL

from openedai.engines.options import invalid_options

Seconds = Annotated[float, Meta(gt=0)]

# Compressed answers would be read in larger chunks, and could grow without bound.
NO_COMPRESSION = {"Accept-Encoding": "identity"}


def base_urls(model: str, url: str | None, urls: Sequence[str], *, path: str) -> list[URL]:
    """The addresses that were given as `url` or `urls`, with `path` added unless they have a path.
    Raises EngineFailed.
    """
    if (url is None) == (not urls):
        raise invalid_options(model, "either `url` or `urls` must be given")
    given = urls or (url or "",)
    if len(set(given)) < len(given):
        raise invalid_options(model, "`urls` has the same address twice")
    return [_base(model, text, path) for text in given]


def _base(model: str, text: str, default_path: str) -> URL:
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
    return url.with_path(path or default_path)


def header_value(model: str, name: str, text: str) -> str:
    """The value of a header; `$NAME` is read from the environment. Raises EngineFailed."""
    if text.startswith("$"):
        variable = text[1:]
        if variable not in os.environ:
            raise invalid_options(model, f"the environment has no variable `{variable}`")
        text = os.environ[variable]
    if not (name.isascii() and name.isprintable() and text.isprintable()):
        raise invalid_options(model, "a key or header has characters that cannot be sent")
    return text
