"""The `llama_cpp` engine on a real model: options, samplers, errors, and leaving early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.chat import Chat, Message
from openedai.contract.generate import (
    GenerateEvent,
    GenerateRequest,
    LocalSampling,
    Sampling,
    Text,
    TextDelta,
    Tokens,
)
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.errors import EngineCrashed, EngineFailed, InvalidRequest
from tests.events import collect, finish_of, logprobs_of, text_of

pytestmark = pytest.mark.real
GREEDY = Sampling(temperature=0.0)
FOREVER = Sampling(temperature=0.0, logit_bias=((2, -100.0), (0, -100.0)))
STORY = Text(text="Once upon a time there was a")
LONG = Text(text="A long story about many small things. " * 300)


@asynccontextmanager
async def loaded(path: Path, **options: Any) -> AsyncIterator[LlamaCpp]:
    engine = await LlamaCpp.load("m", path, {"slots": 1, "context": 4096, **options})
    try:
        yield engine
    finally:
        await engine.close()


async def answer(engine: LlamaCpp, prompt: Text | Tokens, **more: Any) -> list[GenerateEvent]:
    fields: dict[str, Any] = {"sampling": GREEDY, "max_tokens": 3, **more}
    request = GenerateRequest(prompt=prompt, **fields)
    return await collect(engine, request)


def test_closing_the_stream_frees_the_slot(smollm2_path: Path) -> None:
    """In prefill, where no token has come yet, and in decoding: the next request gets the slot."""

    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            stream = engine.generate(GenerateRequest(prompt=LONG))
            prefill = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            prefill.cancel()
            with pytest.raises(asyncio.CancelledError):
                await prefill
            async with aclosing(
                engine.generate(GenerateRequest(prompt=Text(text="Once upon a time")))
            ) as events:
                await anext(events)
            finish = finish_of(await answer(engine, Text(text="Once upon a time there")))
            assert finish.usage.cached_tokens > 0

    asyncio.run(go())


def test_closing_the_engine_ends_what_runs(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            events = engine.generate(GenerateRequest(prompt=STORY, sampling=FOREVER))
            await anext(events)
            await engine.close()
            await engine.close()
            with pytest.raises(EngineCrashed):
                await answer(engine, Text(text="x"))

    asyncio.run(go())


def test_characters_are_never_split(smollm2_path: Path) -> None:
    """Signs of several bytes may take several tokens; the pieces hold whole characters."""

    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            request = GenerateRequest(
                prompt=Text(text="🦙🦙🦙🦙🦙🦙🦙🦙🦙🦙🦙🦙"),
                sampling=Sampling(temperature=0.0),
                max_tokens=12,
            )
            pieces = [e.text async for e in engine.generate(request) if isinstance(e, TextDelta)]
            assert pieces
            assert all("\ufffd" not in piece for piece in pieces)
            assert "🦙" in "".join(pieces)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"colour": 1}, "colour"),
        ({"slots": "many"}, "slots"),
        ({"sampling": {"x": 1}}, "x"),
        *(({"slots": slots}, "slots") for slots in (-1, 0, 257, 10**30)),
        *(({"context": context}, "context") for context in (-1, 0, 1 << 31)),
        *(({"threads": threads}, "threads") for threads in (-1, 0, 513)),
        *(({"batch": batch}, "batch") for batch in (-1, 0, 1 << 20)),
        ({"prompt_memory": -1}, "prompt_memory"),
        ({"gpu_layers": -2}, "gpu_layers"),
        ({"sampling": {"temperature": float("nan")}}, "temperature"),
        ({"sampling": {"top_k": -1}}, "top_k"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, Any], named: str) -> None:
    with pytest.raises(EngineFailed, match=named):
        asyncio.run(LlamaCpp.load("m", tmp_path, options))


def test_files_that_are_not_models(tmp_path: Path, smollm2_path: Path) -> None:
    """llama.cpp's own reason is told, with the name of the file and without its folder."""
    with smollm2_path.open("rb") as file:
        truncated = file.read(8 << 20)
    for content in (b"", b"GGUF", b"not a model at all" * 1000, truncated):
        (tmp_path / "m.gguf").write_bytes(content)
        with pytest.raises(
            EngineFailed, match=r"`m` could not be loaded from 'm\.gguf': \w"
        ) as caught:
            asyncio.run(LlamaCpp.load("m", tmp_path / "m.gguf", {}))
        assert "unknown error" not in caught.value.message
        assert str(tmp_path) not in caught.value.message
    with pytest.raises(EngineFailed, match="no weights"):
        asyncio.run(LlamaCpp.load("m", None, {}))


def test_defaults_of_the_options(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path, sampling={"temperature": 0.5, "min_p": 0.1}) as engine:
            chat = Chat(messages=(Message(role="user", content="hi"),))
            job = engine.builder.build(GenerateRequest(prompt=chat)).job
            values = job.sampler.values
            assert "<|im_start|>user\nhi<|im_end|>" in await engine.detokenize(job.prompt)
            assert (values.temperature, values.top_p, values.top_k) == (0.5, 1.0, 0)
            assert (values.min_p, values.seed, job.max_tokens) == (0.1, None, None)

            sampling = Sampling(temperature=1.5, top_p=0.1, local=LocalSampling(min_p=0.2))
            request = GenerateRequest(prompt=Tokens(ids=(1, 2)), sampling=sampling, max_tokens=3)
            job = engine.builder.build(request).job
            assert (job.prompt, job.max_tokens) == ([1, 2], 3)
            values = job.sampler.values
            assert (values.temperature, values.top_p, values.min_p) == (1.5, 0.1, 0.2)

    asyncio.run(go())


EVERY_SAMPLER = LocalSampling(
    top_k=40,
    min_p=0.01,
    typical_p=0.9,
    repeat_penalty=1.1,
    repeat_last_n=-1,
    dry_multiplier=0.8,
    dry_sequence_breakers=("\n", "é", ""),
    xtc_probability=0.5,
)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0, seed=-1),
        Sampling(temperature=1.0, seed=2**70, presence_penalty=1.0, frequency_penalty=1.0),
        Sampling(temperature=0.9, top_p=0.9, seed=1, local=EVERY_SAMPLER),
        Sampling(temperature=1.0, seed=1, local=LocalSampling(mirostat=1)),
        Sampling(temperature=1.0, seed=1, local=LocalSampling(mirostat=2)),
        Sampling(temperature=1e-30, logit_bias=((5, -100.0),)),
    ],
    ids=str,
)
def test_a_seed_decides_the_answer(sampling: Sampling, smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            texts = [
                text_of(await answer(engine, STORY, sampling=sampling, max_tokens=12))
                for _ in range(2)
            ]
            assert texts[0]
            assert texts[0] == texts[1]

    asyncio.run(go())


def test_penalties_count_the_answer_only(smollm2_path: Path) -> None:
    """The first token is not penalised, though the prompt has it thirty times."""

    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            prompt = await engine.tokenize("one two three" + ", one two three" * 30 + ", one two")
            penalised = Sampling(temperature=0.0, presence_penalty=2.0, frequency_penalty=2.0)
            texts = []
            for sampling in (GREEDY, penalised):
                events = await answer(engine, Tokens(ids=prompt), sampling=sampling, max_tokens=1)
                texts.append(text_of(events))
            assert texts[0] == texts[1]
            assert set(await engine.tokenize(texts[0])) <= set(prompt)

    asyncio.run(go())


def test_more_requests_than_slots_are_all_answered(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path, slots=2, context=256) as engine:
            prompts = [Text(text=f"{number} is") for number in range(12)]
            answers = await asyncio.gather(*(answer(engine, prompt) for prompt in prompts))
            finishes = map(finish_of, answers)
            assert all(finish.usage.completion_tokens <= 3 for finish in finishes)

    asyncio.run(go())


def test_a_bias_on_an_unknown_token_is_refused(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            sampling = Sampling(logit_bias=((10**6, 1.0),))
            with pytest.raises(InvalidRequest) as caught:
                await answer(engine, Text(text="x"), sampling=sampling)
            assert caught.value.param == "logit_bias"

    asyncio.run(go())


def test_an_empty_prompt_starts_a_text(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            finish = finish_of(await answer(engine, Text(text="")))
            assert finish.usage.prompt_tokens == 1
            assert finish.usage.completion_tokens > 0

    asyncio.run(go())


def test_more_conversations_than_slots_stay_cached(smollm2_path: Path) -> None:
    stories = [f"Story {n} is about a {who}. " * 40 for n, who in enumerate(("fox", "owl", "elk"))]

    async def tell(engine: LlamaCpp, story: str) -> int:
        return finish_of(await answer(engine, Text(text=story), max_tokens=1)).usage.cached_tokens

    async def go() -> None:
        async with loaded(smollm2_path, context=1024) as engine:
            for story in stories:
                await tell(engine, story)
            assert [await tell(engine, story + "And so") > 200 for story in stories] == [True] * 3
        async with loaded(smollm2_path, context=1024, prompt_memory=0) as engine:
            for story in stories:
                await tell(engine, story)
            assert await tell(engine, stories[0] + "And so") < 200

    asyncio.run(go())


def test_a_prompt_is_scored_whatever_its_tokens(smollm2_path: Path) -> None:
    """Special tokens in it, tokens that end an answer, parts of characters, in any number."""

    async def go() -> None:
        async with loaded(smollm2_path, context=512) as engine:
            end, start = 2, 1
            prompts: list[tuple[int, ...]] = [
                (start, end, 3, end),
                (end,),
                tuple(await engine.tokenize("a<|im_start|>b 🦙 é")),
                tuple(range(0, 400)),
            ]
            for ids in prompts:
                events = await answer(engine, Tokens(ids=ids), echo=True, logprobs=2, max_tokens=0)
                scores = logprobs_of(events)
                assert len(scores) == len(ids)
                assert scores[0].logprob is None
                assert all(score.logprob is not None and score.logprob <= 0 for score in scores[1:])
                assert b"".join(score.raw for score in scores).decode(errors="replace") == (
                    await engine.detokenize(ids)
                )
                assert all(len(score.top) == 2 for score in scores[1:])
                assert finish_of(events).usage.prompt_tokens == len(ids)

    asyncio.run(go())


def test_answers_are_the_same_beside_others(smollm2_path: Path) -> None:
    """A prompt is read in parts beside answers, and adapts to them; nothing is mixed up."""

    async def go() -> None:
        async with loaded(smollm2_path, slots=3, context=1024, batch=64) as engine:
            prompts = [
                Text(text=LONG.text[:2000]),
                STORY,
                Text(text="The capital of France is"),
            ]
            alone = [text_of(await answer(engine, prompt, max_tokens=8)) for prompt in prompts]
            answers = [answer(engine, prompt, max_tokens=8) for prompt in prompts * 3]
            together = [text_of(events) for events in await asyncio.gather(*answers)]
            assert [text.split()[:2] for text in together] == [
                text.split()[:2] for text in alone * 3
            ]

    asyncio.run(go())


def test_the_context_grows_with_its_texts(smollm2_path: Path) -> None:
    """Beside an answer that goes on and is the same as without, and up to the limit."""

    async def go() -> None:
        async with loaded(smollm2_path, slots=2, context=2000) as engine:
            alone = text_of(await answer(engine, STORY, max_tokens=40))
        async with loaded(smollm2_path, slots=2, context=2000) as engine:
            story = asyncio.create_task(answer(engine, STORY, max_tokens=40))
            long = Text(text="one two three four five " * 380)
            finish = finish_of(await answer(engine, long, max_tokens=2))
            assert finish.usage.prompt_tokens > 1800
            assert text_of(await story).split()[:4] == alone.split()[:4]
            again = finish_of(await answer(engine, long, max_tokens=2))
            assert again.usage.cached_tokens == again.usage.prompt_tokens - 1
            full = finish_of(await answer(engine, long, max_tokens=None, sampling=FOREVER))
            assert full.reason == "length"
            assert full.usage.prompt_tokens + full.usage.completion_tokens == 2048

    asyncio.run(go())


def test_equal_prompts_at_once_are_computed_once(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path, slots=3, context=1024) as engine:
            prompt = Text(text=LONG.text[:2000])
            answers = await asyncio.gather(*(answer(engine, prompt) for _ in range(3)))
            cached = sorted(finish_of(events).usage.cached_tokens for events in answers)
            tokens = finish_of(answers[0]).usage.prompt_tokens
            assert cached == [0, tokens - 1, tokens - 1]
            assert len({text_of(events) for events in answers}) == 1

    asyncio.run(go())
