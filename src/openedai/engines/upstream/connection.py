"""The streams of events that an upstream answers with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from openedai.engines.remote.connection import Connections, Timeout
from openedai.engines.upstream.answers.sse import EventParser, EventTooLong, is_done

if TYPE_CHECKING:
    import aiohttp

_DRAIN_TIMEOUT = 0.25  # seconds for the rest of a body whose last event was read


@dataclass(frozen=True)
class Streams(Connections):
    """Connections whose answers may be streams."""

    idle_timeout: float

    async def events(
        self, response: aiohttp.ClientResponse, timeout: Timeout
    ) -> AsyncGenerator[bytes, None]:
        """The data of each event of a stream, up to its end or to `[DONE]`.

        `timeout` is for the first event; each line after it has `idle_timeout` seconds.
        """
        if "event-stream" not in response.headers.get("content-type", ""):
            body = await self.error_body(response)
            raise self._not_a_stream(body)
        parser, lines, started = EventParser(), 0, False
        while chunk := await self.read_chunk(response, timeout, started=started):
            try:
                events = parser.feed(chunk)
            except EventTooLong as error:
                raise self.failures.broken("sent an event without an end") from error
            for event in events:
                if is_done(event):
                    await _drain(response)
                    return
                started = True
                yield event
            if started and parser.lines > lines:
                timeout = Timeout(self.idle_timeout)
            lines = parser.lines
        for event in parser.end():
            if not is_done(event):
                yield event

    def _not_a_stream(self, body: bytes) -> Exception:
        """Some servers report errors with status 200."""
        with contextlib.suppress(msgspec.DecodeError):
            value: Any = msgspec.json.decode(body)
            if isinstance(value, dict) and value.get("error"):
                return self.failures.of_event(value, "messages")
        return self.failures.broken("answered with something that is no stream of events")


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read to the end of the body, so that the connection can be reused."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_DRAIN_TIMEOUT):
            while await response.content.readany():
                pass
