"""What every speaker must do, tested on each engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from openedai.catalog.builtin import BUILTIN_MODELS
from openedai.config import Settings
from openedai.contract.engine import Speaker
from openedai.contract.speak import AudioChunk, SpeakEvent, SpeakFinish, SpeakRequest
from openedai.engines.load import load_engine
from openedai.errors import InvalidRequest
from openedai.weights.library import Library

Scenario = Callable[[Speaker], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
ENGINES = [
    *("echo", "echo in a worker", "upstream", "hibari"),
    pytest.param("kokoro", marks=pytest.mark.real),
]
TEXT = "Good morning. How are you today? It is a fine day."
BYTES_PER_SECOND = 48_000  # of PCM: 24,000 samples of 2 bytes


def weights(engine: str) -> Path | None:
    """The weights of the built-in model of an engine; None if it needs none."""
    settings = Settings(_env_file=None)
    spec = next((spec for spec in BUILTIN_MODELS if spec.engine == engine), None)
    return None if spec is None else Library(settings).pull(spec)


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    name = request.param.split()[0]
    options: dict[str, Any] = {"worker": True} if request.param == "echo in a worker" else {}
    if name == "upstream":
        server = request.getfixturevalue("echo_server")
        options = {"url": server.url, "server": "openedai", "model": "slow"}
    with asyncio.Runner() as runner:
        engine = runner.run(load_engine(name, "the-model", weights(name), options))
        assert isinstance(engine, Speaker)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())


async def events(engine: Speaker, request: SpeakRequest) -> list[SpeakEvent]:
    async with aclosing(engine.speak(request)) as stream:
        return [event async for event in stream]


def audio_of(found: list[SpeakEvent]) -> bytes:
    return b"".join(event.data for event in found if isinstance(event, AudioChunk))


def test_pcm_has_the_duration_that_the_finish_states(run: Run) -> None:
    async def scenario(engine: Speaker) -> None:
        found = await events(engine, SpeakRequest(text=TEXT, voice="alloy", format="pcm"))
        *chunks, finish = found
        assert all(isinstance(chunk, AudioChunk) and chunk.data for chunk in chunks)
        assert isinstance(finish, SpeakFinish)
        assert len(audio_of(found)) == pytest.approx(finish.duration * BYTES_PER_SECOND, abs=2)

    run(scenario)


def test_audio_is_sent_as_it_is_made(run: Run) -> None:
    async def scenario(engine: Speaker) -> None:
        found = await events(engine, SpeakRequest(text=TEXT, voice="alloy", format="wav"))
        assert sum(isinstance(event, AudioChunk) for event in found) > 1
        assert audio_of(found).startswith(b"RIFF")

    run(scenario)


def test_every_listed_voice_speaks(run: Run) -> None:
    async def scenario(engine: Speaker) -> None:
        voices = await engine.voices()
        names = [name for voice in voices for name in (voice.name, *voice.aliases)]
        assert len(names) == len(set(names)) > 0
        for name in names:
            assert audio_of(
                await events(engine, SpeakRequest(text="Yes.", voice=name, format="pcm"))
            )

    run(scenario)


def test_an_unknown_voice_is_refused(run: Run) -> None:
    async def scenario(engine: Speaker) -> None:
        with pytest.raises(InvalidRequest) as failed:
            await events(engine, SpeakRequest(text=TEXT, voice="nobody"))
        assert failed.value.param == "voice"

    run(scenario)


def test_closing_leaves_the_engine_free(run: Run) -> None:
    async def scenario(engine: Speaker) -> None:
        request = SpeakRequest(text=TEXT, voice="alloy", format="pcm")
        for _ in range(engine.slots + 1):
            async with aclosing(engine.speak(request)) as stream:
                assert isinstance(await anext(stream), AudioChunk)
        assert audio_of(await events(engine, request))

    run(scenario)
