"""Errors of the engine, said of the parameters that an older endpoint's body has."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from openedai.errors import InvalidRequest
from openedai.serving.generation import Indexed


async def renamed(
    events: AsyncGenerator[Indexed, None], **names: str
) -> AsyncGenerator[Indexed, None]:
    """The events; an error of a parameter in `names` is one of the parameter that it has there."""
    async with aclosing(events):
        try:
            async for indexed in events:
                yield indexed
        except InvalidRequest as error:
            name = names.get(error.param or "")
            if name is None:
                raise
            raise InvalidRequest(error.message, code=error.code, param=name) from error
