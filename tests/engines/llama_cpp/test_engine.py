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
    LocalSampling,
    Sampling,
    Text,
    TextDelta,
    Tokens,
)
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.errors import EngineFailed, InvalidRequest
from tests.children import Children
from tests.events import collect, finish_of

pytestmark = pytest.mark.real
LONG = Text(text="A long story about many small things. " * 300)


@asynccontextmanager
async def loaded(path: Path, **options: Any) -> AsyncIterator[LlamaCpp]:
    children = Children()
    engine = await LlamaCpp.load("m", path, {"slots": 1, "context": 4096, **options})
    (child,) = children.new()
    folder = listening_socket(child).parent
    try:
        yield engine
    finally:
        await engine.close()
        assert not folder.exists()


def listening_socket(child: psutil.Process) -> Path:
    (path,) = {found.laddr for found in child.net_connections(kind="unix") if found.laddr}
    return Path(path)


async def busy_slots(engine: LlamaCpp) -> int:
    slots = await engine.api.call("GET", "/slots")
    return sum(slot["is_processing"] for slot in slots)


async def wait_for_busy_slots(engine: LlamaCpp, number: int) -> None:
    async with asyncio.timeout(30):
        while await busy_slots(engine) != number:  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.005)


def test_closing_the_stream_frees_the_slot(smollm2_path: Path) -> None:
    """In prefill, where no token has come yet, and in decoding."""

    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            prefill = asyncio.ensure_future(anext(engine.generate(GenerateRequest(prompt=LONG))))
            await wait_for_busy_slots(engine, 1)
            prefill.cancel()
            with pytest.raises(asyncio.CancelledError):
                await prefill
            await wait_for_busy_slots(engine, 0)

            request = GenerateRequest(prompt=Text(text="Once upon a time"))
            async with aclosing(engine.generate(request)) as events:
                await anext(events)
                assert await busy_slots(engine) == 1
            await wait_for_busy_slots(engine, 0)

    asyncio.run(go())


def test_the_server_is_private(smollm2_path: Path) -> None:
    async def go() -> None:
        children = Children()
        async with loaded(smollm2_path):
            (child,) = children.new()
            assert child.net_connections(kind="inet") == []
            socket = listening_socket(child)
            assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
            connector = aiohttp.UnixConnector(str(socket))
            async with aiohttp.ClientSession("http://x", connector=connector) as session:
                for path in ("/v1/models", "/slots", "/props"):
                    async with session.get(path) as response:
                        assert response.status == 401
                async with session.post("/v1/completions", json={"prompt": "x"}) as response:
                    assert response.status == 401

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
    [({"colour": 1}, "colour"), ({"slots": "many"}, "slots"), ({"sampling": {"x": 1}}, "x")],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, Any], named: str) -> None:
    with pytest.raises(EngineFailed, match=named):
        asyncio.run(LlamaCpp.load("m", tmp_path, options))


def test_files_that_are_not_models(tmp_path: Path) -> None:
    children = Children()
    for content in (b"", b"GGUF", b"not a model at all" * 1000):
        (tmp_path / "m.gguf").write_bytes(content)
        with pytest.raises(EngineFailed, match="`m`"):
            asyncio.run(LlamaCpp.load("m", tmp_path / "m.gguf", {}))
    with pytest.raises(EngineFailed, match="no weights"):
        asyncio.run(LlamaCpp.load("m", None, {}))
    assert not children.new()


def test_settings_reach_the_server_and_refusals_come_back(smollm2_path: Path) -> None:
    """The settings of a request reach the server, and its refusals are those of the API."""

    async def go() -> None:
        async with loaded(smollm2_path, sampling={"temperature": 0.5}) as engine:
            chat = Chat(messages=(Message(role="user", content="hi"),))
            prepared = await engine.builder.build(GenerateRequest(prompt=chat))
            assert prepared.param == "messages"
            assert "<|im_start|>user\nhi<|im_end|>" in prepared.body["prompt"]
            body = prepared.body
            assert (body["temperature"], body["top_p"], body["top_k"]) == (0.5, 1.0, 0)
            assert body["n_predict"] == -1
            assert not {"seed", "grammar", "stop", "n_probs"} & body.keys()

            sampling = Sampling(
                temperature=1.5,
                top_p=0.1,
                seed=-1,
                logit_bias=((5, -100.0),),
                local=LocalSampling(min_p=0.2),
            )
            request = GenerateRequest(prompt=Tokens(ids=(1, 2)), sampling=sampling, max_tokens=3)
            body = (await engine.builder.build(request)).body
            assert (body["prompt"], body["n_predict"]) == ([1, 2], 3)
            assert (body["temperature"], body["top_p"], body["min_p"]) == (1.5, 0.1, 0.2)
            assert 0 <= body["seed"] < 2**31
            assert body["logit_bias"] == [[5, -100.0]]

            with pytest.raises(InvalidRequest, match="type") as refused:
                await engine.api.call("POST", "/completion", {"prompt": "a", "n_predict": "x"})
            assert refused.value.param == "prompt"

    asyncio.run(go())


def test_more_requests_than_slots_are_all_answered(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path, slots=2, context=256) as engine:

            async def answer(number: int) -> Finish:
                request = GenerateRequest(prompt=Text(text=f"{number} is"), max_tokens=3)
                return finish_of(await collect(engine, request))

            finishes = await asyncio.gather(*map(answer, range(12)))
            assert all(finish.usage.completion_tokens <= 3 for finish in finishes)

    asyncio.run(go())


def test_a_bias_on_an_unknown_token_is_refused(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            sampling = Sampling(logit_bias=((10**6, 1.0),))
            with pytest.raises(InvalidRequest) as caught:
                await engine.builder.build(
                    GenerateRequest(prompt=Text(text="x"), sampling=sampling)
                )
            assert caught.value.param == "logit_bias"

    asyncio.run(go())


def test_an_empty_prompt_starts_a_text(smollm2_path: Path) -> None:
    async def go() -> None:
        async with loaded(smollm2_path) as engine:
            request = GenerateRequest(prompt=Text(text=""), max_tokens=3)
            finish = finish_of(await collect(engine, request))
            assert finish.usage.prompt_tokens == 1
            assert finish.usage.completion_tokens > 0

    asyncio.run(go())


def test_more_conversations_than_slots_stay_cached(smollm2_path: Path) -> None:
    stories = [f"Story {n} is about a {who}. " * 40 for n, who in enumerate(("fox", "owl", "elk"))]

    async def tell(engine: LlamaCpp, story: str) -> int:
        request = GenerateRequest(prompt=Text(text=story), max_tokens=1)
        return finish_of(await collect(engine, request)).usage.cached_tokens

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
