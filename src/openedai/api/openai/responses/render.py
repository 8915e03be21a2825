"""Renders one response, whole or as a stream of events: the same object."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import cache
from typing import TypeVar

from openedai.api.openai.responses.output.builder import ResponseBuilder
from openedai.api.openai.responses.output.events import Event
from openedai.api.openai.responses.output.objects import (
    MessageItem,
    OutputItem,
    Response,
    ResponseModeration,
)
from openedai.api.openai.responses.output.steps import Stepped
from openedai.contract.generate import Finish
from openedai.errors import EngineFailed
from openedai.http.respond import as_api_error, named_frame

T = TypeVar("T")

Moderate = Callable[[str], Awaitable[ResponseModeration]]
"""The scores of the conversation and of the text of its answer."""
Keep = Callable[[Response], Awaitable[None]]


async def keep_nothing(response: Response) -> None:
    return


class ResponseRenderer:
    """`moderate` is called with the text of the complete answer, if it is to be scored. `keep` is
    called with the response before its last event is sent, or before it is returned whole.

    With `error_events` errors have events of their own.
    """

    def __init__(
        self,
        builder: ResponseBuilder,
        moderate: Moderate | None = None,
        keep: Keep = keep_nothing,
        *,
        error_events: bool = True,
    ) -> None:
        self._builder = builder
        self._moderate = moderate
        self._keep = keep
        self._error_events = error_events

    async def whole(self, events: AsyncGenerator[Stepped, None]) -> Response:
        self._builder.start()
        async with aclosing(events):
            async for _, event in events:
                if isinstance(event, Finish):
                    await self._end(event)
                else:
                    self._builder.add(event)
        response = self._finished()
        await self._keep(response)
        return response

    def chunks(self, events: AsyncGenerator[Stepped, None]) -> AsyncGenerator[bytes, None]:
        return self._rendered(events, frame)

    def events(self, events: AsyncGenerator[Stepped, None]) -> AsyncGenerator[Event, None]:
        """The events of the response. A failure after the first event is reported as an event."""
        return self._rendered(events, _as_it_is)

    async def _rendered(
        self, events: AsyncGenerator[Stepped, None], render: Callable[[Event], T]
    ) -> AsyncGenerator[T, None]:
        builder, started = self._builder, False
        try:
            async with aclosing(events):
                async for _, event in events:
                    if not started:
                        started = True
                        for one in builder.start():
                            yield render(one)
                    if isinstance(event, Finish):
                        made: Iterable[Event] = await self._end(event)
                        await self._keep(builder.response)
                    else:
                        made = builder.add(event)
                    for one in made:
                        yield render(one)
            self._finished()
        except Exception as error:
            if not started:
                raise
            made = builder.fail(as_api_error(error), in_error_event=self._error_events)
            await self._keep(builder.response)
            for one in made:
                yield render(one)

    async def _end(self, finish: Finish) -> list[Event]:
        if self._moderate is None:
            return self._builder.end(finish)
        closing = self._builder.close(finish)
        moderation = await self._moderate("".join(_texts(self._builder.items)))
        return [*closing, *self._builder.end(finish, moderation)]

    def _finished(self) -> Response:
        """Raises EngineFailed if the generation ended without saying why."""
        if self._builder.response.status == "in_progress":
            raise EngineFailed("The engine ended its answer without saying why.")
        return self._builder.response


def _as_it_is(event: Event) -> Event:
    return event


def frame(event: Event) -> bytes:
    """An event as one frame of a stream."""
    return named_frame(_name(type(event)), event)


@cache
def _name(event_type: type[Event]) -> bytes:
    return str(event_type.__struct_config__.tag).encode()


def _texts(items: Iterable[OutputItem]) -> Iterator[str]:
    for item in items:
        if isinstance(item, MessageItem):
            yield from (part.text for part in item.content)
