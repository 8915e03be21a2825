"""Audio in chats: sounds of the user as text, and spoken answers."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from openedai.api.openai.chat.audio import spoken_id, transcript_of
from openedai.config import ModelSpec
from openedai.serving.audio.speaking import Sentences
from tests.support import ServerThread, echo_settings, occupancy, wait_until

TEXT = "Good morning. How are you? Fine"
SPOKEN = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
PCM = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}


def sound(content: bytes, format: str = "wav") -> dict[str, Any]:
    data = base64.b64encode(content).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": format}}


def ask(client: OpenAI, content: Any = TEXT, **parameters: Any) -> ChatCompletion:
    messages: Any = [{"role": "user", "content": content}]
    answer: ChatCompletion = client.chat.completions.create(
        model="echo", messages=messages, **parameters
    )
    return answer


def heard(audio: bytes) -> str:
    """The text in speech of the echo engine."""
    return audio.replace(b"\0", b"").decode()


def refusal(client: OpenAI, content: Any = TEXT, **parameters: Any) -> tuple[str | None, ...]:
    with pytest.raises(BadRequestError) as failed:
        ask(client, content, **parameters)
    return failed.value.code, failed.value.param


def test_sounds_are_transcribed(client: OpenAI) -> None:
    content = [
        {"type": "text", "text": "She said: "},
        sound(b"good morning"),
        {"type": "text", "text": ", then: "},
        sound(b"bye", "mp3"),
    ]
    answer = ask(client, content)
    assert answer.choices[0].message.content == "She said: good morning, then: bye"


@pytest.mark.parametrize(
    ("part", "code", "param"),
    [
        (sound(b""), "invalid_value", "messages[0].content[0].input_audio.data"),
        (sound(b"\xff\xfe"), "invalid_value", "messages[0].content[0].input_audio.data"),
        (
            {"type": "input_audio", "input_audio": {"data": "a!", "format": "wav"}},
            "invalid_value",
            "messages[0].content[0].input_audio.data",
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "", "format": "midi"}},
            "invalid_value",
            "messages[0].content[0].input_audio.format",
        ),
        (
            {"type": "input_audio"},
            "missing_required_parameter",
            "messages[0].content[0].input_audio",
        ),
    ],
)
def test_sounds_that_cannot_be_heard(
    client: OpenAI, part: dict[str, Any], code: str, param: str
) -> None:
    assert refusal(client, [part]) == (code, param)


def test_only_users_speak(client: OpenAI) -> None:
    messages: Any = [{"role": "system", "content": [sound(b"hi")]}]
    with pytest.raises(BadRequestError) as failed:
        client.chat.completions.create(model="echo", messages=messages)
    assert failed.value.param == "messages[0]"


def test_no_file_is_left(client: OpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ask(client, [sound(b"hello")])
    refusal(client, [sound(b"\xff")])
    wait_until(lambda: list(tmp_path.iterdir()) == [])


def test_a_spoken_answer(client: OpenAI) -> None:
    answer = ask(client, n=2, **SPOKEN)
    ChatCompletion.model_validate(answer.model_dump(), strict=True)
    for choice in answer.choices:
        assert choice.message.content is None
        audio = choice.message.audio
        assert audio is not None
        assert audio.transcript == TEXT
        raw = base64.b64decode(audio.data)
        assert raw.startswith(b"RIFF")
        assert heard(raw[44:]) == TEXT
        assert audio.expires_at > answer.created


def test_a_streamed_spoken_answer(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": TEXT}]
    chunks: list[ChatCompletionChunk] = list(
        client.chat.completions.create(
            model="echo",
            messages=messages,
            stream=True,
            **PCM,  # type: ignore[call-overload]
        )
    )
    deltas = [chunk.choices[0].delta.model_dump() for chunk in chunks]
    parts = [delta["audio"] for delta in deltas if delta.get("audio")]
    assert "".join(part.get("transcript") or "" for part in parts) == TEXT
    first = next(number for number, part in enumerate(parts) if part.get("data"))
    last = max(number for number, part in enumerate(parts) if part.get("transcript"))
    assert first < last, "the first sentence is spoken before the last is written"
    audio = b"".join(base64.b64decode(part["data"]) for part in parts if part.get("data"))
    assert heard(audio).replace(" ", "") == TEXT.replace(" ", "")
    assert parts[-1]["id"].startswith("audio_")
    assert "".join(delta.get("content") or "" for delta in deltas) == ""
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_an_answer_can_be_referred_to(client: OpenAI) -> None:
    audio = ask(client, **SPOKEN).choices[0].message.audio
    assert audio is not None
    messages: Any = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "audio": {"id": audio.id}},
        {"role": "user", "content": "And?"},
    ]
    answer = client.chat.completions.create(model="reveal", messages=messages)
    assert f'"content":"{TEXT}"' in (answer.choices[0].message.content or "")
    messages[1]["audio"]["id"] = audio.id[:-3]
    with pytest.raises(NotFoundError) as failed:
        client.chat.completions.create(model="echo", messages=messages)
    assert failed.value.param == "messages[1].audio.id"


@pytest.mark.parametrize("text", ["", "a", "Größe ☃ " * 50, "\ud800"])
def test_ids_have_their_transcript(text: str) -> None:
    assert transcript_of(spoken_id(text), "p") == text


@pytest.mark.parametrize(
    ("parameters", "code", "param"),
    [
        ({"modalities": ["text", "audio"]}, "missing_required_parameter", "audio"),
        ({"audio": SPOKEN["audio"]}, "invalid_value", "audio"),
        ({"modalities": ["image"]}, "invalid_value", "modalities[0]"),
        ({"modalities": []}, "array_below_min_length", "modalities"),
        ({**SPOKEN, "stream": True}, "unsupported_value", "audio.format"),
        (
            {**SPOKEN, "audio": {"voice": "nobody", "format": "wav"}},
            "invalid_value",
            "audio.voice",
        ),
        (
            {**SPOKEN, "audio": {"voice": "alloy", "format": "midi"}},
            "invalid_value",
            "audio.format",
        ),
        (
            {**SPOKEN, "response_format": {"type": "json_object"}},
            "invalid_value",
            "response_format",
        ),
    ],
)
def test_what_is_refused(client: OpenAI, parameters: dict[str, Any], code: str, param: str) -> None:
    assert refusal(client, **parameters) == (code, param)


def test_a_voice_by_its_id(client: OpenAI) -> None:
    answer = ask(client, modalities=["audio"], audio={"voice": {"id": "alloy"}, "format": "wav"})
    assert answer.choices[0].message.audio is not None


def test_without_models_for_sound() -> None:
    spec = ModelSpec(id="deaf", engine="upstream", options={"url": "http://127.0.0.1:9/v1"})
    settings = echo_settings(models=(spec,), chat_model="deaf", embedding_model="deaf")
    with ServerThread(settings) as server, server.client() as client:
        messages: Any = [{"role": "user", "content": [sound(b"hi")]}]
        with pytest.raises(BadRequestError) as failed:
            client.chat.completions.create(model="deaf", messages=messages)
        assert failed.value.code == "unsupported_value"
        messages = [{"role": "user", "content": "hi"}]
        with pytest.raises(BadRequestError) as failed:
            client.chat.completions.create(
                model="deaf",
                messages=messages,
                **SPOKEN,  # type: ignore[call-overload]
            )
        assert failed.value.param == "modalities"
        assert occupancy(server, "deaf") == (0, 0)


def test_sentences_that_cannot_be_spoken_are_only_text() -> None:
    voice = ModelSpec(id="voice", engine="hibari", options={"worker": False})
    reply = ModelSpec(id="echo", engine="echo", options={"reply": "Yes.\n🎉🎉\nGood bye."})
    settings = echo_settings(models=(reply, voice), speech_model="voice")
    with ServerThread(settings) as running, running.client() as client:
        parameters: Any = {**PCM, "stream": True}
        deltas = [chunk.choices[0].delta for chunk in ask_streamed(client, **parameters)]
        audio = [delta.audio for delta in deltas if delta.audio is not None]
        assert "".join(one.transcript or "" for one in audio) == "Yes.\n🎉🎉\nGood bye."
        assert any(one.data for one in audio)


def ask_streamed(client: OpenAI, **parameters: Any) -> list[ChatCompletionChunk]:
    messages: Any = [{"role": "user", "content": TEXT}]
    chunks = client.chat.completions.create(model="echo", messages=messages, **parameters)
    return [chunk for chunk in chunks if chunk.choices]


def test_sentences() -> None:
    sentences = Sentences()
    pieces = ["Hel", "lo. It is 3", ".5 m", ". ", "Yes!) 好的。", "\n\n", "rest"]
    found = [sentence for piece in pieces for sentence in sentences.feed(piece)]
    assert found == ["Hello. ", "It is 3.5 m. ", "Yes!) ", "好的。"]
    assert sentences.end() == ["rest"]
    assert sentences.end() == []
