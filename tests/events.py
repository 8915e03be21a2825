"""The events of a generation, gathered and folded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing

from openedai.contract.engine import Generator
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    TextDelta,
    TokenLogprob,
)


async def collect(engine: Generator, request: GenerateRequest) -> list[GenerateEvent]:
    """Every event of the answer."""
    async with aclosing(engine.generate(request)) as events:
        return [event async for event in events]


def text_of(events: Iterable[GenerateEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def logprobs_of(events: Iterable[GenerateEvent]) -> list[TokenLogprob]:
    deltas = (event for event in events if isinstance(event, TextDelta))
    return [token for delta in deltas for token in delta.logprobs]


def finish_of(events: Sequence[GenerateEvent]) -> Finish:
    """The last event, which must be the Finish."""
    finish = events[-1]
    assert isinstance(finish, Finish)
    return finish
