"""One replica's answer to a request for a transcript, for speech, or for its voices.

The generators raise ReplicaFailed, also between events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from openedai.contract.speak import AudioChunk, SpeakEvent, SpeakFinish, SpeakRequest
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest
from openedai.engines.remote.connection import RemoteRequest, Timeout
from openedai.engines.remote.failures import ReplicaFailed
from openedai.engines.remote.replicas import Replica
from openedai.engines.upstream.answers.speech import SNIFFED_BYTES, Clock, check_start, check_type
from openedai.engines.upstream.answers.transcript_stream import TranscriptChunk, TranscriptEvents
from openedai.engines.upstream.answers.transcripts import WholeTranscript, whole_transcript
from openedai.engines.upstream.connection import Streams, is_stream

_TRANSCRIPT_BYTES = 64 << 20


async def transcript(
    streams: Streams, replica: Replica, outgoing: RemoteRequest, request: TranscribeRequest
) -> AsyncGenerator[TranscribeEvent, None]:
    """The events of a transcript. A server may answer with all of it at once, whether or not a
    stream was requested.
    """
    timeout = Timeout(streams.first_byte_timeout)
    async with streams.send(replica, outgoing, timeout) as response:
        if not is_stream(response):
            body = await streams.body(response, timeout, _TRANSCRIPT_BYTES)
            answer = streams.decode(body, WholeTranscript, outgoing.param)
            for event in list(whole_transcript(answer, request)):
                yield event
            return
        events = TranscriptEvents(request)
        chunks = streams.chunks(response, timeout, TranscriptChunk, outgoing.param)
        async with aclosing(chunks):
            try:
                async for chunk in chunks:
                    for event in events.read(chunk):
                        yield event
            except ReplicaFailed:
                if not events.complete:
                    raise
        with streams.reading():
            last = list(events.end())
    for event in last:
        yield event


async def speech(
    streams: Streams, replica: Replica, outgoing: RemoteRequest, request: SpeakRequest
) -> AsyncGenerator[SpeakEvent, None]:
    """The audio file as it arrives."""
    timeout = Timeout(streams.first_byte_timeout)
    clock = Clock(request.format)
    async with streams.send(replica, outgoing, timeout) as response:
        with streams.reading():
            check_type(response.headers.get("content-type", ""))
        start, checked = b"", False
        async with aclosing(streams.bytes_of(response, timeout)) as chunks:
            async for chunk in chunks:
                clock.add(chunk)
                start += chunk
                if not checked and len(start) < SNIFFED_BYTES:
                    continue
                if not checked:
                    check_start(start, request.format)
                checked = True
                yield AudioChunk(data=start)
                start = b""
        if not checked:
            with streams.reading():
                check_start(start, request.format)
            yield AudioChunk(data=start)
    yield SpeakFinish(duration=clock.seconds)
