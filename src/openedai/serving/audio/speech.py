"""Speech: turns a call's text into the bytes of an audio file."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from msgspec.structs import replace

from openedai.contract.engine import Speaker
from openedai.contract.speak import SpeakEvent, SpeakFinish, SpeakRequest, Voice
from openedai.serving.call import Call
from openedai.serving.leases import Leases
from openedai.serving.usage.kinds import SPEECHES


class Speech:
    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    async def run(self, call: Call[Any], request: SpeakRequest) -> AsyncGenerator[SpeakEvent, None]:
        """The events of the speech, as they happen. Closing the iterator cancels it.

        Raises as `Leases.lease` and the engine do.
        """
        exchange = call.exchange
        async with self._leases.lease(call, Speaker, engine_request=request) as engine:
            use = call.use(SPEECHES)
            use.characters += len(request.text)
            speech = engine.speak(replace(request, variant=call.model.variant))
            async with aclosing(speech) as events:
                async for event in events:
                    if exchange.first_event_at is None:
                        exchange.first_event_at = exchange.seconds
                    use.note_event(exchange.seconds)
                    if isinstance(event, SpeakFinish) and event.usage is not None:
                        use.add(event.usage)
                    yield event
        exchange.last_event_at = exchange.seconds

    async def voices(self, call: Call[Any]) -> tuple[Voice, ...]:
        """The voices of the call's model, the default one first."""
        async with self._leases.lease(call, Speaker) as engine:
            return await engine.voices()
