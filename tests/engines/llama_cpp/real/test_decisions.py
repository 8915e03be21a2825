"""Decisions of a real model: exact, and in agreement with what it answers."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from openedai.contract.chat import Chat, Message
from openedai.contract.decide import DecideRequest, Question
from openedai.contract.generate import GenerateRequest, Regex, Sampling, Text
from openedai.engines.llama_cpp.decisions import DecisionPrompts
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.prompts.decisions import Option, decision_input, level_of, one_of, yes_or_no
from tests.events import collect

pytestmark = pytest.mark.real

# llama.cpp rounds by what else is in a batch; with weights of four bits it is this much.
ROUNDING = 0.7
STORIES = [
    "The printer on the second floor jams every morning, and nobody helps.",
    "Thank you for the flowers! They arrived early and smell wonderful.",
    "Our train to Hamburg was two hours late, so we missed the concert.",
    "The soup needs more salt, but the bread was fresh.",
]
QUESTIONS = [
    yes_or_no("Is it a complaint?"),
    yes_or_no("The writer is happy.", yes="it shows in the text", no="anything else"),
    one_of(
        "What is it about?",
        [Option("food"), Option("travel", "trains and cars"), Option("office"), Option("gifts")],
    ),
    level_of("How angry is the writer?", [Option("calm"), Option("annoyed"), Option("furious")]),
    one_of("Who should answer?", [Option("the kitchen"), Option("railway"), Option("nobody")]),
    one_of("True?", [Option(True), Option(False), Option("true")]),
]


class Decisions:
    def __init__(self, runner: asyncio.Runner, engine: LlamaCpp) -> None:
        self.run = runner.run
        self.engine = engine

    def decide(self, text: str, *questions: Question) -> list[list[float]]:
        request = DecideRequest(input=decision_input(text), questions=questions)
        result = self.run(self.engine.decide(request))
        return [[*row] for row in result.logprobs]

    def scored(self, prompt: str, label: str) -> float:
        """The log probability of a label after a prompt, by scoring both as one prompt."""
        request = GenerateRequest(
            prompt=Text(text=prompt + label), max_tokens=0, echo=True, logprobs=0
        )
        events = self.run(collect(self.engine, request))
        tokens = [one for event in events for one in getattr(event, "logprobs", ())]
        total, length = 0.0, 0
        while length < len(label.encode()):
            token = tokens.pop()
            length += len(token.raw)
            assert token.logprob is not None
            total += token.logprob
        return total

    def greedy(self, text: str, question: Question) -> str:
        """What the model answers when it may answer with nothing but the labels."""
        content = decision_input(text) + question.text
        request = GenerateRequest(
            prompt=Chat(messages=(Message(role="user", content=content),)),
            sampling=Sampling(temperature=0.0),
            constraint=Regex(pattern="|".join(map(re.escape, question.labels))),
        )
        events = self.run(collect(self.engine, request))
        return "".join(getattr(event, "text", "") for event in events)


@pytest.fixture(scope="module")
def model(smollm2_path: Path) -> Iterator[Decisions]:
    with asyncio.Runner() as runner:
        load = LlamaCpp.load("the-model", smollm2_path, {"context": 1024, "slots": 2})
        engine = runner.run(load)
        yield Decisions(runner, engine)
        runner.run(engine.close())


@pytest.mark.parametrize("question", QUESTIONS[3:], ids=lambda question: question.text[:12])
def test_labels_are_scored_as_a_whole(model: Decisions, question: Question) -> None:
    (row,) = model.decide(STORIES[0], question)
    request = DecideRequest(input=decision_input(STORIES[0]), questions=(question,))
    prompt = DecisionPrompts(model.engine.builder, request).text(question)
    for label, logprob in zip(question.labels, row, strict=True):
        assert logprob == pytest.approx(model.scored(prompt, label), abs=ROUNDING)


def test_a_label_that_begins_another_one_counts_without_it(model: Decisions) -> None:
    long, short, both = (
        Question(text="What is it?", labels=labels)
        for labels in (("a printer", "no"), ("a", "no"), ("a", "a printer"))
    )
    (printer, _), (a, _), (only_a, same) = model.decide(STORIES[0], long, short, both)
    assert same == pytest.approx(printer, abs=ROUNDING)
    assert math.exp(only_a) + math.exp(same) == pytest.approx(math.exp(a), rel=ROUNDING)


def test_the_likeliest_label_is_the_greedy_constrained_answer(model: Decisions) -> None:
    """Of labels with different first tokens, that answer takes the likeliest first token."""
    for text in STORIES[:2]:
        for question, row in zip(QUESTIONS, model.decide(text, *QUESTIONS), strict=True):
            answer = model.greedy(text, question)
            ranked = sorted(zip(row, question.labels, strict=True), reverse=True)
            assert answer in question.labels
            if ranked[0][0] > ranked[1][0] + ROUNDING:
                assert answer == ranked[0][1]


def test_what_questions_share_is_computed_once(model: Decisions) -> None:
    text = " ".join(STORIES * 4)
    request = DecideRequest(input=decision_input(text), questions=tuple(QUESTIONS))
    usage = model.run(model.engine.decide(request)).usage
    shared = (usage.prompt_tokens - usage.cached_tokens) / usage.prompt_tokens
    assert shared < 1 / 2
