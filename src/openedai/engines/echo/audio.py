"""The echo engine's speech, in which each sample is a byte of the text, and its transcripts.

It hears its own speech, and files that are texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from openedai.audio.encode import LOUDEST, SAMPLE_RATE, open_encoder, wav_header
from openedai.contract.generate import TokenLogprob
from openedai.contract.speak import AudioChunk, SpeakEvent, SpeakFinish, SpeakRequest, Voice
from openedai.contract.transcribe import (
    TranscribeEvent,
    TranscribeRequest,
    TranscriptDelta,
    TranscriptFinish,
    TranscriptSegment,
    Word,
)
from openedai.engines.echo.options import EchoOptions
from openedai.engines.speech.voices import OFFICIAL
from openedai.errors import InvalidRequest, Unsupported, invalid_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VOICES = (
    Voice(
        name="echo",
        languages=("en",),
        aliases=tuple(name for name in OFFICIAL if name != "echo"),
    ),
    Voice(name="parrot"),
)
WORD_SAMPLES = 2400
WORD_SECONDS = WORD_SAMPLES / SAMPLE_RATE
_WORD = re.compile(r"\s*\S+")
_SENTENCE_END = re.compile(r"[.!?]$")


def speech(request: SpeakRequest) -> Iterator[SpeakEvent]:
    """One chunk for each word. Raises an APIError for what a real engine would refuse."""
    names = {name for voice in VOICES for name in (voice.name, *voice.aliases)}
    if request.voice not in names:
        raise invalid_value("voice", f"there is no voice {request.voice!r}")
    words = _WORD.findall(request.text)
    encoder = open_encoder(request.format)
    for word in words:
        yield AudioChunk(data=encoder.encode(_samples(word)))
    if rest := encoder.finish():
        yield AudioChunk(data=rest)
    yield SpeakFinish(duration=len(words) * WORD_SECONDS)


def _samples(word: str) -> NDArray[np.float32]:
    import numpy as np

    raw = np.frombuffer(word.encode()[:WORD_SAMPLES], np.uint8)
    samples = np.zeros(WORD_SAMPLES, np.float32)
    samples[: len(raw)] = raw / LOUDEST
    return samples


def transcript(request: TranscribeRequest, options: EchoOptions) -> Iterator[TranscribeEvent]:
    """One delta for each word, one segment for each sentence."""
    if request.speakers:
        raise Unsupported(
            "Unsupported value: 'response_format' does not support 'diarized_json' with the echo "
            "engine.",
            code="unsupported_value",
            param="response_format",
        )
    words = _WORD.findall(_answer(request, options))
    sentence: list[str] = []
    for end, word in enumerate(words, 1):
        yield TranscriptDelta(text=word, logprobs=_logprobs(word) if request.logprobs else ())
        sentence.append(word)
        if end == len(words) or _SENTENCE_END.search(word):
            yield _segment(sentence, end, timed=request.words)
            sentence = []
    languages = request.languages[:1] or ("en",)
    yield TranscriptFinish(duration=len(words) * WORD_SECONDS, languages=languages)


def _answer(request: TranscribeRequest, options: EchoOptions) -> str:
    if options.reveal:
        return msgspec.json.encode(request).decode()
    if options.reply is not None:
        return options.reply
    return _heard(Path(request.path).read_bytes())


def _heard(raw: bytes) -> str:
    header = wav_header()
    try:
        if raw.startswith(header):
            return raw[len(header) :].replace(b"\0", b"").decode()
        text = raw.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise InvalidRequest("Invalid file format.", code="invalid_value", param="file")
    return text


def _logprobs(word: str) -> tuple[TokenLogprob, ...]:
    return (TokenLogprob(token=word, raw=word.encode(), logprob=-0.5),)


def _segment(sentence: list[str], end: int, *, timed: bool) -> TranscriptSegment:
    """The segment of a sentence whose last word has the number `end`, counted from 1."""
    start = end - len(sentence)
    words = tuple(
        Word(text=word.strip(), start=number * WORD_SECONDS, end=(number + 1) * WORD_SECONDS)
        for number, word in enumerate(sentence, start)
    )
    return TranscriptSegment(
        start=start * WORD_SECONDS,
        end=end * WORD_SECONDS,
        text="".join(sentence),
        words=words if timed else (),
    )
