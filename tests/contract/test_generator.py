"""What every generator must do, tested on each engine."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing, suppress
from typing import Any

import pytest

from openedai.config import ModelSpec
from openedai.contract.chat import Chat, Image, Message, Tool, ToolCall
from openedai.contract.engine import Generator
from openedai.contract.generate import (
    Finish,
    GenerateRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Regex,
    Sampling,
    Started,
    Text,
    TextDelta,
    Tokens,
    ToolCallDelta,
)
from openedai.engines.load import load_engine
from openedai.engines.upstream.engine import Upstream
from openedai.errors import ContextLengthExceeded, InvalidRequest, Unsupported
from tests.events import collect, logprobs_of, text_of
from tests.support import Running, ServerThread, echo_settings

GREEDY = Sampling(temperature=0.0)
STORY = Text(
    text="Once upon a time there was a little girl who lived in a village near the forest."
)
HELLO = Chat(messages=(Message(role="user", content="Say hello to all of my friends, please."),))

Scenario = Callable[[Generator], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
CONTEXT = 512
ENGINES = [
    "echo",
    "echo in a worker",
    "upstream",
    pytest.param("llama_cpp", marks=pytest.mark.real),
]


@pytest.fixture(scope="module")
def small_server() -> Iterator[Running]:
    """The server that the upstream engine connects to."""
    echo = ModelSpec(id="the-model", engine="echo", options={"context": CONTEXT})
    settings = echo_settings(models=(echo,), chat_model="the-model", embedding_model="the-model")
    with ServerThread(settings) as running:
        yield running


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    name, path = request.param.split()[0], None
    options: dict[str, Any] = {"context": CONTEXT}
    if name == "llama_cpp":
        path = request.getfixturevalue("smollm2_path")
        options["slots"] = 2
    elif name == "upstream":
        server = request.getfixturevalue("small_server")
        options = {"url": server.url, "server": "openedai"}
    elif request.param == "echo in a worker":
        options["worker"] = True
    with asyncio.Runner() as runner:
        engine = runner.run(load_engine(name, "the-model", path, options))
        assert isinstance(engine, Generator)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())
        runner.run(engine.close())


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
            assert finish.usage.reasoning_tokens == 0
            assert all(isinstance(delta, TextDelta) and delta.text for delta in deltas)
            assert logprobs_of(deltas) == []

    run(scenario)


def test_the_same_greedy_request_gives_the_same_text(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=STORY, sampling=GREEDY, max_tokens=8)
        assert text_of(await collect(engine, request)) == text_of(await collect(engine, request))

    run(scenario)


def test_stop_string_is_cut_off(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=STORY, sampling=GREEDY, max_tokens=12)
        whole = text_of(await collect(engine, request))
        stop = whole.split()[3]
        request = GenerateRequest(prompt=STORY, sampling=GREEDY, max_tokens=12, stop=(stop,))
        *deltas, finish = await collect(engine, request)
        assert isinstance(finish, Finish)
        known = None if isinstance(engine, Upstream) else stop  # not in the official API
        assert (finish.reason, finish.stop) == ("stop", known)
        assert text_of(deltas) == whole[: whole.index(stop)]

    run(scenario)


def test_the_start_of_a_stop_string_is_part_of_the_answer_at_the_limit(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=STORY, sampling=GREEDY, max_tokens=4)
        whole = text_of(await collect(engine, request))
        held = GenerateRequest(prompt=STORY, sampling=GREEDY, max_tokens=4, stop=(whole + "§",))
        *deltas, finish = await collect(engine, held)
        assert text_of(deltas) == whole
        assert isinstance(finish, Finish)
        assert finish.reason == "length"

    run(scenario)


@pytest.mark.parametrize("alternatives", [0, 1, 4])
@pytest.mark.parametrize("prompt", [HELLO, STORY], ids=["chat", "text"])
def test_every_token_has_a_log_probability(
    run: Run, prompt: Chat | Text, alternatives: int
) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(
            prompt=prompt, sampling=GREEDY, max_tokens=5, logprobs=alternatives
        )
        events = await collect(engine, request)
        found = logprobs_of(events)
        assert "".join(token.token for token in found) == text_of(events)
        for token in found:
            assert token.raw.decode() == token.token
            best = [other.logprob for other in token.top]
            assert len(best) == alternatives
            assert best == sorted(best, reverse=True)
            assert sum(map(math.exp, best)) <= 1.001
            assert token.logprob is not None
            assert token.logprob <= 0
            assert not best or token.logprob == best[0]

    run(scenario)


def test_an_echoed_prompt_is_scored_without_an_answer(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=STORY, max_tokens=0, echo=True, logprobs=2)
        *deltas, finish = await collect(engine, request)
        first, *others = logprobs_of(deltas)
        assert text_of(deltas) == STORY.text == "".join(t.token for t in [first, *others])
        assert (first.logprob, first.top) == (None, ())
        assert all(token.logprob is not None and token.logprob < 0 for token in others)
        assert all(len(token.top) == 2 for token in others)
        assert isinstance(finish, Finish)
        assert (finish.reason, finish.usage.completion_tokens) == ("length", 0)
        assert finish.usage.prompt_tokens >= len(others)

    run(scenario)


@pytest.mark.parametrize("prompt", [STORY, HELLO])
def test_the_tokens_of_the_prompt_are_ranked(run: Run, prompt: Text | Chat) -> None:
    request = GenerateRequest(prompt=prompt, sampling=GREEDY, max_tokens=1, prompt_logprobs=3)

    async def scenario(engine: Generator) -> None:
        if isinstance(engine, Upstream):
            with pytest.raises(Unsupported, match="prompt_logprobs"):
                await collect(engine, request)
            return
        finish = (await collect(engine, request))[-1]
        assert isinstance(finish, Finish)
        first, *others = finish.prompt_logprobs
        assert first == ()
        assert len(others) == finish.usage.prompt_tokens - 1
        for own, *likely in others:
            assert own.logprob <= 0
            assert len({one.id for one in (own, *likely)}) == len(likely) + 1 >= 3
            assert sorted({1, 2, 3} | {own.rank}) == sorted([own.rank, *(o.rank for o in likely)])
            assert sum(math.exp(one.logprob) for one in (own, *likely)) <= 1 + 1e-6
            ranked = sorted((own, *likely), key=lambda one: one.rank)
            assert ranked == sorted(ranked, key=lambda one: -one.logprob)

    run(scenario)


def test_an_echoed_prompt_has_the_same_scores_in_both_shapes(run: Run) -> None:
    request = GenerateRequest(prompt=STORY, max_tokens=0, echo=True, logprobs=1, prompt_logprobs=1)

    async def scenario(engine: Generator) -> None:
        if isinstance(engine, Upstream):
            return
        *events, finish = await collect(engine, request)
        assert isinstance(finish, Finish)
        echoed = [token.logprob for token in logprobs_of(events)]
        ranked = [one[0].logprob for one in finish.prompt_logprobs if one]
        assert ranked == [logprob for logprob in echoed if logprob is not None]
        assert "".join(one[0].text for one in finish.prompt_logprobs if one) in STORY.text

    run(scenario)


def test_an_echoed_prompt_comes_before_the_answer(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        plain = GenerateRequest(prompt=STORY, sampling=GREEDY, max_tokens=4)
        whole = text_of(await collect(engine, plain))
        for logprobs in (None, 0):
            request = GenerateRequest(
                prompt=STORY, sampling=GREEDY, max_tokens=4, echo=True, logprobs=logprobs
            )
            assert text_of(await collect(engine, request)) == STORY.text + whole

    run(scenario)


NO_SCHEMA: dict[str, Any] = {"type": "object", "not": {}}
STRICT = Chat(messages=HELLO.messages, tools=(Tool(name="f", parameters=NO_SCHEMA, strict=True),))
REFUSED = {
    "schema": GenerateRequest(prompt=HELLO, constraint=JsonSchema(schema={"not": {}})),
    "schema of a text": GenerateRequest(prompt=STORY, constraint=JsonSchema(schema={"not": {}})),
    "grammar": GenerateRequest(prompt=HELLO, constraint=Grammar(gbnf="root ::= other")),
    "empty grammar": GenerateRequest(prompt=STORY, constraint=Grammar(gbnf="")),
    "pattern": GenerateRequest(prompt=STORY, constraint=Regex(pattern="(?=a)")),
    "strict tool": GenerateRequest(prompt=STRICT),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_enforced_is_refused_before_the_first_event(run: Run, name: str) -> None:
    async def scenario(engine: Generator) -> None:
        async with aclosing(engine.generate(REFUSED[name])) as events:
            with pytest.raises(InvalidRequest) as caught:
                await anext(events)
        assert caught.value.param is not None

    run(scenario)


def test_a_model_without_vision_refuses_images(run: Run) -> None:
    image = Image(raw=b"\x89PNG", media_type="image/png", at=0)
    chat = Chat(messages=(Message(role="user", content="hi", images=(image,)),))

    async def scenario(engine: Generator) -> None:
        async with aclosing(engine.generate(GenerateRequest(prompt=chat))) as events:
            with pytest.raises(Unsupported) as caught:
                await anext(events)
        assert caught.value.code == "unsupported_value"
        assert str(caught.value.param).startswith("messages")

    run(scenario)


def test_a_suffix_is_refused_where_it_is_not_supported(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        with pytest.raises(Unsupported) as caught:
            await collect(engine, GenerateRequest(prompt=STORY, suffix=" The end."))
        assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "suffix")

    run(scenario)


COLOUR = Tool(
    name="paint",
    description="Paint the wall.",
    parameters={
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}},
        "additionalProperties": False,
    },
)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("constraint", [None, JsonObject()], ids=["free", "constrained"])
def test_a_required_call_is_made(run: Run, strict: bool, constraint: JsonObject | None) -> None:
    async def scenario(engine: Generator) -> None:
        tool = Tool(name="paint", description="d", parameters=COLOUR.parameters, strict=strict)
        chat = Chat(
            messages=HELLO.messages, tools=(tool,), call_required=True, parallel_calls=False
        )
        request = GenerateRequest(
            prompt=chat, sampling=GREEDY, max_tokens=60, constraint=constraint
        )
        first, *pieces, finish = await collect(engine, request)
        assert isinstance(first, ToolCallDelta)
        assert (first.index, first.name, bool(first.id)) == (0, "paint", True)
        arguments = first.arguments
        for piece in pieces:
            assert isinstance(piece, ToolCallDelta)
            assert (piece.index, piece.id, piece.name) == (0, "", "")
            arguments += piece.arguments
        assert json.loads(arguments) in ({}, {"colour": "red"}, {"colour": "green"})
        assert isinstance(finish, Finish)
        assert finish.reason == "tool_calls"

    run(scenario)


def test_tools_need_not_be_called(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        chat = Chat(messages=HELLO.messages, tools=(COLOUR,))
        request = GenerateRequest(prompt=chat, sampling=GREEDY, max_tokens=3)
        *deltas, finish = await collect(engine, request)
        assert not any(isinstance(delta, ToolCallDelta) for delta in deltas)
        assert isinstance(finish, Finish)
        assert finish.reason == "length"

    run(scenario)


def test_a_conversation_with_calls_and_results(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        call = ToolCall(id="call_1", name="paint", arguments='{"colour": "red"}')
        messages = (
            *HELLO.messages,
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", content="done", tool_call_id="call_1"),
        )
        for tools in ((), (COLOUR,)):
            request = GenerateRequest(
                prompt=Chat(messages=messages, tools=tools), sampling=GREEDY, max_tokens=2
            )
            *_, finish = await collect(engine, request)
            assert isinstance(finish, Finish)
            assert finish.usage.prompt_tokens > 10

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


def test_a_context_overflow_reports_both_numbers(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=Text(text="word " * 2000), max_tokens=1)
        with pytest.raises(ContextLengthExceeded) as caught:
            await collect(engine, request)
        assert "512 tokens" in caught.value.message
        assert "200" in caught.value.message

    run(scenario)


@pytest.mark.parametrize("limit", [None, 10 * CONTEXT])
def test_an_answer_ends_where_the_context_does(run: Run, limit: int | None) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(
            prompt=Tokens(ids=tuple(range(100, CONTEXT + 88))),
            sampling=GREEDY,
            constraint=Regex(pattern=f"[a-z]{{{CONTEXT}}}"),
            max_tokens=limit,
        )
        *_, finish = await collect(engine, request)
        assert isinstance(finish, Finish)
        assert finish.reason == "length"
        assert finish.usage.prompt_tokens + finish.usage.completion_tokens == CONTEXT

    run(scenario)


def test_closing_the_iterator_frees_the_engine(run: Run) -> None:
    """More generations are closed than there are slots; the next one is still answered."""

    async def scenario(engine: Generator) -> None:
        for _ in range(2 * min(engine.slots, 4)):
            async with aclosing(engine.generate(GenerateRequest(prompt=STORY))) as events:
                await anext(events)
        request = GenerateRequest(prompt=HELLO, max_tokens=1)
        async with asyncio.timeout(20):
            assert isinstance((await collect(engine, request))[-1], Finish)

    run(scenario)


def test_bad_tokens_do_not_harm_other_requests(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=Tokens(ids=(10**9,)), max_tokens=1)
        with suppress(InvalidRequest):
            await collect(engine, request)
        request = GenerateRequest(prompt=HELLO, max_tokens=1)
        assert isinstance((await collect(engine, request))[-1], Finish)

    run(scenario)


def test_memory_is_measured(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        elsewhere = isinstance(engine, Upstream)
        assert (engine.memory() == 0) if elsewhere else (engine.memory() > 1 << 19)

    run(scenario)


def test_the_start_has_the_tokens_of_the_prompt(run: Run) -> None:
    async def scenario(engine: Generator) -> None:
        request = GenerateRequest(prompt=HELLO, sampling=GREEDY, max_tokens=3, reports_start=True)
        first, *deltas, finish = await collect(engine, request)
        assert isinstance(finish, Finish)
        if isinstance(engine, Upstream):  # they report it at the end
            assert isinstance(first, TextDelta)
        else:
            usage = finish.usage
            assert first == Started(
                prompt_tokens=usage.prompt_tokens, cached_tokens=usage.cached_tokens
            )
        assert all(isinstance(delta, TextDelta) for delta in deltas)

    run(scenario)
