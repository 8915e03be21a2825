"""A server for faults: its models, requests to each of them, and what may come back."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
from openai import APIError, APIStatusError, OpenAI

from tests.process.serving import Process
from tests.process.settings_files import model_table, settings_file
from tests.support import wait_until

_ECHO_MODEL = model_table("echo", worker=True, delay=0.01, repeat=20, slots=16)
ECHO = settings_file(_ECHO_MODEL, transcription_model="echo")
REAL = settings_file(
    _ECHO_MODEL,
    chat_model="smollm2-135m-instruct",
    embedding_model="all-mpnet-base-v2",
    builtin_models=True,
    memory_budget="4GiB",
)
STORY: Any = [{"role": "user", "content": "Tell me a story of a fox and a hen, please."}]
Request = Callable[[OpenAI, str], object]
Requests = Mapping[str, tuple[Request, ...]]


def whole(client: OpenAI, model: str) -> object:
    answer = client.chat.completions.create(model=model, messages=STORY, max_tokens=16)
    assert answer.choices[0].finish_reason in ("stop", "length")
    return answer


def streamed(client: OpenAI, model: str) -> object:
    create: Any = client.chat.completions.create
    chunks = list(create(model=model, messages=STORY, max_tokens=16, stream=True))
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    return chunks


def left(client: OpenAI, model: str) -> object:
    """A client that leaves after the first chunk."""
    create: Any = client.chat.completions.create
    stream = create(model=model, messages=STORY, max_tokens=500, stream=True)
    first = next(iter(stream))
    stream.close()
    return first


def embedded(client: OpenAI, model: str) -> object:
    return client.embeddings.create(model=model, input=["a fox", "a hen"])


def spoken(client: OpenAI, model: str) -> object:
    speech = client.audio.speech.with_streaming_response
    with speech.create(
        model=model, input="A fox met a hen.", voice="alloy", response_format="pcm"
    ) as answer:
        return answer.read()


def transcribed(client: OpenAI, model: str) -> object:
    return client.audio.transcriptions.create(model=model, file=("a.wav", recording()))


def heard(client: OpenAI, model: str, size: int = 1000) -> object:
    """A transcription for the fake engine, which reads texts; `size` is that of the file."""
    return client.audio.transcriptions.create(model=model, file=("a.wav", b"a fox".ljust(size)))


def painted(client: OpenAI, model: str) -> object:
    return client.images.generate(model=model, prompt="a fox", size="256x256")


def recording() -> bytes:
    """A WAV file with a second of silence."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(2 * 16000))
    return buffer.getvalue()


def attempt(server: Process, request: Request, model: str) -> str | None:
    """Make the request. Returns what is wrong with its outcome: nothing, where it is an answer, a
    crash of the engine that is called so, speech that breaks off, or a refusal for now.
    """
    with server.client() as client:
        try:
            request(client, model)
        except APIError as error:
            refused = isinstance(error, APIStatusError) and error.status_code in (429, 503)
            if error.code != "engine_crashed" and not refused:
                return f"{request.__name__} {model}: {error!r}"
        except httpx2.RemoteProtocolError as error:  # after the beginning of an answer
            if request is not spoken:
                return f"{request.__name__} {model}: {error!r}"
    return None


def assert_well(server: Process, requests: Requests) -> None:
    """The server answers each request, and holds nothing of those before."""
    with server.client() as client:
        for model, kinds in requests.items():
            for request in kinds:
                request(client, model)
    gauges = ("openedai_model_running", "openedai_model_waiting")
    wait_until(lambda: not any(server.gauge(name, one) for name in gauges for one in requests))
    found = tracebacks(server)
    assert not found, found[0]


def tracebacks(server: Process) -> list[str]:
    """Those in its log."""
    log = server.log
    return ["".join(log[at : at + 40]) for at, line in enumerate(log) if "Traceback" in line]


def fill(disk: Path) -> Path:
    """A file that takes all that is left."""
    file = disk / "full"
    with file.open("wb", buffering=0) as output:
        size = 1 << 16
        while size:
            try:
                output.write(bytes(size))
            except OSError:
                size //= 2
    return file
