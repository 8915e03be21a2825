"""The last lines of the server's log, and those to come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.console.admin import require_admin
from openedai.http.exchange import exchange_of
from openedai.http.respond import EventStream, data_frame
from openedai.serving.models.loading import Loading
from openedai.serving.monitoring.recent_logs import LogLine, RecentLogs

_SECONDS = 0.5


class ConsoleLogs:
    def __init__(self, recent: RecentLogs, loading: Loading) -> None:
        self._recent = recent
        self._loading = loading

    async def follow(self, request: Request) -> Response:
        """Lists of lines: the recent ones, then new ones as they come, until the client leaves or
        the server stops.
        """
        exchange = exchange_of(request.scope)
        require_admin(exchange)
        lines = self._recent.after(0)
        return EventStream(exchange, data_frame(lines), self._new(_last(lines, 0)))

    async def _new(self, number: int) -> AsyncGenerator[bytes, None]:
        while self._loading.status().accepting:
            await asyncio.sleep(_SECONDS)
            if lines := self._recent.after(number):
                number = _last(lines, number)
                yield data_frame(lines)


def _last(lines: Sequence[LogLine], number: int) -> int:
    return lines[-1].number if lines else number
