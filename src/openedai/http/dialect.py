"""The differences between the server's APIs that concern all endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from openedai.errors import APIError
from openedai.http.rate_limits import RateLimit, rate_limit_headers


@dataclass(frozen=True)
class Dialect:
    """The format of errors and streams in one API.

    `error_body` returns an error's JSON value, `error_frame` the same as the last frame of a stream
    of the type `media_type`; both also get the request's id. With `accepts_no_type` JSON may have
    no content type, or that of a text or a form, unless a browser sent it.
    """

    error_body: Callable[[APIError, str], Any]
    error_frame: Callable[[APIError, str], bytes]
    media_type: str = "text/event-stream"
    accepts_no_type: bool = False
    rate_limit_headers: Callable[[Mapping[str, RateLimit]], Iterable[tuple[bytes, bytes]]] = (
        rate_limit_headers
    )
