"""Records what finished requests used of models, their tool calls, and sessions of code."""

from __future__ import annotations

import time

from openedai.http.exchange import Exchange
from openedai.http.server.envelope import CLIENT_LEFT
from openedai.http.uses import Use
from openedai.serving.usage.kinds import CODE_SESSIONS, TOOL_KINDS
from openedai.serving.usage.prices import FREE, Prices
from openedai.serving.usage.writing import UsageWriter
from openedai.store.ids import ordered_id
from openedai.store.usage.records import UsageRecord


class UsageRecording:
    """A `Recorder` of exchanges that used a model, named one but failed before using it, or made a
    container.
    """

    def __init__(self, writer: UsageWriter, prices: Prices) -> None:
        self.writer = writer
        self._prices = prices

    def record(self, exchange: Exchange, route: str) -> None:
        self._record_models(exchange, route)
        for _ in exchange.containers:
            self._add_other(exchange, route, CODE_SESSIONS)

    def _record_models(self, exchange: Exchange, route: str) -> None:
        uses = exchange.uses.values()
        if not uses:
            if exchange.model is None or exchange.status < 400 or _gave_way(exchange):
                return
            self._add(exchange, route, Use(exchange.model or "", "", ""), whole=True)
            return
        main = max(uses, key=lambda use: use.model == exchange.model)
        for use in uses:
            self._add(exchange, route, use, whole=use is main)
        counted: set[str] = set()
        for tool in exchange.tools:
            if kind := TOOL_KINDS.get(tool.name):
                first = None if kind in counted else tool.began_at
                seconds = tool.ended_at - tool.began_at
                self._add_other(exchange, route, kind, seconds=seconds, first=first)
                counted.add(kind)

    async def close(self) -> None:
        """Write what is not written yet."""
        await self.writer.close()

    def _add(self, exchange: Exchange, route: str, use: Use, *, whole: bool) -> None:
        """Record one model's part; the bytes and the time of the `whole` are recorded once."""
        costs = self._prices.costs(use) if use.kind else FREE
        seconds = exchange.seconds if whole else (use.last_event_at or 0) - (use.queued_at or 0)
        self.writer.add(
            UsageRecord(
                id=ordered_id("usage_"),
                at=int(time.time()),
                request=exchange.id,
                kind=use.kind,
                model=use.model,
                key=exchange.identity.key_id,
                project=exchange.identity.project,
                route=route,
                origin=exchange.origin,
                size=use.size,
                status=exchange.status,
                prompt_tokens=use.prompt_tokens,
                cached_tokens=use.cached_tokens,
                completion_tokens=use.completion_tokens,
                reasoning_tokens=use.reasoning_tokens,
                audio_seconds=use.audio_seconds,
                characters=use.characters,
                images=use.images,
                bytes_in=exchange.bytes_in if whole else 0,
                bytes_out=exchange.bytes_out if whole else 0,
                seconds=max(0.0, seconds),
                first_token_seconds=use.first_event_at,
                input_cost=costs.input,
                cached_cost=costs.cached,
                output_cost=costs.output,
                unit_cost=costs.units,
            )
        )

    def _add_other(
        self,
        exchange: Exchange,
        route: str,
        kind: str,
        *,
        seconds: float = 0.0,
        first: float | None = None,
    ) -> None:
        """Record what uses no model: a tool call or a session. Only the `first` tool call of a kind
        has a start time, so that the number of start times is the number of requests with such
        calls.
        """
        self.writer.add(
            UsageRecord(
                id=ordered_id("usage_"),
                at=int(time.time()),
                request=exchange.id,
                kind=kind,
                model=exchange.model or "",
                key=exchange.identity.key_id,
                project=exchange.identity.project,
                route=route,
                origin=exchange.origin,
                status=exchange.status,
                seconds=seconds,
                first_token_seconds=first,
            )
        )


def _gave_way(exchange: Exchange) -> bool:
    """Whether the exchange gives way to a client's request, and begins again."""
    return exchange.background is not None and exchange.status == CLIENT_LEFT
