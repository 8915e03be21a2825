"""Speech and transcription: our endpoints over HTTP, compared with what runs underneath."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.json_child import Child, child
from bench.load.client import LoadError
from bench.scale import Scale
from bench.servers import openedai
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import SPEECH, TRANSCRIPTION, Kind
from openedai.config import ModelSpec, Settings
from openedai.engines.machine import usable_cores
from openedai.errors import ModelNotFound
from openedai.weights.library import Library

SECTION = "audio"
LIBRARY = "faster-whisper"
ENGINE = "the engine alone"
Run = Callable[[int], Awaitable[float]]
PCM_BYTES = 48_000  # a second
_FOLDER = Path(__file__).parent
_STORY = _FOLDER.parents[1] / "quality.txt"


@dataclass(frozen=True)
class Models:
    """A voice and a model for transcription, each with the path of its weights, if it has any."""

    voice: ModelSpec
    voice_path: Path | None
    whisper: ModelSpec
    whisper_path: Path | None

    @classmethod
    def defaults(cls) -> Models:
        """The default models, downloaded. Raises ModelNotFound. Blocking."""
        settings = Settings()
        voice, whisper = _default(settings, SPEECH), _default(settings, TRANSCRIPTION)
        library = Library(settings)
        return cls(voice, library.pull(voice), whisper, library.pull(whisper))


def _default(settings: Settings, kind: Kind) -> ModelSpec:
    model = Catalog(settings).default(kind)
    if model is None:
        raise ModelNotFound(kind.setting)
    return model.spec


async def measure(scale: Scale, versions: dict[str, str]) -> list[Figure]:
    """Measure. The version of the library is added to `versions`."""
    models = await asyncio.to_thread(Models.defaults)
    async with _server(models) as session:
        return [
            await _speech(session, models, scale),
            await _transcription(session, models, scale, versions),
        ]


@asynccontextmanager
async def _server(models: Models) -> AsyncIterator[aiohttp.ClientSession]:
    options = ["--preload", models.voice.id, "--preload", models.whisper.id]
    async with openedai(options=options) as (url, _), aiohttp.ClientSession(f"{url}/") as session:
        yield session


async def _speech(session: aiohttp.ClientSession, models: Models, scale: Scale) -> Figure:
    async with child(ENGINE, [sys.executable, _FOLDER / "speech_engine_peer.py"], {}) as peer:
        path = None if models.voice_path is None else str(models.voice_path)
        voice = {"engine": models.voice.engine, "path": path, "options": models.voice.options}
        await peer.ask(voice)

        async def ours(number: int) -> float:
            text = _story(number * scale.spoken_words, scale.spoken_words)
            started = time.perf_counter()
            pcm = await _speak(session, models, text, "pcm")
            return len(pcm) / PCM_BYTES / (time.perf_counter() - started)

        async def theirs(number: int) -> float:
            text = _story(number * scale.spoken_words, scale.spoken_words)
            pcm = await _speak(session, models, text, "pcm")
            answer = await peer.ask({"text": text})
            return len(pcm) / PCM_BYTES / float(answer["seconds"])

        runs: dict[str, Run] = {SUBJECT: ours, ENGINE: theirs}
        for run in runs.values():
            await run(-1)
        return Figure(
            SECTION,
            f"speech of {scale.spoken_words} words",
            "x real time",
            True,
            await alternate(runs, scale.rounds),
            Budget(0.97, "at least", of="ratio", peer=ENGINE),
            note="one request after the other; the peer has neither HTTP nor a worker",
        )


async def _transcription(
    session: aiohttp.ClientSession, models: Models, scale: Scale, versions: dict[str, str]
) -> Figure:
    script = _FOLDER / "faster_whisper_peer.py"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        text = _story(0, scale.heard_words)
        speech = await _speak(session, models, text, "mp3")
        file = Path(folder, "speech.mp3")
        await asyncio.to_thread(file.write_bytes, speech)
        seconds = len(await _speak(session, models, text, "pcm")) / PCM_BYTES
        async with child(LIBRARY, [sys.executable, script], {"HF_HUB_OFFLINE": "1"}) as peer:
            loaded = {"folder": str(models.whisper_path), "threads": usable_cores()}
            versions.update(await peer.ask(loaded))

            async def ours(number: int) -> float:
                started = time.perf_counter()
                await _transcribe(session, models, speech)
                return seconds / (time.perf_counter() - started)

            async def theirs(number: int) -> float:
                return seconds / await _library(peer, file)

            runs: dict[str, Run] = {SUBJECT: ours, LIBRARY: theirs}
            for run in runs.values():
                await run(-1)
            return Figure(
                SECTION,
                f"transcription of {seconds:.0f} s",
                "x real time",
                True,
                await alternate(runs, scale.rounds),
                Budget(0.97, "at least", of="ratio", peer=LIBRARY),
                note="an MP3 file; the peer is called in-process",
            )


def _story(start: int, count: int) -> str:
    """Words of a natural text, from the word `start` onwards."""
    words = _STORY.read_text("utf-8").split()
    return " ".join(words[max(start, 0) :][:count])


async def _library(peer: Child, file: Path) -> float:
    return float((await peer.ask({"file": str(file)}))["seconds"])


async def _speak(session: aiohttp.ClientSession, models: Models, text: str, format: str) -> bytes:
    body = {"model": models.voice.id, "voice": "alloy", "input": text, "response_format": format}
    async with session.post("audio/speech", json=body) as response:
        return await _body(response)


async def _transcribe(session: aiohttp.ClientSession, models: Models, speech: bytes) -> bytes:
    form = aiohttp.FormData({"model": models.whisper.id})
    form.add_field("file", speech, filename="speech.mp3")
    async with session.post("audio/transcriptions", data=form) as response:
        return await _body(response)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = await response.read()
    if response.status != 200:
        raise LoadError(f"{response.url} answered {response.status}: {body[:500]!r}")
    return body
