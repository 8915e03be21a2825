"""Piper's voices, with a package in the place of piper-tts, which the user installs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.speak import AudioChunk, SpeakRequest
from openedai.engines.speech.piper import Piper
from openedai.errors import EngineFailed, InvalidRequest, Unavailable

# It speaks each word as 0.1 seconds of a tone, whose loudness is the number of the speaker.
PACKAGE = """
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np


@dataclass
class SynthesisConfig:
    speaker_id: int | None = None
    length_scale: float | None = None


class PiperVoice:
    @staticmethod
    def load(path):
        voice = PiperVoice()
        config = json.loads(Path(f"{path}.json").read_text())
        voice.config = SimpleNamespace(
            sample_rate=config["audio"]["sample_rate"], length_scale=1.0
        )
        return voice

    def phonemize(self, text):
        if "crash" in text:
            raise RuntimeError("a bug")
        return [[word] for word in text.split()]

    def phonemes_to_ids(self, phonemes):
        return [1]

    def phoneme_ids_to_audio(self, ids, config):
        count = int(self.config.sample_rate * 0.1 * config.length_scale)
        tone = np.sin(np.arange(count) * 440 * 2 * np.pi / self.config.sample_rate)
        return (0.1 * tone).astype(np.float32)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "piper.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("piper", None)


def add_voice(
    folder: Path,
    name: str,
    espeak: str,
    speakers: dict[str, int],
    language: dict[str, str] | None = None,
) -> None:
    (folder / f"{name}.onnx").touch()
    config: dict[str, Any] = {
        "audio": {"sample_rate": 22_050},
        "espeak": {"voice": espeak},
        "speaker_id_map": speakers,
    }
    if language is not None:
        config["language"] = language
    (folder / f"{name}.onnx.json").write_text(json.dumps(config))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "voices"
    found.mkdir()
    add_voice(found, "joe", "en-us", {})
    add_voice(found, "pair", "en-gb-x-rp", {"ann": 0, "bob": 1})
    return found


def spoken(engine: Piper, text: str, **values: Any) -> bytes:
    async def scenario() -> bytes:
        request = SpeakRequest(text=text, format="pcm", **{"voice": "joe", **values})
        async with aclosing(engine.speak(request)) as events:
            return b"".join([one.data async for one in events if isinstance(one, AudioChunk)])

    return asyncio.run(scenario())


def loaded(folder: Path, **options: Any) -> Piper:
    return asyncio.run(Piper.load("piper", folder, options))


@pytest.mark.usefixtures("package")
def test_files_and_their_speakers_are_voices(folder: Path) -> None:
    engine = loaded(folder, voices={"narrator": "pair:bob"})
    voices = asyncio.run(engine.voices())
    assert [voice.name for voice in voices] == ["joe", "pair:ann", "pair:bob"]
    assert "narrator" in voices[2].aliases
    assert all(voice.languages == ("en",) for voice in voices)
    for name in ("joe", "pair:ann", "narrator", "alloy", "cedar"):
        assert spoken(engine, "one two three", voice=name)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("stated", "espeak", "language"),
    [
        ({"code": "zh_CN", "family": "zh"}, "cmn", "zh"),
        (None, "cmn", "zh"),
        (None, "en-gb-x-rp", "en"),
        ({"code": "nb_NO", "family": "no"}, "nb", "no"),
    ],
)
def test_voices_have_the_language_of_their_file(
    folder: Path, stated: dict[str, str] | None, espeak: str, language: str
) -> None:
    add_voice(folder, "a", espeak, {}, stated)
    voices = asyncio.run(loaded(folder).voices())
    assert voices[0].languages == (language,)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("speed", [0.25, 1.0, 4.0])
def test_audio_has_the_rate_and_the_speed(folder: Path, speed: float) -> None:
    # Ten words of 0.1 seconds, and a pause of 0.6.
    samples = len(spoken(loaded(folder), "word " * 10, speed=speed)) / 2
    assert samples / 24_000 == pytest.approx(1.6 / speed, rel=0.12)


@pytest.mark.usefixtures("package")
def test_other_scripts_are_read_by_voices_of_other_languages(folder: Path) -> None:
    with pytest.raises(InvalidRequest):
        spoken(loaded(folder), "Привет мир")
    add_voice(folder, "russian", "ru", {})
    assert spoken(loaded(folder), "Привет мир", voice="russian")


@pytest.mark.usefixtures("package")
def test_a_failure_of_the_package_is_the_engines(folder: Path) -> None:
    with pytest.raises(EngineFailed):
        spoken(loaded(folder), "crash")


@pytest.mark.usefixtures("package")
def test_folders_without_voices_cannot_be_loaded(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(EngineFailed, match=r"no \.onnx file"):
        loaded(tmp_path)
    for damaged in ("{}", "[]", '{"language": "en"}', '{"language": {"family": 1}}'):
        (folder / "joe.onnx.json").write_text(damaged)
        with pytest.raises(EngineFailed, match=r"joe\.onnx\.json"):
            loaded(folder)


def test_without_the_package_the_error_says_what_to_install(folder: Path) -> None:
    with pytest.raises(Unavailable, match="pip install piper-tts"):
        loaded(folder)
