"""Requests that a model once failed, froze or miscounted at."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    GenerateRequest,
    Grammar,
    LocalSampling,
    Regex,
    Sampling,
    Text,
    TextDelta,
    Tokens,
)
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.llama_cpp.native.matcher import Matcher
from openedai.errors import EngineCrashed, InvalidRequest
from tests.events import collect, finish_of, logprobs_of, text_of

pytestmark = pytest.mark.real
GREEDY = Sampling(temperature=0.0)
LONG = Text(text="A long story about many small things. " * 40)
WORDS = Regex(pattern="( time| upon| Once){20}")
HUGE, TINY = 1e300, 1e-300


@asynccontextmanager
async def loaded(path: Path, **options: Any) -> AsyncIterator[LlamaCpp]:
    small = {"slots": 4, "context": 512, "batch": 64, "threads": 1, **options}
    engine = await LlamaCpp.load("m", path, small)
    try:
        yield engine
    finally:
        await engine.close()


async def answer(engine: LlamaCpp, prompt: Text | Tokens, **more: Any) -> list[GenerateEvent]:
    fields: dict[str, Any] = {"sampling": GREEDY, "max_tokens": 4, **more}
    return await collect(engine, GenerateRequest(prompt=prompt, **fields))


def test_the_same_long_prompt_several_times_at_once(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            answers = await asyncio.gather(*(answer(engine, LONG) for _ in range(6)))
            assert len({text_of(events) for events in answers}) == 1
            assert finish_of(await answer(engine, LONG)).usage.cached_tokens > 300

    asyncio.run(go())


def test_what_is_cached_is_counted_where_a_text_stops_the_answer(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            counting = Text(text="one two three four one two three four one two three")
            for cached in (False, True):
                finish = finish_of(await answer(engine, counting, stop=("one",), max_tokens=20))
                assert finish.stop == "one"
                assert bool(finish.usage.cached_tokens) is cached

    asyncio.run(go())


EXTREMES = [
    {"repeat_penalty": 0.0, "repeat_last_n": -1},
    {"repeat_penalty": 0.0, "repeat_last_n": 2**70, "top_k": 1000, "typical_p": 0.5},
    {"repeat_penalty": HUGE, "dry_multiplier": HUGE, "dry_base": HUGE},
    {"repeat_penalty": TINY, "dry_multiplier": TINY, "dry_allowed_length": 2**31},
    {"dry_multiplier": 1.0, "dry_allowed_length": 2**70, "dry_penalty_last_n": 2**70},
    {"dry_multiplier": 1.0, "dry_sequence_breakers": ("\ud800", "a\0b", "\0", "", "é" * 90)},
    {"xtc_probability": 1.0, "xtc_threshold": 0.0},
    {"mirostat": 1, "mirostat_tau": HUGE, "mirostat_eta": HUGE},
    {"mirostat": 2, "mirostat_tau": 0.0, "mirostat_eta": HUGE},
    {"top_k": 2**70, "min_p": 1.0, "typical_p": 0.0},
    {"typical_p": 0.0},
]


def test_extreme_samplers_choose_what_a_grammar_allows(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            for local in EXTREMES:
                for temperature in (TINY, 1.0, HUGE):
                    sampling = Sampling(
                        temperature=temperature,
                        presence_penalty=-HUGE,
                        frequency_penalty=HUGE,
                        logit_bias=((2, HUGE), (0, -HUGE)),
                        local=LocalSampling(**local),  # type: ignore[arg-type]
                    )
                    once = Text(text="Once upon a time")
                    events = await answer(engine, once, sampling=sampling, constraint=WORDS)
                    assert finish_of(events).usage.completion_tokens == 4, local
                    assert set(text_of(events)) <= set(" time upon Once"), local

    asyncio.run(go())


def test_breakers_are_bounded_together(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            breakers = tuple(f"{number:04}" for number in range(65))
            local = LocalSampling(dry_multiplier=1.0, dry_sequence_breakers=breakers)
            with pytest.raises(InvalidRequest) as caught:
                await answer(engine, LONG, sampling=Sampling(local=local))
            assert caught.value.param == "dry_sequence_breakers"
            local = LocalSampling(dry_multiplier=1.0, dry_sequence_breakers=("same",) * 100)
            assert text_of(await answer(engine, LONG, sampling=Sampling(local=local)))

    asyncio.run(go())


def test_both_penalties_of_repetitions_count_the_prompt(smollm2_path: Path) -> None:
    """The one for sequences too, beside the one for tokens, which here penalises hardly."""
    prompt = Text(text="one two three four five six. " * 3 + "one two three four")

    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            for penalty in (1.0, 1.000001):
                local = LocalSampling(repeat_penalty=penalty, dry_multiplier=100.0)
                sampling = Sampling(temperature=0.0, local=local)
                events = await answer(engine, prompt, sampling=sampling, max_tokens=1)
                assert text_of(events) != " five"
            assert text_of(await answer(engine, prompt, max_tokens=1)) == " five"

    asyncio.run(go())


def test_who_leaves_while_a_grammar_is_compiled_leaves_nothing(
    smollm2_path: Path,
) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            grammar = Grammar(gbnf='root ::= "a" | "b"')
            request = GenerateRequest(prompt=LONG, constraint=grammar, echo=True)
            building = asyncio.ensure_future(anext(engine.generate(request)))
            await asyncio.sleep(0)
            building.cancel()
            async with aclosing(engine.generate(request)) as events:
                await anext(events)
        gc.collect()
        assert not any(isinstance(one, Matcher) for one in gc.get_objects())

    asyncio.run(go())


def test_calls_to_a_thread_that_has_ended_fail(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            assert await engine.loop.call(lambda: 5) == 5
            cancelled = asyncio.ensure_future(engine.loop.call(lambda: 5))
            await asyncio.sleep(0)
            cancelled.cancel()
            assert isinstance((await answer(engine, LONG))[-1], Finish)
            await engine.loop.close()
            with pytest.raises(EngineCrashed):
                await engine.loop.call(lambda: 5)

    asyncio.run(go())


def test_scores_of_a_part_of_a_character_have_a_text(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            (*_, last) = await engine.tokenize("🦙")
            for ids in (
                (last,),
                (*[last] * 3, 300),
                *[(first,) for first in range(100, 300)][::20],
            ):
                prompt = Tokens(ids=ids)
                events = await answer(engine, prompt, echo=True, logprobs=0, max_tokens=0)
                assert all(event.text for event in events if isinstance(event, TextDelta))
                assert len(logprobs_of(events)) == len(ids)
                assert text_of(events) == await engine.detokenize(ids)

    asyncio.run(go())
