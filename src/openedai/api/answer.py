"""A generation as an answer: whole or streamed, in any dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from openedai.catalog.catalog import Model
from openedai.contract.generate import GenerateRequest
from openedai.http.dialects import OFFICIAL, Dialect
from openedai.http.respond import EventStream, first_frame, json_response
from openedai.serving.generation import Indexed, generate
from openedai.serving.services import Services


class Renderer(Protocol):
    """Events to the wire, in one of the API's dialects."""

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> Any:
        """Fold all events into one object."""

    def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        """The same as the frames of a stream."""


async def answer(
    here: Services,
    request: Request,
    model: Model,
    wanted: Sequence[GenerateRequest],
    renderer: Renderer,
    *,
    stream: bool,
    headers: Mapping[str, str],
    dialect: Dialect = OFFICIAL,
) -> Response:
    """Run all that is wanted, and answer whole or streamed."""
    events = generate(here, request, model, wanted)
    if stream:
        frames = renderer.chunks(events)
        first = await first_frame(frames)
        return EventStream(first, frames, {**headers, **here.limits(model.spec)}, dialect)
    whole = await renderer.whole(events)
    return json_response(whole, headers={**headers, **here.limits(model.spec)})
