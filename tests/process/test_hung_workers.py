"""Workers that are stopped, as by a fault: they are ended, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from openai import APIError, InternalServerError, OpenAI

from tests.process.serving import Process, serving, story_request
from tests.process.settings_files import ENDLESS, model_table, settings_file
from tests.support import fetch, wait_until

CONFIG = settings_file(
    model_table("hung", **ENDLESS, slots=16),
    model_table("other", worker=True),
    model_table("third", worker=True),
    transcription_model="hung",
)
HELLO: Any = [{"role": "user", "content": "Hi there, you"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("server")
    limits = {"ping_timeout": 2, "load_timeout": 1, "data": folder / "data"}
    with serving(folder, CONFIG, **limits) as process:
        yield process


def load(server: Process, model: str) -> psutil.Process:
    """The worker of the model, which is loaded by a short request."""
    before = set(server.workers())
    server.client().chat.completions.create(model=model, messages=HELLO, max_tokens=1)
    (worker,) = set(server.workers()) - before
    return worker


def unload(server: Process, model: str) -> int:
    body = {"model": model, "keep_alive": 0}
    return fetch(f"{server.url}/api/generate", "POST", json=body).status


def streamed(client: OpenAI) -> None:
    list(client.chat.completions.create(**story_request("hung", 1)))


def whole(client: OpenAI) -> None:
    client.chat.completions.create(model="hung", messages=HELLO)


def embedded(client: OpenAI) -> None:
    client.embeddings.create(model="hung", input="x")


def transcribed(client: OpenAI) -> None:
    client.audio.transcriptions.create(model="hung", file=("a.wav", b"RIFF"))


def spoken(client: OpenAI) -> None:
    client.audio.speech.create(model="hung", input="x", voice="alloy")


def painted(client: OpenAI) -> None:
    client.images.generate(model="hung", prompt="x")


def tokenised(client: OpenAI) -> None:
    client.post("/tokenize", body={"model": "hung", "prompt": "x"}, cast_to=object)


REQUESTS: tuple[Callable[[OpenAI], None], ...] = (
    *(streamed, whole, embedded, transcribed, spoken, painted, tokenised),
)


def test_a_stopped_worker_is_killed_and_loaded_again(server: Process) -> None:
    unload(server, "hung")
    worker = load(server, "hung")
    crashes = server.gauge("openedai_model_crashes_total", "hung")
    worker.suspend()

    def error_of(request: Callable[[OpenAI], None]) -> APIError:
        with server.client() as client, pytest.raises(APIError) as caught:
            request(client)
        return caught.value

    with ThreadPoolExecutor(len(REQUESTS)) as threads:
        errors = [threads.submit(error_of, request) for request in REQUESTS]
        wait_until(lambda: server.gauge("openedai_model_running", "hung") == len(REQUESTS))
        others = server.client().chat.completions.create(model="other", messages=HELLO)
        assert others.choices[0].message.content == "Hi there, you"
        found = [error.result(timeout=60) for error in errors]
    assert {error.code for error in found} == {"engine_crashed"}
    wait_until(lambda: not worker.is_running())
    assert load(server, "hung").is_running()
    assert server.gauge("openedai_model_crashes_total", "hung") == crashes + 1
    assert server.gauge("openedai_model_running", "hung") == 0


def test_answers_of_a_stopped_worker_can_be_stopped_and_it_can_be_unloaded(
    server: Process,
) -> None:
    unload(server, "hung")
    worker = load(server, "hung")
    with server.client() as client:
        stream = client.chat.completions.create(**story_request("hung", 1))
        next(stream)
        worker.suspend()
        assert unload(server, "hung") == 503
        key = {"authorization": f"Bearer {client.api_key}"}
        stopped = fetch(f"{server.url}/v1/internal/stop-generation", "POST", headers=key)
        assert stopped.status == 200
        *_, last = stream
        assert last.choices[0].finish_reason == "stop"
    assert unload(server, "hung") == 200
    wait_until(lambda: not worker.is_running())


def test_a_stopped_load_is_ended_and_others_load(server: Process) -> None:
    unload(server, "third")
    unload(server, "other")
    before = set(server.workers())

    def stop_the_load() -> None:
        wait_until(lambda: len(set(server.workers()) - before) == 1)
        (set(server.workers()) - before).pop().suspend()

    with server.client() as client, ThreadPoolExecutor(2) as threads:
        create: Any = client.chat.completions.create
        stopping = threads.submit(stop_the_load)
        hung = threads.submit(create, model="third", messages=HELLO)
        stopping.result(timeout=60)
        assert create(model="other", messages=HELLO).choices[0].message.content
        with pytest.raises(InternalServerError) as caught:
            hung.result(timeout=60)
        assert caught.value.code == "engine_crashed"
        assert create(model="third", messages=HELLO).choices[0].message.content
