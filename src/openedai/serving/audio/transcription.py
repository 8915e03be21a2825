"""Speech to text: a call's audio file to the events of its transcription."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from msgspec.structs import replace

from openedai.contract.engine import Transcriber
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest, TranscriptFinish
from openedai.serving.call import Call
from openedai.serving.leases import Leases
from openedai.serving.metrics import Metrics


class Transcription:
    def __init__(self, leases: Leases, metrics: Metrics) -> None:
        self._leases = leases
        self._metrics = metrics

    async def run(
        self, call: Call[Any], request: TranscribeRequest
    ) -> AsyncGenerator[TranscribeEvent, None]:
        """The events as they happen. Closing the iterator cancels the work.

        Raises as `Leases.lease` and the engine do.
        """
        exchange = call.exchange
        async with self._leases.lease(call, Transcriber) as engine:
            stream = engine.transcribe(replace(request, variant=call.model.variant))
            async with aclosing(stream) as events:
                async for event in events:
                    if exchange.first_event_at is None:
                        exchange.first_event_at = exchange.seconds
                        self._metrics.record_first_token(call.spec.id, exchange.seconds)
                    if isinstance(event, TranscriptFinish) and event.usage is not None:
                        self._metrics.record_usage(call.spec.id, event.usage)
                    yield event
        exchange.last_event_at = exchange.seconds
