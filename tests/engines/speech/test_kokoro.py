"""Kokoro: its files, and what stops it. `tests/contract` has it speak."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.engines.speech.kokoro import Kokoro, KokoroOptions, KokoroVoices, voice_table
from openedai.engines.speech.speaker import Stop
from openedai.errors import EngineFailed, Unavailable
from openedai.weights.library import Library


def load(folder: Path, **options: Any) -> Kokoro:
    return asyncio.run(Kokoro.load("kokoro", folder, options))


def add_voices(folder: Path) -> None:
    np.savez(folder / "voices.npz", af_heart=np.zeros((510, 1, 256), np.float32))


def test_the_files_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="no file of voices"):
        load(tmp_path)
    (tmp_path / "voices.bin").write_bytes(b"no archive")
    with pytest.raises(EngineFailed, match=r"voices\.bin is no file of voices"):
        load(tmp_path)
    (tmp_path / "voices.bin").unlink()
    add_voices(tmp_path)
    with pytest.raises(EngineFailed, match=r"no \.onnx file"):
        load(tmp_path)
    (tmp_path / "kokoro.onnx").write_bytes(b"no graph")
    with pytest.raises(EngineFailed, match="cannot load its graph"):
        load(tmp_path)


def test_other_languages_need_a_package_of_the_user(tmp_path: Path) -> None:
    add_voices(tmp_path)
    with pytest.raises(Unavailable, match="pip install kokoro-onnx"):
        load(tmp_path, language="fr")


def test_voices_have_the_language_that_they_speak() -> None:
    options = KokoroOptions(language="fr", voices={"narrator": "jf_alpha"})
    table = voice_table(["jf_alpha", "af_heart"], options)
    assert [voice.name for voice in table.voices] == ["af_heart", "jf_alpha"]
    assert {voice.languages for voice in table.voices} == {("fr",)}
    assert table.find("marin") == "af_heart"
    assert table.find("narrator") == "jf_alpha"


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "voices.npy", np.array([object()]), allow_pickle=True)
    (tmp_path / "voices.npy").rename(tmp_path / "voices.bin")
    with pytest.raises(EngineFailed, match="no file of voices"):
        load(tmp_path)


@pytest.mark.real
def test_a_sentence_that_nobody_waits_for_is_given_up() -> None:
    settings = Settings(_env_file=None)
    path = Library(settings).pull(Catalog(settings).resolve("kokoro-82m").spec)
    assert path is not None
    voices = KokoroVoices(path, KokoroOptions())
    assert {voice.languages for voice in voices.voices.voices} == {("en",)}
    stop = Stop()
    failures: list[Exception] = []

    def say() -> None:
        try:
            voices.say("one two three four five six seven " * 9, "jf_alpha", 1.0, stop)
        except EngineFailed as error:
            failures.append(error)

    thread = threading.Thread(target=say)
    thread.start()
    stop.set()
    thread.join(60)
    assert len(failures) == 1
