"""Speech to text: turns a call's audio file into the events of its transcription."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from msgspec.structs import replace

from openedai.contract.engine import Transcriber
from openedai.contract.generate import Usage
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest, TranscriptFinish
from openedai.serving.call import Call
from openedai.serving.leases import Leases
from openedai.serving.usage.kinds import TRANSCRIPTIONS


class Transcription:
    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    async def run(
        self, call: Call[Any], request: TranscribeRequest
    ) -> AsyncGenerator[TranscribeEvent, None]:
        """The events as they happen. Closing the iterator cancels the work.

        Raises as `Leases.lease` and the engine do.
        """
        exchange = call.exchange
        async with self._leases.lease(call, Transcriber, engine_request=request) as engine:
            use = call.use(TRANSCRIPTIONS)
            stream = engine.transcribe(replace(request, variant=call.model.variant))
            async with aclosing(stream) as events:
                async for event in events:
                    if exchange.first_event_at is None:
                        exchange.first_event_at = exchange.seconds
                    use.note_event(exchange.seconds)
                    if isinstance(event, TranscriptFinish):
                        use.audio_seconds += event.duration
                        use.add(event.usage or Usage())
                    yield event
        exchange.last_event_at = exchange.seconds
