"""Text generation: a call's requests to an engine, and their events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from msgspec.structs import replace

from openedai.contract.engine import Generator
from openedai.contract.generate import Finish, GenerateEvent, GenerateRequest
from openedai.serving.call import Call
from openedai.serving.leases import Leases
from openedai.serving.merge import merge
from openedai.serving.metrics import Metrics
from openedai.serving.outcome import Indexed, Outcome
from openedai.serving.stopping import ActiveGenerations, stopped_usage


class Generation:
    def __init__(self, leases: Leases, metrics: Metrics) -> None:
        self._leases = leases
        self._metrics = metrics
        self.active = ActiveGenerations()

    async def run(
        self, call: Call[Any], requests: Sequence[GenerateRequest]
    ) -> AsyncGenerator[Indexed, None]:
        """Run all requests under one lease; yield their events as they happen.

        Closing the iterator cancels them. Raises as `Leases.lease` and the engine do.
        """
        spec, exchange = call.spec, call.exchange
        if call.model.variant is not None:
            requests = [replace(request, variant=call.model.variant) for request in requests]
        async with self._leases.lease(call, Generator, slots=len(requests)) as engine:
            unfinished: dict[int, list[GenerateEvent]] = {n: [] for n in range(len(requests))}
            merged = merge([engine.generate(one) for one in requests], limit=engine.slots)
            with self.active.enter(call.caller) as handle:
                async with aclosing(merged) as events:
                    while (pair := await handle.next_event(events)) is not None:
                        index, event = pair
                        if exchange.first_event_at is None:
                            exchange.first_event_at = exchange.seconds
                            self._metrics.record_first_token(spec.id, exchange.first_event_at)
                        if isinstance(event, Finish):
                            del unfinished[index]
                            self._metrics.record_usage(spec.id, event.usage)
                        else:
                            unfinished[index].append(event)
                        yield pair
            if handle.stopped:
                for index, said in unfinished.items():
                    usage = await stopped_usage(engine, requests[index], Outcome.of(said))
                    self._metrics.record_usage(spec.id, usage)
                    yield index, Finish(reason="stop", usage=usage)
        exchange.last_event_at = exchange.seconds
