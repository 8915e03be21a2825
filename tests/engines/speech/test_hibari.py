"""The built-in voice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from openedai.contract.speak import AudioChunk, SpeakFinish, SpeakRequest
from openedai.engines.speech.hibari import Hibari
from openedai.engines.speech.voices import OFFICIAL
from openedai.errors import EngineFailed, InvalidRequest, Unsupported

TEXT = "The quick brown fox jumps over the lazy dog."
Speak = Callable[..., "NDArray[np.float64]"]


@pytest.fixture(scope="module")
def speak() -> Iterator[Speak]:
    """Speaks a text, and returns the samples from -1 to 1."""
    with asyncio.Runner() as runner:
        options = {"voices": {"giant": {"pitch": 0.5, "size": 1.4}}}
        engine = runner.run(Hibari.load("hibari", None, options))

        async def spoken(text: str, **values: Any) -> NDArray[np.float64]:
            request = SpeakRequest(text=text, format="pcm", **{"voice": "heart", **values})
            async with aclosing(engine.speak(request)) as stream:
                events = [event async for event in stream]
            data = b"".join(event.data for event in events if isinstance(event, AudioChunk))
            samples = np.frombuffer(data, "<i2") / 32767
            finish = events[-1]
            assert isinstance(finish, SpeakFinish)
            assert finish.duration == len(samples) / 24_000
            return samples

        yield lambda text, **values: runner.run(spoken(text, **values))
        runner.run(engine.close())


def pitch(samples: NDArray[np.float64]) -> float:
    """The median pitch in Hz of the loud parts, by autocorrelation."""
    found = []
    for start in range(0, len(samples) - 2400, 1200):
        frame = samples[start : start + 2400]
        if np.sqrt(np.mean(frame**2)) > 0.05:
            correlation = np.correlate(frame, frame, "full")[2400 - 1 :]
            lags = correlation[60:480]  # 400 to 50 Hz
            if lags.max() > 0.5 * correlation[0]:
                found.append(24_000 / (60 + int(lags.argmax())))
    return float(np.median(found))


def test_the_same_text_is_always_the_same(speak: Speak) -> None:
    assert np.array_equal(speak(TEXT), speak(TEXT))


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_speed_changes_the_length_and_not_the_pitch(speak: Speak, speed: float) -> None:
    normal, changed = speak(TEXT), speak(TEXT, speed=speed)
    assert len(normal) / len(changed) == pytest.approx(speed, rel=0.1)
    assert pitch(changed) == pytest.approx(pitch(normal), rel=0.15)


def test_official_voices_differ(speak: Speak) -> None:
    spoken = [speak(TEXT, voice=name).tobytes() for name in ("heart", *OFFICIAL)]
    assert len(set(spoken)) == len(spoken)


def test_low_voices_are_low(speak: Speak) -> None:
    assert pitch(speak(TEXT, voice="onyx")) < 0.65 * pitch(speak(TEXT))


def test_voices_are_added_by_the_options(speak: Speak) -> None:
    assert pitch(speak(TEXT, voice="giant")) < 0.65 * pitch(speak(TEXT))


@pytest.mark.parametrize("voice", ["heart", *OFFICIAL])
def test_every_voice_is_as_loud(speak: Speak, voice: str) -> None:
    samples = speak(TEXT, voice=voice)
    assert np.abs(samples).max() < 1
    assert np.sqrt(np.mean(samples[np.abs(samples) > 0.01] ** 2)) == pytest.approx(0.09, rel=0.3)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 1500,
        "1" * 40 + "th",
        "9" * 15,
        "x" * 3000,
        "a " * 1000,
        "At 99:99 on 99/99/9999, $1.234.567 and 1e400.",
        "½ ² ³ €5 ₿ § 5 © ™ 10^5 3/4 C++ #tag @user",
        "v2.0.1 or 1.2.3.4, 0x1F, 2024-13-45, -5°C",
        "<b>hi</b> [x](/y/) `code` 😀",
        "Dvořák, Łódź, Straße, naïve, Ørsted, ﬁne, Nguyễn",
        "'''' \"quotes\" “like” ‘these’ ‹and› «those»",
        "MMXXVI XIV. Chapter IV, Henry VIII.",
        "ALL CAPITALS AND AN NASA USA U.S.A. e.g. i.e. etc.",
        "tab\there\x00null\x1bescape\u202eright",
        "0",
    ],
)
def test_hard_texts_are_spoken(speak: Speak, text: str) -> None:
    assert len(speak(text)) > 1000


@pytest.mark.parametrize("text", ["😀", "你好", "...", "\u200b"])
def test_texts_without_sounds_are_refused(speak: Speak, text: str) -> None:
    with pytest.raises(InvalidRequest) as failed:
        speak(text)
    assert failed.value.param == "input"


def test_instructions_are_refused_by_name(speak: Speak) -> None:
    with pytest.raises(Unsupported) as failed:
        speak(TEXT, instructions="Whisper.")
    assert (failed.value.code, failed.value.param) == ("unsupported_parameter", "instructions")
    assert len(speak(TEXT, instructions=" "))


@pytest.mark.parametrize("options", [{"slots": 0}, {"voices": {"a": {"pitch": 9}}}, {"other": 1}])
def test_invalid_options(options: dict[str, Any]) -> None:
    with pytest.raises(EngineFailed):
        asyncio.run(Hibari.load("hibari", None, options))
