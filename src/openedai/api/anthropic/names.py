"""Errors of engines, which name the official API's parameters, in the words of this one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from openedai.errors import InvalidRequest


@contextmanager
def renamed(names: Mapping[str, str]) -> Iterator[None]:
    """Let an InvalidRequest of a parameter in `names` name the one that stands for it there."""
    try:
        yield
    except InvalidRequest as error:
        name = names.get(error.param or "")
        if name is not None:
            error.message = error.message.replace(f"'{error.param}'", f"'{name}'")
            error.param = name
        raise
