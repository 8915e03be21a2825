"""What every reranker must do, tested on each engine."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.engine import Reranker
from openedai.contract.rerank import RerankRequest
from openedai.engines.load import load_engine
from openedai.engines.upstream.engine import Upstream
from openedai.errors import ContextLengthExceeded
from openedai.weights.onnx_graph.write import write_classifier
from tests.gguf import tiny_reranker
from tests.support import Running
from tests.weights.onnx_graph.tiny_classifier import write_reranker

Scenario = Callable[[Reranker], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
QUERY = "w1 w2"
DOCUMENTS = ("w1 w2 w3", "w4 w5", "w2", "w6 w7 w8 w9 w1")
ENGINES = ["echo", "echo in a worker", "upstream", "onnx_reranker", "llama_cpp_reranker"]


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    name = request.param.split()[0]
    options: dict[str, Any] = {"worker": True} if request.param == "echo in a worker" else {}
    if name == "upstream":
        server: Running = request.getfixturevalue("echo_server")
        options = {"url": server.url, "model": "echo"}
    path = None
    folder: Path = request.getfixturevalue("tmp_path_factory").mktemp("tiny")
    if name == "onnx_reranker":
        path = write_reranker(folder)
        write_classifier(path)
    elif name == "llama_cpp_reranker":
        path = tiny_reranker.write(folder)
    with asyncio.Runner() as runner:
        engine = runner.run(load_engine(name, "the-model", path, options))
        assert isinstance(engine, Reranker)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())
        runner.run(engine.close())


def asked(*documents: str, **options: Any) -> RerankRequest:
    return RerankRequest(queries=(QUERY,), documents=documents, **options)


def same(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    assert one == pytest.approx(other, abs=1e-4)


def test_a_score_for_each_document_in_its_order(run: Run) -> None:
    async def scenario(engine: Reranker) -> None:
        together = await engine.rerank(asked(*DOCUMENTS))
        assert len(set(together.scores)) > 1
        assert all(map(math.isfinite, together.scores))
        alone = [await engine.rerank(asked(document)) for document in DOCUMENTS]
        same(together.scores, tuple(one.scores[0] for one in alone))
        assert together.prompt_tokens == sum(one.prompt_tokens for one in alone)

    run(scenario)


def test_a_query_for_each_document(run: Run) -> None:
    async def scenario(engine: Reranker) -> None:
        queries = ("w1", "w9 w8", "w3", QUERY)
        both = await engine.rerank(RerankRequest(queries=queries, documents=DOCUMENTS))
        for query, document, score in zip(queries, DOCUMENTS, both.scores, strict=True):
            pair = RerankRequest(queries=(query,), documents=(document,))
            same((await engine.rerank(pair)).scores, (score,))

    run(scenario)


def test_many_at_once_do_not_mix(run: Run) -> None:
    async def scenario(engine: Reranker) -> None:
        documents = [f"w{number} " * (1 + number % 5) for number in range(24)]
        together = await asyncio.gather(*(engine.rerank(asked(one)) for one in documents))
        whole = await engine.rerank(asked(*documents))
        same(whole.scores, tuple(one.scores[0] for one in together))

    run(scenario)


def test_documents_are_truncated(run: Run) -> None:
    async def scenario(engine: Reranker) -> None:
        short = await engine.rerank(asked("w3 w4"))
        cut = await engine.rerank(asked("w3 w4 w1 w2", document_tokens=2))
        same(cut.scores, short.scores)
        assert cut.prompt_tokens == short.prompt_tokens
        again = await engine.rerank(asked("w3 w4 w1 w2", pair_tokens=short.prompt_tokens))
        same(again.scores, short.scores)
        none_fit = await engine.rerank(asked("w3 w4", pair_tokens=1))
        assert none_fit.prompt_tokens < short.prompt_tokens

    run(scenario)


def test_a_document_that_does_not_fit(run: Run) -> None:
    async def scenario(engine: Reranker) -> None:
        long = "w1 w2 w3 " * 3000
        truncated = await engine.rerank(asked("w4", long))
        assert truncated.prompt_tokens < 9000
        with pytest.raises(ContextLengthExceeded, match="Document 1 ") as caught:
            await engine.rerank(asked("w4", long, truncate=False))
        assert caught.value.param == "documents"
        whole = await engine.rerank(asked("w4", "w3", truncate=False))
        same(whole.scores, (await engine.rerank(asked("w4", "w3"))).scores)
        same(
            (await engine.rerank(asked(long, document_tokens=3, truncate=False))).scores,
            (await engine.rerank(asked("w1 w2 w3"))).scores,
        )

    run(scenario)


@pytest.mark.parametrize("odd", [" ", "\x00", "\ufffe", " \t\n", "👨‍👩‍👧", "é" * 9999])
def test_odd_texts(run: Run, odd: str) -> None:
    async def scenario(engine: Reranker) -> None:
        request = RerankRequest(queries=(odd,), documents=(odd, "w1"))
        assert all(map(math.isfinite, (await engine.rerank(request)).scores))

    run(scenario)


def test_a_cancelled_call_does_not_harm_others(run: Run) -> None:
    async def scenario(engine: Reranker) -> None:
        cancelled = asyncio.create_task(engine.rerank(asked(*DOCUMENTS * 64)))
        kept = asyncio.create_task(engine.rerank(asked("w1")))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert len((await kept).scores) == 1
        with suppress(asyncio.CancelledError):  # unless it was faster
            await cancelled

    run(scenario)


def test_memory_is_measured(run: Run) -> None:
    async def scenario(engine: Reranker) -> None:
        elsewhere = isinstance(engine, Upstream)
        assert (engine.memory() == 0) if elsewhere else (engine.memory() > 1 << 19)

    run(scenario)
