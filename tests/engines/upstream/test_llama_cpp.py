"""llama.cpp's own server as an upstream, on a real model."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.servers import native
from openedai.config import ModelSpec
from openedai.contract.chat import Chat, Message, Tool
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    Grammar,
    JsonSchema,
    Regex,
    Sampling,
    Text,
    TextDelta,
    Tokens,
)
from openedai.engines.upstream.engine import Upstream
from openedai.errors import BadGateway, ContextLengthExceeded, InvalidRequest, Unsupported

pytestmark = pytest.mark.real

Scenario = Callable[[Upstream], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]

GREEDY = Sampling(temperature=0.0)
HELLO = Chat(messages=(Message(role="user", content="Say hello to my friends."),))
STORY = Text(text="Once upon a time there was a little girl who lived in a")
KEY = "sk-llama"


@dataclass(frozen=True)
class Listener:
    runner: asyncio.Runner
    url: str


@pytest.fixture(scope="module")
def listener(smollm2_path: Path) -> Iterator[Listener]:
    """One server that all tests share, and the loop that they run in."""
    options = {"slots": 2, "context": 512, "threads": 1}
    spec = ModelSpec(id="smollm2", engine="llama_cpp", source="unused", options=options)
    with asyncio.Runner() as runner:
        server = native(spec, smollm2_path, KEY)
        yield Listener(runner, runner.run(server.__aenter__()))
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def run(listener: Listener) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests share."""
    options = {"url": listener.url, "key": KEY, "server": "llama.cpp"}
    engine = listener.runner.run(Upstream.load("ours", None, options))
    yield lambda scenario: listener.runner.run(scenario(engine))
    listener.runner.run(engine.close())


async def collect(engine: Upstream, **request: Any) -> list[GenerateEvent]:
    request = {"prompt": HELLO, "sampling": GREEDY, "max_tokens": 8, **request}
    async with aclosing(engine.generate(GenerateRequest(**request))) as events:
        return [event async for event in events]


def text(events: list[GenerateEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("prompt", [HELLO, STORY, Tokens(ids=(28, 29, 30))], ids=type)
def test_texts_have_their_usage(run: Run, prompt: Chat | Text | Tokens) -> None:
    async def scenario(engine: Upstream) -> None:
        *deltas, finish = await collect(engine, prompt=prompt)
        assert text(deltas)
        assert isinstance(finish, Finish)
        assert finish.reason in ("stop", "length")
        assert finish.usage.prompt_tokens >= 3
        assert 1 <= finish.usage.completion_tokens <= 8

    run(scenario)


@pytest.mark.parametrize("prompt", [HELLO, STORY], ids=type)
@pytest.mark.parametrize("alternatives", [0, 3])
def test_log_probabilities(run: Run, prompt: Chat | Text, alternatives: int) -> None:
    async def scenario(engine: Upstream) -> None:
        events = await collect(engine, prompt=prompt, logprobs=alternatives)
        deltas = [event for event in events if isinstance(event, TextDelta)]
        tokens = [token for delta in deltas for token in delta.logprobs]
        assert b"".join(token.raw for token in tokens).decode() == text(events)
        for token in tokens:
            assert token.logprob is not None
            assert token.logprob <= 0
            assert len(token.top) == alternatives
            assert not token.top or token.top[0].logprob == pytest.approx(token.logprob)

    run(scenario)


@pytest.mark.parametrize("prompt", [HELLO, STORY], ids=type)
def test_constraints_hold(run: Run, prompt: Chat | Text) -> None:
    async def scenario(engine: Upstream) -> None:
        pattern = "(yes|no), [0-9]{3}"
        said = await collect(engine, prompt=prompt, constraint=Regex(pattern=pattern))
        assert re.fullmatch(pattern, text(said))
        said = await collect(engine, prompt=prompt, constraint=Grammar(gbnf='root ::= "a" "b"'))
        assert text(said) == "ab"
        schema = {"enum": [{"a": 1}, {"a": 2}]}
        said = await collect(
            engine, prompt=prompt, constraint=JsonSchema(schema=schema), max_tokens=30
        )
        assert json.loads(text(said)) in schema["enum"]

    run(scenario)


def test_a_required_call_that_it_does_not_make_is_refused(run: Run) -> None:
    """Tools are nothing to a model whose template has no place for them."""

    async def scenario(engine: Upstream) -> None:
        chat = Chat(messages=HELLO.messages, tools=(Tool(name="paint"),), call_required=True)
        with pytest.raises(Unsupported) as caught:
            await collect(engine, prompt=chat)
        assert caught.value.param == "tool_choice"

    run(scenario)


def test_its_refusals_are_the_clients(run: Run) -> None:
    async def scenario(engine: Upstream) -> None:
        with pytest.raises(ContextLengthExceeded) as caught:
            await collect(engine, prompt=Text(text="word " * 2000))
        assert "512 tokens" in caught.value.message
        with pytest.raises(InvalidRequest):
            await collect(engine, constraint=Grammar(gbnf="root ::= other"))
        with pytest.raises(InvalidRequest):
            await collect(engine, prompt=STORY, suffix="The end.")
        with pytest.raises(InvalidRequest):
            await collect(engine, prompt=STORY, echo=True)

    run(scenario)


def test_extra_parameters_and_local_samplers_are_understood(run: Run) -> None:
    async def scenario(engine: Upstream) -> None:
        odd = Sampling(top_k=1, dry_multiplier=0.8, dry_sequence_breakers=("x",), min_p=0.1)
        *_, finish = await collect(
            engine, sampling=odd, extra={"ignore_eos": True, "n_indent": 0}, max_tokens=60
        )
        assert isinstance(finish, Finish)
        assert finish.usage.completion_tokens == 60, "it never ends by itself"

    run(scenario)


def test_answers_that_are_given_up_free_their_slots(run: Run) -> None:
    async def scenario(engine: Upstream) -> None:
        for _ in range(4):
            request = GenerateRequest(prompt=STORY, extra={"ignore_eos": True})
            async with aclosing(engine.generate(request)) as events:
                await anext(events)
        async with asyncio.timeout(60):
            assert isinstance((await collect(engine))[-1], Finish)

    run(scenario)


def test_its_models_are_listed(run: Run) -> None:
    async def scenario(engine: Upstream) -> None:
        assert len(await engine.models()) == 1

    run(scenario)


def test_a_wrong_key_is_told_from_a_wrong_request(listener: Listener) -> None:
    async def scenario() -> None:
        options = {"url": listener.url, "key": "sk-wrong", "server": "llama.cpp"}
        stranger = await Upstream.load("ours", None, options)
        try:
            with pytest.raises(BadGateway, match="key"):
                await collect(stranger)
        finally:
            await stranger.close()

    listener.runner.run(scenario())
