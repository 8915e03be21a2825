"""What every transcriber must do, tested on each engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.engine import Transcriber
from openedai.contract.transcribe import (
    TranscribeEvent,
    TranscribeRequest,
    TranscriptDelta,
    TranscriptFinish,
    TranscriptSegment,
)
from openedai.engines.load import load_engine
from openedai.errors import InvalidRequest
from tests.engines.whisper.models import whisper_weights

Scenario = Callable[[Transcriber], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
ENGINES = [
    "echo",
    "echo in a worker",
    "upstream",
    pytest.param("whisper", marks=pytest.mark.real),
]
SPEECH = Path(__file__).parents[1] / "engines" / "whisper" / "speech.ogg"
SPOKEN = b"Good morning. How are you today? It is a fine day."


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    name = request.param.split()[0]
    options: dict[str, Any] = {"worker": True} if request.param == "echo in a worker" else {}
    path = None
    if name == "whisper":
        path, options = whisper_weights("whisper-tiny.en"), {"slots": 2, "beam": 1}
    if name == "upstream":
        server = request.getfixturevalue("echo_server")
        options = {"url": server.url, "server": "openedai", "model": "echo"}
    with asyncio.Runner() as runner:
        engine = runner.run(load_engine(name, "the-model", path, options))
        assert isinstance(engine, Transcriber)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())


@pytest.fixture
def audio(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A file with speech that the engine understands."""
    if request.node.callspec.params["run"] == "whisper":
        return str(SPEECH)
    file = tmp_path / "speech.wav"
    file.write_bytes(SPOKEN)
    return str(file)


async def events(engine: Transcriber, request: TranscribeRequest) -> list[TranscribeEvent]:
    async with aclosing(engine.transcribe(request)) as stream:
        return [event async for event in stream]


def text_of(found: list[TranscribeEvent]) -> str:
    return "".join(event.text for event in found if isinstance(event, TranscriptDelta))


def segments_of(found: list[TranscribeEvent]) -> list[TranscriptSegment]:
    return [event for event in found if isinstance(event, TranscriptSegment)]


def test_the_last_event_is_the_only_finish(run: Run, audio: str) -> None:
    async def scenario(engine: Transcriber) -> None:
        found = await events(engine, TranscribeRequest(path=audio))
        assert [isinstance(event, TranscriptFinish) for event in found].index(True) == (
            len(found) - 1
        )
        finish = found[-1]
        assert isinstance(finish, TranscriptFinish)
        assert finish.duration > 0
        assert finish.languages[0] == "en"

    run(scenario)


def test_segments_are_in_order_and_have_the_whole_text(run: Run, audio: str) -> None:
    async def scenario(engine: Transcriber) -> None:
        found = await events(engine, TranscribeRequest(path=audio, segments=True))
        segments = segments_of(found)
        assert "".join(one.text for one in segments).split() == text_of(found).split() != []
        times = [time for one in segments for time in (one.start, one.end)]
        assert times == sorted(times)
        assert all(one.words == () for one in segments)

    run(scenario)


def test_words_have_times_within_their_segment(run: Run, audio: str) -> None:
    async def scenario(engine: Transcriber) -> None:
        for segment in segments_of(await events(engine, TranscribeRequest(path=audio, words=True))):
            assert [word.text.strip() for word in segment.words] == segment.text.split()
            times = [time for word in segment.words for time in (word.start, word.end)]
            assert times == sorted(times)

    run(scenario)


def test_logprobs_are_those_of_the_text(run: Run, audio: str) -> None:
    async def scenario(engine: Transcriber) -> None:
        without = await events(engine, TranscribeRequest(path=audio))
        assert all(not one.logprobs for one in without if isinstance(one, TranscriptDelta))
        found = await events(engine, TranscribeRequest(path=audio, logprobs=True))
        tokens = [
            token for one in found if isinstance(one, TranscriptDelta) for token in one.logprobs
        ]
        assert b"".join(token.raw for token in tokens).decode().split() == text_of(found).split()
        assert all(token.logprob is not None and token.logprob <= 0 for token in tokens)

    run(scenario)


@pytest.mark.parametrize("content", [b"", b"\x00\x01\xff\xfe" * 100])
def test_a_file_without_audio_is_refused(run: Run, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "speech.mp3"
    file.write_bytes(content)

    async def scenario(engine: Transcriber) -> None:
        with pytest.raises(InvalidRequest) as failed:
            await events(engine, TranscribeRequest(path=str(file)))
        assert failed.value.param == "file"

    run(scenario)


def test_closing_leaves_the_engine_free(run: Run, audio: str) -> None:
    async def scenario(engine: Transcriber) -> None:
        for _ in range(engine.slots + 1):
            async with aclosing(engine.transcribe(TranscribeRequest(path=audio))) as stream:
                assert isinstance(await anext(stream), TranscriptDelta)
        assert text_of(await events(engine, TranscribeRequest(path=audio)))

    run(scenario)


def test_several_at_once(run: Run, audio: str) -> None:
    async def scenario(engine: Transcriber) -> None:
        alone = text_of(await events(engine, TranscribeRequest(path=audio)))
        together = await asyncio.gather(
            *(events(engine, TranscribeRequest(path=audio)) for _ in range(3))
        )
        assert [text_of(found) for found in together] == [alone] * 3

    run(scenario)
