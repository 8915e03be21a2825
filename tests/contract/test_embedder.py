"""What every embedder must do, tested on each engine."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Embedder
from openedai.contract.generate import Text, Tokens
from openedai.engines.load import load_engine
from openedai.engines.upstream.engine import Upstream
from openedai.errors import InvalidRequest
from openedai.weights.library import Library
from tests.gguf.bert_file import convert
from tests.support import Running

Scenario = Callable[[Embedder], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
CAT = Text(text="A cat sits on the mat.")
DOG = Text(text="Two dogs are running through a large and sunny park, barking.")
ENGINES = [
    "echo",
    "echo in a worker",
    "upstream",
    pytest.param("onnx_embeddings", marks=pytest.mark.real),
    pytest.param("llama_cpp_embeddings", marks=pytest.mark.real),
    pytest.param("sentence_transformers", marks=pytest.mark.extras),
]


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    name = request.param.split()[0]
    options: dict[str, Any] = {"worker": True} if request.param == "echo in a worker" else {}
    if name == "upstream":
        server: Running = request.getfixturevalue("echo_server")
        options = {"url": server.url, "model": "echo"}
    path = None if name in ("echo", "upstream") else _minilm(name)
    if path is not None and name == "llama_cpp_embeddings":
        file: Path = request.getfixturevalue("tmp_path_factory").mktemp("gguf") / "minilm.gguf"
        path = convert(path, file, pooling=1)
        options = {"context": 256}
    with asyncio.Runner() as runner:
        engine = runner.run(load_engine(name, "the-model", path, options))
        assert isinstance(engine, Embedder)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())
        runner.run(engine.close())


def _minilm(engine: str) -> Path:
    settings = Settings(_env_file=None)
    spec = Catalog(settings).resolve("all-MiniLM-L6-v2").spec
    if engine == "sentence_transformers":
        spec = replace(spec, engine=engine)
    path = Library(settings).pull(spec)
    assert path is not None
    return path


def rows(result: EmbedResult) -> list[list[float]]:
    numbers = [number for (number,) in struct.iter_unpack("<f", result.data)]
    size = result.dimensions
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.hypot(*a) / math.hypot(*b)


def test_a_row_for_each_input_in_its_order(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        both = rows(await engine.embed(EmbedRequest(inputs=(CAT, DOG))))
        for text, row in zip((CAT, DOG), both, strict=True):
            (alone,) = rows(await engine.embed(EmbedRequest(inputs=(text,))))
            assert cosine(alone, row) > 0.99999
            assert math.isclose(math.hypot(*row), 1, rel_tol=1e-4)
        assert cosine(*both) < 0.9

    run(scenario)


def test_many_at_once_do_not_mix(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        texts = [Text(text=f"number {n} " + "of many " * n) for n in range(24)]
        requests = [EmbedRequest(inputs=(text,)) for text in texts]
        together = await asyncio.gather(*map(engine.embed, requests))
        whole = rows(await engine.embed(EmbedRequest(inputs=tuple(texts))))
        for result, row in zip(together, whole, strict=True):
            assert cosine(rows(result)[0], row) > 0.99999

    run(scenario)


def test_tokens_are_counted(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        one = await engine.embed(EmbedRequest(inputs=(CAT,)))
        two = await engine.embed(EmbedRequest(inputs=(CAT, CAT)))
        assert 0 < one.prompt_tokens < 20
        assert two.prompt_tokens == 2 * one.prompt_tokens

    run(scenario)


def test_token_ids(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        inputs = (Tokens(ids=(2023, 2003)), Tokens(ids=(2003, 2023)))
        result = await engine.embed(EmbedRequest(inputs=inputs))
        assert cosine(*rows(result)) < 0.999
        assert result.prompt_tokens >= 4

    run(scenario)


def test_fewer_dimensions(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        (whole,) = rows(await engine.embed(EmbedRequest(inputs=(CAT,))))
        short = await engine.embed(EmbedRequest(inputs=(CAT,), dimensions=5))
        assert short.dimensions == 5
        assert cosine(rows(short)[0], whole[:5]) > 0.99999
        assert math.isclose(math.hypot(*rows(short)[0]), 1, rel_tol=1e-4)
        with pytest.raises(InvalidRequest) as caught:
            await engine.embed(EmbedRequest(inputs=(CAT,), dimensions=len(whole) + 1))
        assert caught.value.param == "dimensions"

    run(scenario)


def test_a_cancelled_call_does_not_harm_others(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        cancelled = asyncio.create_task(engine.embed(EmbedRequest(inputs=(DOG,) * 64)))
        kept = asyncio.create_task(engine.embed(EmbedRequest(inputs=(CAT,))))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert len(rows(await kept)) == 1
        with suppress(asyncio.CancelledError):  # unless it was faster
            await cancelled

    run(scenario)


def test_memory_is_measured(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        elsewhere = isinstance(engine, Upstream)
        assert (engine.memory() == 0) if elsewhere else (engine.memory() > 1 << 19)

    run(scenario)


def test_queries_and_documents_are_embedded_by_every_model(run: Run) -> None:
    async def scenario(engine: Embedder) -> None:
        for input_type in ("query", "document"):
            request = EmbedRequest(inputs=(CAT,), input_type=input_type)
            (row,) = rows(await engine.embed(request))
            assert math.hypot(*row) == pytest.approx(1, abs=1e-5)

    run(scenario)
