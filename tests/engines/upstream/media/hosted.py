"""The answers of the hosted API to requests for transcripts, speech and images."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from tests.engines.upstream.faults import HEAD, Fault, Peer, ReceivedRequest, frame
from tests.images.files import file_of, noise

IMAGE = file_of(noise(16, 16))
MP3 = b"\xff\xfb\x90\x00" + bytes(range(256)) * 8
JSON = "application/json"
TOKEN_USAGE = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 10, "audio_tokens": 4},
    "output_tokens": 101,
    "total_tokens": 115,
}
SECONDS = {"type": "duration", "seconds": 9}
LOGPROBS = [
    {"token": "Good", "logprob": -0.25, "bytes": [71, 111, 111, 100]},
    {"token": " day.", "logprob": -0.5, "bytes": [32, 100, 97, 121, 46]},
]
WHOLE = {"text": "Good day.", "usage": SECONDS}
WITH_LOGPROBS = {"text": "Good day.", "logprobs": LOGPROBS, "usage": TOKEN_USAGE}
WITH_LANGUAGES = {"text": "Good day.", "languages": [{"code": "de"}, {"code": "en"}]}
SEGMENTS: list[dict[str, Any]] = [
    {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 4.5,
        "text": " Good day.",
        "tokens": [50364, 2205, 786, 13],
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.25,
        "no_speech_prob": 0.125,
    },
    {
        "id": 1,
        "seek": 450,
        "start": 4.5,
        "end": 8.5,
        "text": " How are you?",
        "tokens": [1012],
        "temperature": 0.5,
        "avg_logprob": -0.5,
        "compression_ratio": 1.5,
        "no_speech_prob": 0.25,
    },
]
WORDS = [
    {"word": word, "start": start, "end": start + 1}
    for word, start in (("Good", 0.0), ("day", 2.0), ("How", 4.5), ("are", 5.5), ("you", 6.5))
]
VERBOSE = {
    "task": "transcribe",
    "language": "english",
    "duration": 8.5,
    "text": "Good day. How are you?",
    "segments": SEGMENTS,
    "usage": SECONDS,
}
VERBOSE_WITH_WORDS = {**VERBOSE, "words": WORDS}
SPEAKERS = [
    {
        "type": "transcript.text.segment",
        "id": f"seg_{number}",
        "start": 4.0 * number,
        "end": 4.0 * number + 3.5,
        "text": text,
        "speaker": speaker,
    }
    for number, (text, speaker) in enumerate((("Good day.", "A"), ("How are you?", "agent")))
]
DIARIZED = {
    "task": "transcribe",
    "duration": 8.5,
    "text": "Good day. How are you?",
    "segments": SPEAKERS,
    "usage": TOKEN_USAGE,
}
DELTAS: list[dict[str, Any]] = [
    {"type": "transcript.text.delta", "delta": "Good", "logprobs": LOGPROBS[:1]},
    {"type": "transcript.text.delta", "delta": " day.", "logprobs": LOGPROBS[1:]},
]
DONE = {
    "type": "transcript.text.done",
    "text": "Good day.",
    "logprobs": LOGPROBS,
    "usage": TOKEN_USAGE,
}
IMAGE_USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    "output_tokens": 100,
    "total_tokens": 150,
}
ENCODED = base64.b64encode(IMAGE).decode()
IMAGES = {"created": 1713833628, "data": [{"b64_json": ENCODED}], "usage": IMAGE_USAGE}


def image_events(prefix: str, previews: int) -> Iterator[dict[str, Any]]:
    """The events of one image; `prefix` is `image_generation` or `image_edit`."""
    shown = {
        "b64_json": ENCODED,
        "created_at": 1620000000,
        "size": "1024x1024",
        "quality": "high",
        "background": "transparent",
        "output_format": "png",
    }
    for number in range(previews):
        yield {"type": f"{prefix}.partial_image", "partial_image_index": number, **shown}
    yield {"type": f"{prefix}.completed", "usage": IMAGE_USAGE, **shown}


def sends(value: Any) -> Fault:
    """Answers with JSON."""

    async def answer(peer: Peer, request: ReceivedRequest) -> None:
        await peer.answer(200, json.dumps(value).encode(), content_type=JSON)

    return answer


def streams(*values: dict[str, Any], end: bytes = b"") -> Fault:
    """Answers with a stream of events, named as the hosted API names them."""

    async def answer(peer: Peer, request: ReceivedRequest) -> None:
        await peer.send(HEAD)
        for value in values:
            name = f"event: {value['type']}\n".encode() if "type" in value else b""
            await peer.send(name + frame(value))
        await peer.send(end)

    return answer


def sends_audio(*chunks: bytes, content_type: str = "audio/mpeg", missing: int = 0) -> Fault:
    """Answers with a file; `missing` bytes of it never come."""

    async def answer(peer: Peer, request: ReceivedRequest) -> None:
        size = sum(map(len, chunks)) + missing
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {size}\r\n\r\n"
        await peer.send(head.encode())
        for chunk in chunks:
            await peer.send(chunk)

    return answer
