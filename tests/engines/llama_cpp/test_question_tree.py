"""Questions as a tree: what is computed once, and that it says what single questions do."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from openedai.contract.decide import DecideRequest, Question
from openedai.engines.llama_cpp import decisions
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.llama_cpp.native.branches import MAX_SEQUENCES
from openedai.engines.llama_cpp.question_tree import EncodedQuestion
from openedai.prompts.decisions import Option, decision_input, one_of, yes_or_no

pytestmark = pytest.mark.real

# llama.cpp rounds by what else is in a batch; with weights of four bits it is this much of the log
# probability of one label, and of all in the mean.
ROUNDING = 1.0
MEAN_ROUNDING = 0.15
WORDS = [
    *("river", "stone", "garden", "letter", "market"),
    *("winter", "engine", "island", "silver", "bridge"),
]
TEXT = "The letter lay on a stone near the bridge, all winter long."
STATEMENTS = [yes_or_no(f"The {one} is near the {two}.") for one in WORDS for two in WORDS[:8]]
LISTS = [
    one_of(
        f"{'A long question, in many words. ' * 8}What is near the {word}?",
        [Option(f"the {one} of the {word}") for one in WORDS] + [Option("the"), Option(word)],
    )
    for word in WORDS[:2]
]
SAME = [STATEMENTS[0]] * 6


class Model:
    def __init__(self, runner: asyncio.Runner, engine: LlamaCpp) -> None:
        self.run = runner.run
        self.engine = engine

    def encoded(self, questions: list[Question]) -> list[EncodedQuestion]:
        request = DecideRequest(input=decision_input(TEXT), questions=tuple(questions))
        prompts = decisions.DecisionPrompts(self.engine.builder, request)
        return [prompts.encode(question) for question in questions]

    def as_tree(self, questions: list[Question]) -> tuple[list[tuple[float, ...]], int]:
        """The log probabilities, and how many tokens were computed after the shared prompt."""
        encoded = self.encoded(questions)
        assert decisions.worth_a_tree(encoded)
        job, tree = self.engine.builder.tree_job(encoded, None)
        result = self.run(decisions.run_tree(self.engine.loop, job, tree, encoded))
        assert result is not None
        return [*result.logprobs], tree.tokens

    def one_by_one(self, questions: list[Question]) -> list[tuple[float, ...]]:
        jobs = [self.engine.builder.label_job(one, None) for one in self.encoded(questions)]
        return [*self.run(decisions.run_jobs(self.engine.loop, jobs, 2)).logprobs]


@pytest.fixture(scope="module")
def model(smollm2_path: Path) -> Iterator[Model]:
    with asyncio.Runner() as runner:
        options = {"context": 1024, "slots": 2, "batch": 64}
        engine = runner.run(LlamaCpp.load("the-model", smollm2_path, options))
        yield Model(runner, engine)
        runner.run(engine.close())


def close(found: list[tuple[float, ...]], expected: list[tuple[float, ...]]) -> None:
    pairs = [pair for rows in zip(found, expected, strict=True) for pair in zip(*rows, strict=True)]
    differences = [abs(one - other) for one, other in pairs]
    assert max(differences) < ROUNDING
    assert sum(differences) / len(differences) < MEAN_ROUNDING


@pytest.mark.parametrize(
    "questions", [STATEMENTS, LISTS, SAME, [*LISTS, *SAME]], ids=["many", "long", "same", "mixed"]
)
def test_a_tree_says_what_single_questions_do(model: Model, questions: list[Question]) -> None:
    found, _ = model.as_tree(questions)
    some = [*range(0, len(questions), 20), len(questions) - 1]
    close([found[at] for at in some], model.one_by_one([questions[at] for at in some]))
    assert all(sum(map(math.exp, row)) <= 1 + 1e-6 for row in found)


def test_what_some_questions_begin_with_is_computed_once(model: Model) -> None:
    assert len(STATEMENTS) > MAX_SEQUENCES
    whole = sum(len(encoded.prompt) for encoded in model.encoded(STATEMENTS))
    _, tokens = model.as_tree(STATEMENTS)
    assert tokens < whole / 8
    _, tokens = model.as_tree(SAME)
    assert tokens == 1


def test_a_cancelled_tree_leaves_the_model_as_it_was(model: Model) -> None:
    expected, _ = model.as_tree(STATEMENTS)

    async def cancelled() -> None:
        request = DecideRequest(input=decision_input(TEXT), questions=tuple(STATEMENTS))
        task = asyncio.create_task(model.engine.decide(request))
        async with asyncio.timeout(60):
            while not model.engine.progress():  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    model.run(cancelled())
    found, _ = model.as_tree(STATEMENTS)
    close(found, expected)
