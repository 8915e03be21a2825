"""Errors of engines, which name the official API's parameters, in the words of this one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from openedai.errors import InvalidRequest

_NAMES = {"reasoning_effort": "thinking", "response_format": "output_config.format"}


@contextmanager
def renamed() -> Iterator[None]:
    """Let an InvalidRequest name the parameter that stands here for the one it names."""
    try:
        yield
    except InvalidRequest as error:
        name = _NAMES.get(error.param or "")
        if name is not None:
            error.message = error.message.replace(f"'{error.param}'", f"'{name}'")
            error.param = name
        raise
