"""Text generation: runs a call's requests to an engine, and yields their events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

from msgspec.structs import replace

from openedai.contract.engine import Generator
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    ReasoningDelta,
    Started,
    Usage,
)
from openedai.http.uses import Use
from openedai.serving.call import Call
from openedai.serving.leases import Leases
from openedai.serving.merge import merge
from openedai.serving.outcome import Indexed, Outcome
from openedai.serving.stopping import ActiveGenerations, stopped_usage
from openedai.serving.usage.kinds import COMPLETIONS


class Generation:
    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self.active = ActiveGenerations()

    async def run(
        self, call: Call[Any], requests: Sequence[GenerateRequest]
    ) -> AsyncGenerator[Indexed, None]:
        """Run all requests under one lease; yield their events as they happen.

        Closing the iterator cancels them. Raises as `Leases.lease` and the engine do.
        """
        exchange = call.exchange
        if call.model.variant is not None:
            requests = [replace(request, variant=call.model.variant) for request in requests]
        async with self._leases.lease(call, Generator, len(requests), requests) as engine:
            use = call.use(COMPLETIONS)
            unfinished: dict[int, list[GenerateEvent]] = {n: [] for n in range(len(requests))}
            merged = merge([engine.generate(one) for one in requests], limit=engine.slots)
            with _counted(use, unfinished):
                with self.active.enter(call.caller) as handle:
                    async with aclosing(merged) as events:
                        while (pair := await handle.next_event(events)) is not None:
                            index, event = pair
                            if exchange.first_event_at is None:
                                exchange.first_event_at = exchange.seconds
                                use.note_event(exchange.first_event_at)
                            if isinstance(event, Finish):
                                del unfinished[index]
                                _finish(use, event)
                            else:
                                unfinished[index].append(event)
                                exchange.deltas += 1
                            yield pair
                if handle.stopped:
                    for index, seen in list(unfinished.items()):
                        usage = await stopped_usage(engine, requests[index], Outcome.of(seen))
                        del unfinished[index]
                        finish = Finish(reason="stop", usage=usage)
                        _finish(use, finish)
                        yield index, finish
        exchange.last_event_at = exchange.seconds
        use.note_event(exchange.last_event_at)


@contextmanager
def _counted(use: Use, unfinished: Mapping[int, Sequence[GenerateEvent]]) -> Iterator[None]:
    """At the end, count what was generated for answers that have no `Finish`, because the client
    left or the engine failed: one token for each delta, and none for the prompt.
    """
    try:
        yield
    finally:
        for seen in unfinished.values():
            deltas = [one for one in seen if not isinstance(one, Started)]
            reasoning = sum(isinstance(one, ReasoningDelta) for one in deltas)
            use.add(Usage(completion_tokens=len(deltas), reasoning_tokens=reasoning))


def _finish(use: Use, finish: Finish) -> None:
    use.add(finish.usage)
    use.finish_reasons = (*use.finish_reasons, finish.reason)
