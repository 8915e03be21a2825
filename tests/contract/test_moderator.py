"""What every moderator must do, tested on each engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.contract.engine import Moderator
from openedai.contract.generate import Text
from openedai.contract.moderate import CATEGORIES, Assessment, ModerateRequest
from openedai.engines.load import load_engine
from openedai.engines.upstream.engine import Upstream
from openedai.weights.library import Library
from openedai.weights.onnx_graph.write import write_classifier
from tests.gguf import tiny_decoder
from tests.support import Running
from tests.weights.onnx_graph.tiny_classifier import write_reranker

Scenario = Callable[[Moderator], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
TEXTS = ("hate and violence", "A kettle boils water.", "illicit", "sexual")
POLICIES = {"hate": "It demeans a group of people.", "violence": "It threatens someone."}
ENGINES = [
    "echo",
    "echo in a worker",
    "upstream",
    "onnx_classifier",
    "echo as a guard",
    "llama_cpp",
    pytest.param("onnx_embeddings", marks=pytest.mark.real),
]


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    name = request.param.split()[0]
    options: dict[str, Any] = {"worker": True} if request.param == "echo in a worker" else {}
    if request.param == "echo as a guard":
        options = {"moderation": POLICIES}
    path = None
    if name == "upstream":
        server: Running = request.getfixturevalue("echo_server")
        options = {"url": server.url, "model": "echo"}
    if name == "onnx_embeddings":
        path, options = _minilm()
    if name == "llama_cpp":
        path = tiny_decoder.write(
            request.getfixturevalue("tmp_path_factory").mktemp("t") / "t.gguf"
        )
        options = {"context": tiny_decoder.CONTEXT, "slots": 2, "moderation": POLICIES}
    if name == "onnx_classifier":
        path = _classifier(request.getfixturevalue("tmp_path_factory").mktemp("tiny"))
    with asyncio.Runner() as runner:
        engine = runner.run(load_engine(name, "the-model", path, options))
        assert isinstance(engine, Moderator)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())
        runner.run(engine.close())


def _minilm() -> tuple[Path | None, dict[str, Any]]:
    settings = Settings(_env_file=None)
    spec = Catalog(settings).resolve("all-MiniLM-L6-v2").spec
    return Library(settings).pull(spec), spec.options


def _classifier(folder: Path) -> Path:
    names = {str(index): name for index, name in enumerate(("hate", "sexual", "OK"))}
    write_reranker(folder, labels=len(names), id2label=names)
    write_classifier(folder)
    return folder


def asked(*texts: str) -> ModerateRequest:
    return ModerateRequest(inputs=tuple(Text(text=text) for text in texts))


def same(one: Assessment, other: Assessment) -> None:
    assert one.scores == pytest.approx(other.scores, abs=1e-3)


def test_an_assessment_of_each_text_in_its_order(run: Run) -> None:
    async def scenario(engine: Moderator) -> None:
        together = await engine.moderate(asked(*TEXTS))
        alone = [await engine.moderate(asked(text)) for text in TEXTS]
        for one, other in zip(together.assessments, alone, strict=True):
            same(one, other.assessments[0])
        assert together.prompt_tokens == sum(one.prompt_tokens for one in alone)

    run(scenario)


def test_scores_are_probabilities_of_categories(run: Run) -> None:
    async def scenario(engine: Moderator) -> None:
        for one in (await engine.moderate(asked(*TEXTS))).assessments:
            assert 0 < len(one.scores) <= len(CATEGORIES)
            assert set(one.flagged) <= set(one.scores) <= set(CATEGORIES)
            assert all(0 <= score <= 1 for score in one.scores.values())

    run(scenario)


def test_many_at_once_do_not_mix(run: Run) -> None:
    async def scenario(engine: Moderator) -> None:
        texts = [f"{TEXTS[number % 4]} {number}" for number in range(24)]
        together = await asyncio.gather(*(engine.moderate(asked(text)) for text in texts))
        whole = await engine.moderate(asked(*texts))
        for one, other in zip(together, whole.assessments, strict=True):
            same(one.assessments[0], other)

    run(scenario)


@pytest.mark.parametrize("odd", ["", " ", "\x00", "\ufffe", "👨‍👩‍👧", "é" * 9999])
def test_odd_texts(run: Run, odd: str) -> None:
    async def scenario(engine: Moderator) -> None:
        result = await engine.moderate(asked(odd, "a text"))
        assert len(result.assessments) == 2

    run(scenario)


def test_a_cancelled_call_does_not_harm_others(run: Run) -> None:
    async def scenario(engine: Moderator) -> None:
        cancelled = asyncio.create_task(engine.moderate(asked(*TEXTS * 16)))
        kept = asyncio.create_task(engine.moderate(asked("hate")))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert len((await kept).assessments) == 1
        with suppress(asyncio.CancelledError):  # unless it was faster
            await cancelled

    run(scenario)


def test_memory_is_measured(run: Run) -> None:
    async def scenario(engine: Moderator) -> None:
        elsewhere = isinstance(engine, Upstream)
        assert (engine.memory() == 0) if elsewhere else (engine.memory() > 1 << 19)

    run(scenario)
