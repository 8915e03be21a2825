"""What every generator must do, over each engine that there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing, suppress
from typing import Any

import pytest

from openedai.engines.base import (
    Chat,
    Finish,
    GenerateEvent,
    GenerateRequest,
    Generator,
    Message,
    Sampling,
    Text,
    TextDelta,
    Tokens,
)
from openedai.engines.hosted import load_engine
from openedai.errors import ContextLengthExceeded, InvalidRequest

GREEDY = Sampling(temperature=0.0)
STORY = Text(
    text="Once upon a time there was a little girl who lived in a village near the forest."
)
HELLO = Chat(messages=(Message(role="user", content="Say hello to all of my friends, please."),))

Scenario = Callable[[Generator], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
CONTEXT = 512


@pytest.fixture(
    scope="module",
    params=[
        "echo",
        "echo in a worker",
        pytest.param("llama_cpp", marks=pytest.mark.real),
        pytest.param("llama_cpp native", marks=pytest.mark.real),
    ],
)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    name, path = request.param.split()[0], None
    options: dict[str, Any] = {"context": CONTEXT}
    if name == "llama_cpp":
        path = request.getfixturevalue("smollm2_path")
        options["slots"] = 2
        native = request.param == "llama_cpp native"
        options["server"] = request.getfixturevalue("native_server") if native else "wheel"
    elif request.param == "echo in a worker":
        options["worker"] = True
    with asyncio.Runner() as runner:
        engine = runner.run(load_engine(name, "the-model", path, options))
        assert isinstance(engine, Generator)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())
        runner.run(engine.close())


async def collect(engine: Generator, request: GenerateRequest) -> list[GenerateEvent]:
    async with aclosing(engine.generate(request)) as events:
        return [event async for event in events]


def text(events: list[GenerateEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_deltas_then_one_finish(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        for prompt in (HELLO, STORY, Tokens(ids=(1, 2, 3, 4, 5))):
            request = GenerateRequest(prompt=prompt, sampling=GREEDY, max_tokens=3)
            *deltas, finish = await collect(engine, request)
            assert isinstance(finish, Finish)
            assert finish.reason == "length"
            assert finish.usage.completion_tokens == 3
            assert finish.usage.prompt_tokens >= 5
            assert 0 <= finish.usage.cached_tokens <= finish.usage.prompt_tokens
            assert all(isinstance(delta, TextDelta) and delta.text for delta in deltas)

    run(scenario)


def test_the_same_greedy_request_gives_the_same_text(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=STORY, sampling=GREEDY, max_tokens=8)
        assert text(await collect(engine, request)) == text(await collect(engine, request))

    run(scenario)


def test_stop_string_is_cut_off(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=STORY, sampling=GREEDY, max_tokens=12)
        whole = text(await collect(engine, request))
        stop = whole.split()[3]
        request = GenerateRequest(prompt=STORY, sampling=GREEDY, max_tokens=12, stop=(stop,))
        *deltas, finish = await collect(engine, request)
        assert isinstance(finish, Finish)
        assert finish.reason == "stop"
        assert text(deltas) == whole[: whole.index(stop)]

    run(scenario)


def test_many_at_once_do_not_mix(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        prompts = [Text(text=f"The number {n} is followed by the number") for n in range(6)]
        requests = [GenerateRequest(prompt=p, sampling=GREEDY, max_tokens=4) for p in prompts]
        together = await asyncio.gather(*(collect(engine, request) for request in requests))
        for events in together:
            assert isinstance(events[-1], Finish)
            assert events[-1].usage.completion_tokens <= 4

    run(scenario)


def test_context_overflow_says_both_numbers(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=Text(text="word " * 2000), max_tokens=1)
        with pytest.raises(ContextLengthExceeded) as caught:
            await collect(engine, request)
        assert "512 tokens" in caught.value.message
        assert "200" in caught.value.message

    run(scenario)


def test_generation_ends_where_the_context_does(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        prompt = Text(text="one two three four five six seven eight nine ten " * 45)
        events = await collect(engine, GenerateRequest(prompt=prompt, sampling=GREEDY))
        finish = events[-1]
        assert isinstance(finish, Finish)
        assert finish.reason == "length"
        assert finish.usage.prompt_tokens + finish.usage.completion_tokens <= 513

    run(scenario)


def test_closing_the_iterator_frees_the_engine(run: Run) -> None:
    """More generations are given up than there are slots; the next one is still answered."""

    async def scenario(engine: Generator) -> None:
        for _ in range(2 * min(engine.slots, 4)):
            async with aclosing(engine.generate(GenerateRequest(prompt=STORY))) as events:
                await anext(events)
        request = GenerateRequest(prompt=HELLO, max_tokens=1)
        async with asyncio.timeout(20):
            assert isinstance((await collect(engine, request))[-1], Finish)

    run(scenario)


def test_bad_tokens_are_refused_and_harm_nobody(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=Tokens(ids=(10**9,)), max_tokens=1)
        with suppress(InvalidRequest):
            await collect(engine, request)
        request = GenerateRequest(prompt=HELLO, max_tokens=1)
        assert isinstance((await collect(engine, request))[-1], Finish)

    run(scenario)


def test_memory_is_measured(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        assert engine.memory() > 1 << 19

    run(scenario)
