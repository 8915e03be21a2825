"""What every decider must do, tested on each engine."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import pytest

from openedai.contract.decide import DecideRequest, Question
from openedai.contract.engine import Decider
from openedai.engines.load import load_engine
from openedai.errors import ContextLengthExceeded

Scenario = Callable[[Decider], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
ENGINES = ["echo", "echo in a worker", pytest.param("llama_cpp", marks=pytest.mark.real)]
INPUT = "Read the text and answer the question.\n\nThe sky was red, and the red sun went down.\n\n"
# llama.cpp rounds by what else is in a batch; with weights of four bits it is this much.
ROUNDING = 0.7
QUESTIONS = (
    Question(text="Was the sky red? yes or no", labels=("yes", "no")),
    Question(text="Which colour is it?", labels=("red", "green", "deep red", "red-green")),
    Question(text="Which?", labels=("one of several words", "é 🙂", "1", "10")),
)


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    name, path = request.param.split()[0], None
    options: dict[str, Any] = {"context": 512}
    if name == "llama_cpp":
        path = request.getfixturevalue("smollm2_path")
        options |= {"slots": 2, "threads": 1}
    elif request.param == "echo in a worker":
        options["worker"] = True
    with asyncio.Runner() as runner:
        engine = runner.run(load_engine(name, "the-model", path, options))
        assert isinstance(engine, Decider)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())


async def logprobs(engine: Decider, *questions: Question) -> list[tuple[float, ...]]:
    return [*(await engine.decide(DecideRequest(input=INPUT, questions=questions))).logprobs]


def test_a_probability_for_each_label_of_each_question(run: Run) -> None:
    async def scenario(engine: Decider) -> None:
        rows = await logprobs(engine, *QUESTIONS)
        assert [len(row) for row in rows] == [len(one.labels) for one in QUESTIONS]
        for row in rows:
            assert all(math.isfinite(value) for value in row)
            assert sum(map(math.exp, row)) <= 1 + 1e-6

    run(scenario)


def test_questions_have_the_same_answers_together_and_alone(run: Run) -> None:
    async def scenario(engine: Decider) -> None:
        together = await logprobs(engine, *QUESTIONS)
        backwards = await logprobs(engine, *reversed(QUESTIONS))
        alone = [(await logprobs(engine, question))[0] for question in QUESTIONS]
        for one, other, third in zip(together, reversed(backwards), alone, strict=True):
            assert one == pytest.approx(other, abs=ROUNDING)
            assert one == pytest.approx(third, abs=ROUNDING)

    run(scenario)


def test_labels_have_the_same_probabilities_in_any_order(run: Run) -> None:
    async def scenario(engine: Decider) -> None:
        question = QUESTIONS[1]
        backwards = Question(text=question.text, labels=question.labels[::-1])
        one, other = await logprobs(engine, question, backwards)
        assert one == pytest.approx(other[::-1], abs=ROUNDING)

    run(scenario)


def test_the_whole_prompts_are_counted(run: Run) -> None:
    async def scenario(engine: Decider) -> None:
        (one,) = QUESTIONS[:1]
        single = await engine.decide(DecideRequest(input=INPUT, questions=(one,)))
        triple = await engine.decide(DecideRequest(input=INPUT, questions=(one,) * 3))
        assert triple.usage.prompt_tokens == 3 * single.usage.prompt_tokens > 3 * 16
        assert triple.usage.completion_tokens == 0
        assert 0 <= triple.usage.cached_tokens < triple.usage.prompt_tokens

    run(scenario)


def test_a_prompt_that_does_not_fit_is_refused(run: Run) -> None:
    async def scenario(engine: Decider) -> None:
        request = DecideRequest(input="word " * 600, questions=QUESTIONS)
        with pytest.raises(ContextLengthExceeded) as caught:
            await engine.decide(request)
        assert caught.value.param == "input"

    run(scenario)


def test_a_call_can_be_cancelled_and_others_go_on(run: Run) -> None:
    async def scenario(engine: Decider) -> None:
        expected = await logprobs(engine, *QUESTIONS)
        doomed = asyncio.create_task(logprobs(engine, *QUESTIONS * 20))
        other = asyncio.create_task(logprobs(engine, *QUESTIONS))
        await asyncio.sleep(0)
        doomed.cancel()
        with suppress(asyncio.CancelledError):
            await doomed
        for row, wanted in zip(await other, expected, strict=True):
            assert row == pytest.approx(wanted, abs=ROUNDING)

    run(scenario)
