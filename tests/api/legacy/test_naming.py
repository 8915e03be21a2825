"""Errors of engines, as older bodies name what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from openedai.api.legacy.naming import renamed
from openedai.contract.generate import TextDelta
from openedai.errors import APIError, EngineFailed, ModelNotFound, Unsupported
from openedai.serving.generation import Indexed


class Failing:
    """Events that end with an error, and know whether they were closed."""

    def __init__(self, error: APIError) -> None:
        self.error = error
        self.closed = False

    async def events(self) -> AsyncGenerator[Indexed, None]:
        try:
            yield 0, TextDelta(text="a")
            raise self.error
        finally:
            self.closed = True


def failure(error: APIError) -> APIError:
    async def go() -> None:
        async for _ in renamed(Failing(error).events(), grammar="labels"):
            pass

    with pytest.raises(APIError) as caught:
        asyncio.run(go())
    return caught.value


def test_a_named_parameter_is_renamed() -> None:
    error = failure(Unsupported("No grammars.", code="unsupported_parameter", param="grammar"))
    assert (error.status, error.code, error.param) == (400, "unsupported_parameter", "labels")
    assert error.message == "No grammars."


@pytest.mark.parametrize(
    "error", [Unsupported("No.", param="top_p"), ModelNotFound("m"), EngineFailed("No.")]
)
def test_any_other_error_stays(error: APIError) -> None:
    assert failure(error) is error


def test_who_leaves_closes_the_events() -> None:
    failing = Failing(EngineFailed("Never reached."))

    async def go() -> None:
        events = renamed(failing.events(), prompt="query")
        assert await anext(events) == (0, TextDelta(text="a"))
        await events.aclose()

    asyncio.run(go())
    assert failing.closed
