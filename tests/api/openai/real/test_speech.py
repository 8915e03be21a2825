"""What the built-in voices say, as the built-in model hears it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping

import pytest
from openai import OpenAI

from openedai.engines.speech.voices import OFFICIAL
from tests.api.openai.real.sentences import SENTENCES, word_errors

pytestmark = pytest.mark.real


TOGETHER = 5  # sentences in one request: a window of the hearing model has room for more


def error_rate(
    client: OpenAI, sentences: Iterable[str], *, voice: str = "alloy", speed: float = 1.0
) -> float:
    """The share of words that are heard wrong."""
    wrong = words = 0
    texts = list(sentences)
    for start in range(0, len(texts), TOGETHER):
        group = texts[start : start + TOGETHER]
        text = " ".join(group)
        spoken = client.audio.speech.create(
            model="tts-1", voice=voice, input=text, speed=speed, response_format="wav"
        )
        heard = client.audio.transcriptions.create(
            model="whisper-1", file=("speech.wav", io.BytesIO(spoken.content)), language="en"
        )
        expected = " ".join(SENTENCES.get(one) or one for one in group)
        errors, count = word_errors(expected, heard.text)
        wrong += errors
        words += count
    return wrong / words


def test_fifty_sentences_are_understood(real_client: OpenAI) -> None:
    assert len(SENTENCES) == 50
    assert error_rate(real_client, SENTENCES) < 0.05


@pytest.mark.parametrize("voice", [name for name in OFFICIAL if name != "alloy"])
def test_every_voice_is_understood(real_client: OpenAI, voice: str) -> None:
    text = "Could you tell me the way to the railway station?"
    assert error_rate(real_client, [text], voice=voice) == 0


@pytest.mark.parametrize(("speed", "bound"), [(0.5, 0.1), (1.5, 0.05), (2.0, 0.05)])
def test_other_speeds_are_understood(real_client: OpenAI, speed: float, bound: float) -> None:
    """Slow speech is misheard more often."""
    assert error_rate(real_client, list(SENTENCES)[:10], speed=speed) < bound


@pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac"])
def test_every_format_is_heard(real_client: OpenAI, format: str) -> None:
    text = "Every morning she drinks a cup of coffee with milk."
    body: Mapping[str, str] = {"model": "tts-1", "voice": "nova", "input": text}
    spoken = real_client.post(
        "/audio/speech", body={**body, "response_format": format}, cast_to=bytes
    )
    heard = real_client.audio.transcriptions.create(
        model="whisper-1", file=("speech", io.BytesIO(spoken)), language="en"
    )
    assert word_errors(text, heard.text)[0] == 0
