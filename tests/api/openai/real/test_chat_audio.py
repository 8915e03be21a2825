"""Audio in chats with the default models for chat, transcription and speech."""

from __future__ import annotations

import base64
import io
from typing import Any

import av
import pytest
from openai import OpenAI

pytestmark = pytest.mark.real

TEXT = "Count to three, please."


@pytest.fixture(scope="module")
def spoken(request: pytest.FixtureRequest) -> bytes:
    """The text as an MP3 file."""
    with request.getfixturevalue("real_server").client(timeout=300) as client:
        speech: bytes = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT).content
        return speech


def ask(client: OpenAI, content: Any, **parameters: Any) -> Any:
    messages: Any = [{"role": "user", "content": content}]
    return client.chat.completions.create(
        model="gpt-4o", messages=messages, max_completion_tokens=12, temperature=0, **parameters
    )


def test_a_sound_is_what_its_transcript_is(real_client: OpenAI, spoken: bytes) -> None:
    heard = real_client.audio.transcriptions.create(
        model="whisper-1", file=("speech.mp3", spoken)
    ).text
    data = base64.b64encode(spoken).decode()
    sound = {"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}}
    by_sound, by_text = ask(real_client, [sound]), ask(real_client, heard)
    assert by_sound.choices[0].message.content == by_text.choices[0].message.content
    assert by_sound.usage.prompt_tokens == by_text.usage.prompt_tokens


def test_an_answer_is_spoken(real_client: OpenAI) -> None:
    parameters = {"modalities": ["text", "audio"], "audio": {"voice": "nova", "format": "mp3"}}
    answer = ask(real_client, TEXT, **parameters)
    message = answer.choices[0].message
    assert message.content is None
    assert message.audio.transcript == ask(real_client, TEXT).choices[0].message.content
    with av.open(io.BytesIO(base64.b64decode(message.audio.data)), "r") as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples > 12_000, "half a second"


def test_a_streamed_answer_is_spoken(real_client: OpenAI) -> None:
    parameters = {"modalities": ["text", "audio"], "audio": {"voice": "nova", "format": "pcm16"}}
    chunks = list(ask(real_client, TEXT, stream=True, **parameters))
    parts = [chunk.choices[0].delta.model_dump().get("audio") or {} for chunk in chunks]
    pcm = b"".join(base64.b64decode(part["data"]) for part in parts if part.get("data"))
    assert len(pcm) > 24_000, "half a second"
    assert "".join(part.get("transcript") or "" for part in parts)
    assert chunks[-1].choices[0].finish_reason
