"""LoRA adapters of a real model: each request chooses one, on one loaded model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from openai import APIStatusError, OpenAI

from openedai.config import AdapterSpec, ModelSpec
from openedai.contract.adapter import Adapter
from openedai.contract.generate import GenerateRequest, Sampling, Text
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.errors import EngineFailed
from tests.engines.llama_cpp.real import tiny_lora
from tests.events import collect, finish_of, text_of
from tests.support import Running, ServerThread, echo_settings, fetch

pytestmark = pytest.mark.real

PROMPT = "The capital of France is"
SMALL = {"context": 512, "slots": 2, "threads": 1}
MODELS = ("tiny", "tiny:one", "tiny:two", "tiny:none")


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("adapters, two")
    one = tiny_lora.write(folder / "one, first.gguf", smollm2_path, 2000)
    return one, tiny_lora.write(folder / "two.gguf", smollm2_path, 5000)


@pytest.fixture(scope="module")
def server(adapters: tuple[Path, Path], smollm2_path: Path) -> Iterator[Running]:
    one, two = adapters
    spec = ModelSpec(
        id="tiny",
        engine="llama_cpp",
        source=str(smollm2_path),
        options=SMALL,
        adapters=(
            AdapterSpec(name="one", source=str(one)),
            AdapterSpec(name="two", source=str(two)),
            AdapterSpec(name="none", source=str(two), scale=0.0),
        ),
    )
    broken = AdapterSpec(name="broken", source=str(Path(__file__).absolute()))
    empty = tiny_lora.write(adapters[0].parent / "empty.gguf", smollm2_path, 2000, tensors=False)
    cut = adapters[0].parent / "cut.gguf"
    cut.write_bytes(one.read_bytes()[:-4000])
    strange = {"empty": empty, "cut": cut, "base": smollm2_path, "broken": Path(broken.source)}
    missing = AdapterSpec(name="missing", source="/nowhere/at all.gguf")
    unknown = AdapterSpec(name="unknown", source="hf:nobody/nothing-GGUF")
    others = (
        replace(
            spec,
            id="with-broken",
            adapters=(
                *(AdapterSpec(name=name, source=str(path)) for name, path in strange.items()),
                AdapterSpec(name="one", source=str(one)),
            ),
        ),
        replace(
            spec,
            id="with-missing",
            adapters=(missing, AdapterSpec(name="one", source=str(one)), unknown),
        ),
    )
    models = (spec, *others, ModelSpec(id="echo", engine="echo"))
    settings = echo_settings(models=models, chat_model="tiny", embedding_model="echo", offline=True)
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client(timeout=120) as client:
        yield client


def complete(client: OpenAI, model: str, **more: Any) -> str:
    answer = client.completions.create(
        model=model, prompt=PROMPT, max_tokens=6, temperature=0, **more
    )
    assert answer.model == model
    return str(answer.choices[0].text)


def test_each_request_has_its_adapter_and_nothing_is_loaded_twice(
    client: OpenAI, server: Running
) -> None:
    first = {model: complete(client, model) for model in MODELS}
    assert len({first["tiny"], first["tiny:one"], first["tiny:two"]}) == 3
    assert first["tiny:none"] == first["tiny"]
    again = {model: complete(client, model) for model in reversed(MODELS)}
    assert again == first
    metrics = fetch(f"{server.url}/metrics").body.decode()
    assert 'openedai_model_loads_total{model="tiny"} 1.0' in metrics


def test_two_at_once(client: OpenAI) -> None:
    alone = {model: complete(client, model) for model in MODELS}

    async def all_at_once() -> list[str]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(asyncio.to_thread(complete, client, model)) for model in MODELS
            ]
        return [task.result() for task in tasks]

    assert asyncio.run(all_at_once()) == list(alone.values())


def test_scores_are_those_of_the_adapter(client: OpenAI) -> None:
    def scores(model: str) -> list[float]:
        answer = client.completions.create(
            model=model, prompt=PROMPT, max_tokens=0, echo=True, logprobs=1
        )
        assert answer.choices[0].logprobs is not None
        return (answer.choices[0].logprobs.token_logprobs or [])[1:]

    plain, adapted = scores("tiny"), scores("tiny:one")
    assert len(plain) == len(adapted) > 2
    assert all(abs(a - b) > 0.01 for a, b in zip(plain, adapted, strict=True))
    assert scores("tiny:none") == pytest.approx(plain, abs=0.2)


def test_a_chat_and_the_list(client: OpenAI) -> None:
    assert [m.id for m in client.models.list()][:4] == list(MODELS)
    answer = client.chat.completions.create(
        model="tiny:one", messages=[{"role": "user", "content": "Hello"}], max_tokens=2
    )
    assert (answer.model, answer.choices[0].finish_reason) == ("tiny:one", "length")


@pytest.mark.parametrize(
    ("adapter", "why"), [("missing", "folder at all.gguf"), ("unknown", "offline")]
)
def test_an_adapter_that_is_missing(client: OpenAI, adapter: str, why: str) -> None:
    """Its model and the others are there."""
    with pytest.raises(APIStatusError) as caught:
        complete(client, f"with-missing:{adapter}")
    assert caught.value.status_code == 503
    message = json.loads(caught.value.response.content)["error"]["message"]
    assert f"`with-missing:{adapter}`" in message
    assert why in message
    assert "nowhere" not in message
    assert complete(client, "with-missing") == complete(client, "tiny")
    assert complete(client, "with-missing:one") == complete(client, "tiny:one")


@pytest.mark.parametrize(
    ("adapter", "file", "why"),
    [
        ("broken", "test_adapters.py", "magic"),
        ("cut", "cut.gguf", "failed to"),
        ("empty", "empty.gguf", "no tensors of a LoRA"),
        ("base", ".gguf", "no tensors of a LoRA"),
    ],
)
def test_an_adapter_that_cannot_be_used(client: OpenAI, adapter: str, file: str, why: str) -> None:
    """It says why, and neither its model nor another adapter suffers."""
    with pytest.raises(APIStatusError) as caught:
        complete(client, f"with-broken:{adapter}")
    assert caught.value.status_code == 500
    message = json.loads(caught.value.response.content)["error"]["message"]
    assert f"`{adapter}` of the model `with-broken`" in message
    assert file in message
    assert why in message
    assert "/" not in message
    assert complete(client, "with-broken") == complete(client, "tiny")
    assert complete(client, "with-broken:one") == complete(client, "tiny:one")


def test_kept_prompts_are_those_of_their_adapter(
    smollm2_path: Path, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    """Prompts on disk are restored with the adapter that they were computed with."""
    options = {"prompt_cache": str(tmp_path), "context": 512, "slots": 1, "threads": 1}
    adapter = Adapter(name="a", path=str(adapters[0]))

    async def cached(variant: str | None) -> int:
        engine = await LlamaCpp.load_with_adapters("tiny", smollm2_path, options, [adapter])
        try:
            prompt = Text(text=PROMPT * 20)
            request = GenerateRequest(prompt=prompt, max_tokens=1, variant=variant)
            return finish_of(await collect(engine, request)).usage.cached_tokens
        finally:
            await engine.close()

    async def go() -> None:
        assert await cached("a") == 0
        assert await cached("a") > 50
        assert await cached(None) == 0

    asyncio.run(go())


def answers(engine: LlamaCpp, variant: str | None, tokens: int = 6) -> Coroutine[Any, Any, str]:
    request = GenerateRequest(
        prompt=Text(text=PROMPT),
        sampling=Sampling(temperature=0.0),
        max_tokens=tokens,
        variant=variant,
    )

    async def go() -> str:
        return text_of(await collect(engine, request))

    return go()


def test_an_adapter_is_added_while_requests_run(
    smollm2_path: Path, adapters: tuple[Path, Path]
) -> None:
    """It is as if it had been there from the start, and the other answers stay the same."""
    known = [Adapter(name=path.stem, path=str(path)) for path in adapters]

    async def go() -> None:
        engine = await LlamaCpp.load_with_adapters("tiny", smollm2_path, SMALL, known)
        try:
            expected = {one.name: await answers(engine, one.name) for one in known}
            long = await answers(engine, None, 60)
        finally:
            await engine.close()
        engine = await LlamaCpp.load("tiny", smollm2_path, SMALL)
        try:
            running = asyncio.create_task(answers(engine, None, 60))
            for adapter in known:
                await engine.add_adapter(adapter)
                await engine.add_adapter(adapter)
                assert await answers(engine, adapter.name) == expected[adapter.name]
            assert await running == long
            with pytest.raises(EngineFailed, match="`bad` of the model `tiny`"):
                await engine.add_adapter(Adapter(name="bad", path=str(Path(__file__))))
            assert await answers(engine, None, 60) == long
        finally:
            await engine.close()

    asyncio.run(go())


def test_an_adapter_of_every_layer_is_added(smollm2_path: Path, tmp_path: Path) -> None:
    """Such as one that was trained: the largest graph is that of a model with one."""
    path = tmp_path / "all.gguf"
    tiny_lora.write_all(path, smollm2_path)

    async def go() -> None:
        engine = await LlamaCpp.load("tiny", smollm2_path, SMALL)
        try:
            before = await answers(engine, None, 20)
            await engine.add_adapter(Adapter(name="all", path=str(path)))
            assert await answers(engine, "all", 20) != before
            assert await answers(engine, None, 20) == before
        finally:
            await engine.close()

    asyncio.run(go())
