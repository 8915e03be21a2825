"""What chat and completions share: running the engine, folding its events, answering."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.services import Services
from openedai.config import ModelSpec
from openedai.engines.base import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    Generator,
    TextDelta,
    Usage,
)
from openedai.http.envelope import Exchange
from openedai.http.respond import EventStream, first_frame, json_response
from openedai.scheduling.merge import merge

# An event, behind the number of the generation it belongs to.
Indexed = tuple[int, GenerateEvent]


class Renderer(Protocol):
    """Events to the wire, in one of the API's dialects."""

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> Any:
        """Fold all events into one object."""

    def chunks(
        self, events: AsyncGenerator[Indexed, None], *, with_usage: bool
    ) -> AsyncGenerator[bytes, None]:
        """The same as server-sent events."""


async def answer(
    here: Services,
    request: Request,
    spec: ModelSpec,
    wanted: Sequence[GenerateRequest],
    renderer: Renderer,
    *,
    stream: bool,
    with_usage: bool,
    headers: Mapping[str, str],
) -> Response:
    """Run all that is wanted, and answer streamed or whole."""
    events = generate(here, request, spec, wanted)
    if stream:
        frames = renderer.chunks(events, with_usage=with_usage)
        first = await first_frame(frames)
        return EventStream(first, frames, {**headers, **here.limits(spec)})
    whole = await renderer.whole(events)
    return json_response(whole, headers={**headers, **here.limits(spec)})


async def generate(
    here: Services, request: Request, spec: ModelSpec, wanted: Sequence[GenerateRequest]
) -> AsyncGenerator[Indexed, None]:
    """Run every generation under one lease; their events come as they happen."""
    exchange: Exchange = request.scope["exchange"]
    caller: str = request.scope["caller"]
    exchange.facts["model"] = spec.id
    first = True
    async with here.pool.lease(spec, Generator, caller, weight=len(wanted)) as engine:
        streams = [engine.generate(one) for one in wanted]
        async with aclosing(merge(streams, limit=engine.slots)) as events:
            async for index, event in events:
                if first:
                    first = False
                    here.metrics.first_token(spec.id, exchange.seconds)
                if isinstance(event, Finish):
                    here.metrics.used(spec.id, event.usage)
                yield index, event


@dataclass(frozen=True)
class Outcome:
    """What one generation came to."""

    text: str
    finish: Finish


async def fold(events: AsyncGenerator[Indexed, None], count: int) -> list[Outcome]:
    """The outcomes of `count` generations, in their order."""
    texts: list[list[str]] = [[] for _ in range(count)]
    ends: dict[int, Finish] = {}
    async with aclosing(events):
        async for index, event in events:
            match event:
                case TextDelta(text=text):
                    texts[index].append(text)
                case Finish():
                    ends[index] = event
    return [Outcome("".join(pieces), ends[index]) for index, pieces in enumerate(texts)]


def add_usage(finishes: Sequence[Finish], choices: int) -> Usage:
    """The usage of a request with several prompts and `choices` for each.

    A prompt counts once, however many answers it got.
    """
    prompts = [finish.usage for finish in finishes[::choices]]
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in prompts),
        cached_tokens=sum(usage.cached_tokens for usage in prompts),
        completion_tokens=sum(finish.usage.completion_tokens for finish in finishes),
    )
