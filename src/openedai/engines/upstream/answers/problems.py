"""Answers that cannot be used."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.errors import PARAM, Unsupported


class MalformedAnswer(ValueError):
    """An answer that breaks the API. The message says what the upstream did."""


class ReportedError(msgspec.Struct):
    """The base class of stream events: servers report a failure within a stream as `error`, or as
    `object` "error".
    """

    error: Any = None
    object: str | None = None


def ignored(name: str) -> Unsupported:
    """The error for a parameter that the upstream ignored."""
    return Unsupported(
        f"Unsupported parameter: '{PARAM}' has no effect in the upstream of this model.",
        code="unsupported_parameter",
        param=name,
    )
