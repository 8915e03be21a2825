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
    LocalSampling,
    Regex,
    Sampling,
    Text,
    Tokens,
)
from openedai.engines.upstream.engine import Upstream
from openedai.errors import BadGateway, ContextLengthExceeded, InvalidRequest, Unsupported
from tests.events import collect, logprobs_of, text_of

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
        url, _ = runner.run(server.__aenter__())
        yield Listener(runner, url)
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def run(listener: Listener) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests share."""
    options = {"url": listener.url, "key": KEY, "server": "llama.cpp"}
    engine = listener.runner.run(Upstream.load("ours", None, options))
    yield lambda scenario: listener.runner.run(scenario(engine))
    listener.runner.run(engine.close())


async def answer(engine: Upstream, **request: Any) -> list[GenerateEvent]:
    request = {"prompt": HELLO, "sampling": GREEDY, "max_tokens": 8, **request}
    return await collect(engine, GenerateRequest(**request))


@pytest.mark.parametrize("prompt", [HELLO, STORY, Tokens(ids=(28, 29, 30))], ids=type)
def test_texts_have_their_usage(run: Run, prompt: Chat | Text | Tokens) -> None:
    async def scenario(engine: Upstream) -> None:
        *deltas, finish = await answer(engine, prompt=prompt)
        assert text_of(deltas)
        assert isinstance(finish, Finish)
        assert finish.reason in ("stop", "length")
        assert finish.usage.prompt_tokens >= 3
        assert 1 <= finish.usage.completion_tokens <= 8

    run(scenario)


@pytest.mark.parametrize("prompt", [HELLO, STORY], ids=type)
@pytest.mark.parametrize("alternatives", [0, 3])
def test_log_probabilities(run: Run, prompt: Chat | Text, alternatives: int) -> None:
    async def scenario(engine: Upstream) -> None:
        events = await answer(engine, prompt=prompt, logprobs=alternatives)
        tokens = logprobs_of(events)
        assert b"".join(token.raw for token in tokens).decode() == text_of(events)
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
        events = await answer(engine, prompt=prompt, constraint=Regex(pattern=pattern))
        assert re.fullmatch(pattern, text_of(events))
        events = await answer(engine, prompt=prompt, constraint=Grammar(gbnf='root ::= "a" "b"'))
        assert text_of(events) == "ab"
        schema = {"enum": [{"a": 1}, {"a": 2}]}
        events = await answer(
            engine, prompt=prompt, constraint=JsonSchema(schema=schema), max_tokens=30
        )
        assert json.loads(text_of(events)) in schema["enum"]

    run(scenario)


def test_a_required_call_that_the_model_does_not_make(run: Run) -> None:
    """The model's template ignores tools."""

    async def scenario(engine: Upstream) -> None:
        chat = Chat(messages=HELLO.messages, tools=(Tool(name="paint"),), call_required=True)
        with pytest.raises(Unsupported) as caught:
            await answer(engine, prompt=chat)
        assert caught.value.param == "tool_choice"

    run(scenario)


def test_refusals_are_passed_on(run: Run) -> None:
    async def scenario(engine: Upstream) -> None:
        with pytest.raises(ContextLengthExceeded) as caught:
            await answer(engine, prompt=Text(text="word " * 2000))
        assert "512 tokens" in caught.value.message
        with pytest.raises(InvalidRequest):
            await answer(engine, constraint=Grammar(gbnf="root ::= other"))
        with pytest.raises(InvalidRequest):
            await answer(engine, prompt=STORY, suffix="The end.")
        with pytest.raises(InvalidRequest):
            await answer(engine, prompt=STORY, echo=True)

    run(scenario)


def test_extra_parameters_and_local_samplers_are_accepted(run: Run) -> None:
    async def scenario(engine: Upstream) -> None:
        local = LocalSampling(top_k=1, dry_multiplier=0.8, dry_sequence_breakers=("x",), min_p=0.1)
        odd = Sampling(local=local)
        *_, finish = await answer(
            engine, sampling=odd, extra={"ignore_eos": True, "n_indent": 0}, max_tokens=60
        )
        assert isinstance(finish, Finish)
        assert finish.usage.completion_tokens == 60, "it ends only at the limit"

    run(scenario)


def test_closed_answers_free_their_slots(run: Run) -> None:
    async def scenario(engine: Upstream) -> None:
        for _ in range(4):
            request = GenerateRequest(prompt=STORY, extra={"ignore_eos": True})
            async with aclosing(engine.generate(request)) as events:
                await anext(events)
        async with asyncio.timeout(60):
            assert isinstance((await answer(engine))[-1], Finish)

    run(scenario)


def test_models_are_listed(run: Run) -> None:
    async def scenario(engine: Upstream) -> None:
        assert len(await engine.models()) == 1

    run(scenario)


def test_a_wrong_key(listener: Listener) -> None:
    async def scenario() -> None:
        options = {"url": listener.url, "key": "sk-wrong", "server": "llama.cpp"}
        refused = await Upstream.load("ours", None, options)
        try:
            with pytest.raises(BadGateway, match="key"):
                await answer(refused)
        finally:
            await refused.close()

    listener.runner.run(scenario())
