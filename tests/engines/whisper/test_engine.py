"""The engine on real models: what it hears, in any audio, and how it is stopped."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openedai.audio.decode import decode
from openedai.contract.transcribe import (
    TranscribeEvent,
    TranscribeRequest,
    TranscriptDelta,
    TranscriptFinish,
    TranscriptSegment,
)
from openedai.engines.load import load_engine
from openedai.engines.whisper.engine import Whisper
from openedai.errors import EngineFailed, InvalidRequest, Unsupported
from tests.audio.files import Samples, tone, wav
from tests.engines.whisper.models import whisper_weights

pytestmark = pytest.mark.real

RATE = 16_000
SPEECH = Path(__file__).parent / "speech.ogg"
SAID = "good morning how are you today it is a fine day"

Scenario = Callable[[Whisper], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
Write = Callable[[bytes], str]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs a scenario on the small model, in this process."""
    with asyncio.Runner() as runner:
        path = whisper_weights("whisper-tiny.en")
        options = {"beam": 1, "worker": False, "max_seconds": 600}
        engine = runner.run(load_engine("whisper", "tiny", path, options))
        assert isinstance(engine, Whisper)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())


@pytest.fixture(scope="module")
def speech() -> Samples:
    return np.concatenate([*decode(str(SPEECH), RATE)])


def with_pauses(speech: Samples, times: int) -> Samples:
    """The speech several times, each in a window of its own."""
    return np.tile(np.concatenate([speech, np.zeros(10 * RATE, np.float32)]), times)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file; returns its path."""

    def write(content: bytes) -> str:
        path = tmp_path / "audio"
        path.write_bytes(content)
        return str(path)

    return write


async def events(engine: Whisper, path: str, **values: Any) -> list[TranscribeEvent]:
    async with aclosing(engine.transcribe(TranscribeRequest(path=path, **values))) as stream:
        return [event async for event in stream]


def text(found: list[TranscribeEvent]) -> str:
    return "".join(event.text for event in found if isinstance(event, TranscriptDelta))


def words(found: list[TranscribeEvent]) -> str:
    """The words of the text, without punctuation."""
    kept = (char for char in text(found).lower() if char.isalnum() or char == " ")
    return " ".join("".join(kept).split())


def segments(found: list[TranscribeEvent]) -> list[TranscriptSegment]:
    return [event for event in found if isinstance(event, TranscriptSegment)]


def finish(found: list[TranscribeEvent]) -> TranscriptFinish:
    assert isinstance(found[-1], TranscriptFinish)
    return found[-1]


def test_speech(run: Run) -> None:
    async def scenario(engine: Whisper) -> None:
        found = await events(engine, str(SPEECH))
        assert words(found) == SAID
        assert finish(found).languages == ("en",)
        assert finish(found).duration == pytest.approx(5.9, abs=0.1)

    run(scenario)


def test_the_first_window_of_a_stream_is_short(run: Run, write: Write, speech: Samples) -> None:
    samples = np.concatenate([speech, np.zeros(2 * RATE, np.float32), speech])
    path = write(wav(samples, RATE))

    async def scenario(engine: Whisper) -> None:
        for stream, windows in ((False, 1), (True, 2)):
            found = await events(engine, path, stream=stream)
            assert len({one.seek for one in segments(found)}) == windows
            assert words(found) == f"{SAID} {SAID}"
        assert segments(found)[0].end < 10

    run(scenario)


@pytest.mark.parametrize("name", ["silence", "noise", "hum", "a click"])
def test_no_speech_is_no_text(run: Run, write: Write, name: str) -> None:
    random = np.random.default_rng(7)
    sounds = {
        "silence": np.zeros(40 * RATE, np.float32),
        "noise": random.normal(0, 0.1, 40 * RATE).astype(np.float32),
        "hum": tone(20, RATE, 50) * 0.3,
        "a click": np.pad(np.ones(200, np.float32), 5 * RATE),
    }
    path = write(wav(np.clip(sounds[name], -1, 1), RATE))

    async def scenario(engine: Whisper) -> None:
        found = await events(engine, path)
        assert len(found) == 1
        assert finish(found).duration == pytest.approx(len(sounds[name]) / RATE, abs=0.001)

    run(scenario)


def test_quiet_speech_is_heard(run: Run, write: Write, speech: Samples) -> None:
    path = write(wav(speech * 0.002, RATE))

    async def scenario(engine: Whisper) -> None:
        assert words(await events(engine, path)) == SAID

    run(scenario)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.09])
def test_audio_that_is_too_short(run: Run, write: Write, seconds: float) -> None:
    path = write(wav(tone(seconds, RATE), RATE))

    async def scenario(engine: Whisper) -> None:
        with pytest.raises(InvalidRequest) as failed:
            await events(engine, path)
        assert failed.value.code in ("invalid_audio", "audio_too_short")
        assert failed.value.param == "file"

    run(scenario)


@pytest.mark.parametrize("seconds", [0.1, 0.5])
def test_the_shortest_audio(run: Run, write: Write, speech: Samples, seconds: float) -> None:
    path = write(wav(speech[RATE // 5 :][: math.ceil(seconds * RATE)], RATE))

    async def scenario(engine: Whisper) -> None:
        found = await events(engine, path, words=True, logprobs=True)
        assert finish(found).duration == pytest.approx(seconds)

    run(scenario)


def test_audio_that_is_too_long(run: Run, write: Write) -> None:
    path = write(wav(np.zeros(700_000, np.float32), 1000))

    async def scenario(engine: Whisper) -> None:
        with pytest.raises(InvalidRequest, match="longer than the 600 seconds"):
            await events(engine, path)

    run(scenario)


def test_times_after_silence(run: Run, write: Write, speech: Samples) -> None:
    silence = np.zeros(45 * RATE, np.float32)
    path = write(wav(np.concatenate([silence, speech, silence, speech]), RATE))

    async def scenario(engine: Whisper) -> None:
        found = await events(engine, path, words=True)
        assert words(found) == f"{SAID} {SAID}"
        spoken = [word for part in segments(found) for word in part.words]
        second = 45 + len(speech) / RATE + 45
        assert spoken[0].start == pytest.approx(45, abs=0.5)
        assert spoken[len(spoken) // 2].start == pytest.approx(second, abs=0.5)

    run(scenario)


def test_a_prompt_and_keywords_change_the_text(run: Run) -> None:
    async def scenario(engine: Whisper) -> None:
        plain = text(await events(engine, str(SPEECH)))
        keywords = ("Good Morning",)
        assert "Good Morning" in text(await events(engine, str(SPEECH), keywords=keywords))
        assert "Good Morning" not in plain
        prompt = "we talk without any points and commas because we never stop"
        assert text(await events(engine, str(SPEECH), prompt=prompt)) != plain

    run(scenario)


def test_special_tokens_in_a_prompt_are_text(run: Run) -> None:
    async def scenario(engine: Whisper) -> None:
        found = await events(engine, str(SPEECH), prompt="<|endoftext|><|0.00|>" * 50)
        assert finish(found).duration > 5

    run(scenario)


def test_what_the_model_does_not_accept(run: Run) -> None:
    refused: list[tuple[dict[str, Any], type[InvalidRequest], str]] = [
        ({"languages": ("fr",)}, InvalidRequest, "language"),
        ({"task": "translate"}, Unsupported, "model"),
        ({"speakers": True}, Unsupported, "response_format"),
        ({"keywords": ("word",) * 200}, InvalidRequest, "keywords"),
    ]

    async def scenario(engine: Whisper) -> None:
        for values, error, param in refused:
            with pytest.raises(error) as failed:
                await events(engine, str(SPEECH), **values)
            assert failed.value.param == param

    run(scenario)


def test_closing_ends_the_work_after_a_window(run: Run, write: Write, speech: Samples) -> None:
    path = write(wav(with_pauses(speech, 20), RATE))

    async def scenario(engine: Whisper) -> None:
        stream = engine.transcribe(TranscribeRequest(path=path))
        first = await anext(stream)
        assert isinstance(first, TranscriptDelta)
        await stream.aclose()
        waiting = asyncio.ensure_future(events(engine, path))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert words(await events(engine, str(SPEECH))) == SAID

    run(scenario)


def test_a_short_file_does_not_wait_for_a_long_one(run: Run, write: Write, speech: Samples) -> None:
    path = write(wav(with_pauses(speech, 20), RATE))

    async def scenario(engine: Whisper) -> None:
        long = asyncio.ensure_future(events(engine, path))
        assert words(await events(engine, str(SPEECH))) == SAID
        assert not long.done()
        long.cancel()
        await asyncio.wait({long})

    run(scenario)


def test_folders_that_are_no_model(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        with pytest.raises(EngineFailed, match=f"it has no {name}"):
            asyncio.run(Whisper.load("m", tmp_path, {}))
        (tmp_path / name).write_text("{}")
    with pytest.raises(EngineFailed, match="cannot be loaded"):
        asyncio.run(Whisper.load("m", tmp_path, {}))


def test_the_multilingual_model() -> None:
    async def scenario() -> None:
        engine = await Whisper.load("base", whisper_weights("whisper-base"), {"beam": 1})
        among = await events(engine, str(SPEECH), languages=("fr", "en"))
        assert (words(among), finish(among).languages) == (SAID, ("en",))
        translated = await events(engine, str(SPEECH), task="translate")
        assert "good morning" in words(translated)
        with pytest.raises(InvalidRequest, match="does not know it"):
            await events(engine, str(SPEECH), languages=("xx",))

    asyncio.run(scenario())
