"""Errors about the prompt, named as the body of an older endpoint names it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from openedai.api.generation import Indexed
from openedai.errors import InvalidRequest

TOO_LONG = "context_length_exceeded"


async def prompt_named(
    param: str, events: AsyncGenerator[Indexed, None]
) -> AsyncGenerator[Indexed, None]:
    """The events; a prompt that does not fit the model's context is an error of `param`."""
    async with aclosing(events):
        try:
            async for indexed in events:
                yield indexed
        except InvalidRequest as error:
            if error.code != TOO_LONG:
                raise
            raise InvalidRequest(error.message, code=error.code, param=param) from error
