"""The `llama_cpp` engine: its private server, its options, its errors, and leaving early."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from openedai.contract.chat import Chat, Message
from openedai.contract.generate import (
    Finish,
    GenerateRequest,
    Sampling,
    Text,
    TextDelta,
    Tokens,
)
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.errors import EngineFailed, InvalidRequest

pytestmark = pytest.mark.real
LONG = Text(text="A long story about many small things. " * 300)


@asynccontextmanager
async def loaded(path: Path, **options: Any) -> AsyncIterator[LlamaCpp]:
    engine = await LlamaCpp.load("m", path, {"slots": 1, "context": 4096, **options})
    try:
        yield engine
    finally:
        await engine.close()
        assert not engine._folder.exists()


async def busy_slots(engine: LlamaCpp) -> int:
    slots = await engine.api.ask("GET", "/slots")
    return sum(slot["is_processing"] for slot in slots)


async def until_busy_slots(engine: LlamaCpp, number: int) -> None:
    async with asyncio.timeout(30):
        while await busy_slots(engine) != number:  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.005)


def test_leaving_frees_the_slot(smollm2_path: Path) -> None:
    """In prefill, where no token has come yet, and in decoding."""

    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            prefill = asyncio.ensure_future(anext(engine.generate(GenerateRequest(prompt=LONG))))
            await until_busy_slots(engine, 1)
            prefill.cancel()
            with pytest.raises(asyncio.CancelledError):
                await prefill
            await until_busy_slots(engine, 0)

            request = GenerateRequest(prompt=Text(text="Once upon a time"))
            async with aclosing(engine.generate(request)) as events:
                await anext(events)
                assert await busy_slots(engine) == 1
            await until_busy_slots(engine, 0)

    asyncio.run(go())


def test_its_server_is_private(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            child = psutil.Process(engine._child.process.pid)
            assert child.net_connections(kind="inet") == []
            assert stat.S_IMODE(engine._folder.stat().st_mode) == 0o700
            socket = str(engine._folder / "llama.sock")
            connector = aiohttp.UnixConnector(socket)
            async with aiohttp.ClientSession("http://x", connector=connector) as session:
                for path in ("/v1/models", "/slots", "/props"):
                    async with session.get(path) as response:
                        assert response.status == 401
                async with session.post("/v1/completions", json={"prompt": "x"}) as response:
                    assert response.status == 401

    asyncio.run(go())


def test_characters_are_never_cut(smollm2_path: Path) -> None:
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
    ("options", "complaint"),
    [({"colour": 1}, "colour"), ({"slots": "many"}, "slots"), ({"sampling": {"x": 1}}, "x")],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(EngineFailed, match=complaint):
        asyncio.run(LlamaCpp.load("m", tmp_path, options))


def test_files_that_are_no_models(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    for content in (b"", b"GGUF", b"not a model at all" * 1000):
        (tmp_path / "m.gguf").write_bytes(content)
        with pytest.raises(EngineFailed, match="`m`"):
            asyncio.run(LlamaCpp.load("m", tmp_path / "m.gguf", {}))
    with pytest.raises(EngineFailed, match="no weights"):
        asyncio.run(LlamaCpp.load("m", None, {}))
    assert set(psutil.Process().children()) <= before


def test_requests_and_refusals(smollm2_path: Path) -> None:
    """The settings of a request reach the server, and its refusals are those of the API."""

    async def go() -> None:
        async with loaded(smollm2_path, sampling={"temperature": 0.5}) as engine:
            chat = Chat(messages=(Message(role="user", content="hi"),))
            work = await engine.planner.plan(GenerateRequest(prompt=chat))
            assert work.param == "messages"
            assert "<|im_start|>user\nhi<|im_end|>" in work.body["prompt"]
            body = work.body
            assert (body["temperature"], body["top_p"], body["top_k"]) == (0.5, 1.0, 0)
            assert body["n_predict"] == -1
            assert not {"seed", "grammar", "stop", "n_probs"} & body.keys()

            sampling = Sampling(
                temperature=1.5, top_p=0.1, seed=-1, logit_bias=((5, -100.0),), min_p=0.2
            )
            request = GenerateRequest(prompt=Tokens(ids=(1, 2)), sampling=sampling, max_tokens=3)
            body = (await engine.planner.plan(request)).body
            assert (body["prompt"], body["n_predict"]) == ([1, 2], 3)
            assert (body["temperature"], body["top_p"], body["min_p"]) == (1.5, 0.1, 0.2)
            assert 0 <= body["seed"] < 2**31
            assert body["logit_bias"] == [[5, -100.0]]

            with pytest.raises(InvalidRequest, match="type") as refused:
                await engine.api.ask("POST", "/completion", {"prompt": "a", "n_predict": "x"})
            assert refused.value.param == "prompt"

    asyncio.run(go())


def test_more_requests_than_slots_are_all_answered(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path, slots=2, context=256) as engine:

            async def ask(number: int) -> Finish:
                request = GenerateRequest(prompt=Text(text=f"{number} is"), max_tokens=3)
                events = [event async for event in engine.generate(request)]
                assert isinstance(events[-1], Finish)
                return events[-1]

            finishes = await asyncio.gather(*map(ask, range(12)))
            assert all(finish.usage.completion_tokens <= 3 for finish in finishes)

    asyncio.run(go())


def test_tokens_outside_of_the_vocabulary_have_no_bias(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            sampling = Sampling(logit_bias=((10**6, 1.0),))
            with pytest.raises(InvalidRequest) as caught:
                await engine.planner.plan(GenerateRequest(prompt=Text(text="x"), sampling=sampling))
            assert caught.value.param == "logit_bias"

    asyncio.run(go())


def test_an_empty_prompt_starts_a_text(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            request = GenerateRequest(prompt=Text(text=""), max_tokens=3)
            finish = [event async for event in engine.generate(request)][-1]
            assert isinstance(finish, Finish)
            assert finish.usage.prompt_tokens == 1
            assert finish.usage.completion_tokens > 0

    asyncio.run(go())


def test_more_conversations_than_slots_are_remembered(smollm2_path: Path) -> None:
    stories = [f"Story {n} is about a {who}. " * 40 for n, who in enumerate(("fox", "owl", "elk"))]

    async def tell(engine: LlamaCpp, story: str) -> int:
        request = GenerateRequest(prompt=Text(text=story), max_tokens=1)
        events = [event async for event in engine.generate(request)]
        assert isinstance(events[-1], Finish)
        return events[-1].usage.cached_tokens

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
