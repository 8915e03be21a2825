"""Guards on models that know nothing of them: their prompts, and the probabilities."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openedai.contract.decide import DecideRequest
from openedai.contract.generate import Text
from openedai.contract.moderate import Assessment, ModerateRequest
from openedai.engines.llama_cpp.decisions import DecisionPrompts
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.errors import EngineFailed
from openedai.prompts.guards import GUIDELINES, guard_of
from tests.gguf import tiny_decoder

ROUNDING = 0.05  # of llama.cpp, by what else is in a batch
POLICIES = {"hate": "It demeans a group of people.", "violence": "It threatens someone."}
# Templates of our own in the manner of these models': their task, the policies, the text.
HAZARDS = (
    "<|im_start|>user\nIs this safe? S1: crimes. S10: hate.\n"
    "{{ messages[0].content }}<|im_end|>\n<|im_start|>assistant\n"
)
GUIDELINE = (
    "<|im_start|>user\n{{ messages[0].content }}\nDoes it violate {{ guideline }}?<|im_end|>\n"
    "<|im_start|>assistant\n"
)
TEXT = "I will find you tonight."


class Guarded:
    def __init__(self, path: Path, **options: Any) -> None:
        self.runner = asyncio.Runner()
        load = LlamaCpp.load("the-model", path, {"context": 2048, "slots": 2} | options)
        self.engine = self.runner.run(load)

    def assess(self, text: str) -> Assessment:
        request = ModerateRequest(inputs=(Text(text=text),))
        (found,) = self.runner.run(self.engine.moderate(request)).assessments
        return found

    def probabilities(self, request: DecideRequest) -> list[list[float]]:
        rows = self.runner.run(self.engine.decide(request)).logprobs
        return [[*map(math.exp, row)] for row in rows]

    def close(self) -> None:
        self.runner.run(self.engine.close())
        self.runner.close()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_decoder.write(tmp_path / "tiny.gguf")


@pytest.fixture
def guarded(request: pytest.FixtureRequest, tiny: Path) -> Iterator[Guarded]:
    loaded = Guarded(tiny, **request.param)
    yield loaded
    loaded.close()


@pytest.mark.real
def test_policies_through_a_chat_model(smollm2_path: Path) -> None:
    guarded = Guarded(smollm2_path, moderation=POLICIES)
    found = guarded.assess(TEXT)
    rows = guarded.probabilities(guard_of(POLICIES).request(TEXT))
    guarded.close()
    assert [*found.scores] == ["hate", "violence"]
    for score, (yes, no) in zip(found.scores.values(), rows, strict=True):
        assert score == pytest.approx(yes / (yes + no), abs=ROUNDING)


@pytest.mark.parametrize(
    "guarded", [{"moderation": "llama_guard", "chat_template": HAZARDS}], indirect=True
)
def test_a_guard_that_names_hazards(guarded: Guarded) -> None:
    request = guard_of("llama_guard").request(TEXT)
    prompt = DecisionPrompts(guarded.engine.builder, request).text(request.questions[0])
    assert prompt.count(TEXT) == 1
    assert prompt.endswith("assistant")
    (row,) = guarded.probabilities(request)
    labels = dict(zip(request.questions[0].labels, row, strict=True))
    hate = labels["unsafe\nS10"] + labels["\n\nunsafe\nS10"]
    assert guarded.assess(TEXT).scores["hate"] == pytest.approx(hate / math.fsum(row), abs=ROUNDING)


@pytest.mark.parametrize(
    "guarded", [{"moderation": "shieldgemma", "chat_template": GUIDELINE}], indirect=True
)
def test_a_guard_with_a_guideline(guarded: Guarded) -> None:
    request = guard_of("shieldgemma").request(TEXT)
    prompts = DecisionPrompts(guarded.engine.builder, request)
    for question in request.questions:
        whole = prompts.text(question)
        assert f"{TEXT}\nDoes it violate {question.text}?" in whole
    rows = guarded.probabilities(request)
    found = guarded.assess(TEXT).scores
    assert [*found] == [*GUIDELINES]
    for score, (yes, no) in zip(found.values(), rows, strict=True):
        assert score == pytest.approx(yes / (yes + no), abs=ROUNDING)


@pytest.mark.parametrize("guarded", [{"moderation": POLICIES, "context": 400}], indirect=True)
def test_texts_that_do_not_fit_are_divided(guarded: Guarded) -> None:
    found = guarded.assess("Some harmless words about kettles. " * 24)
    assert all(0 <= score <= 1 for score in found.scores.values())


@pytest.mark.parametrize(
    ("guard", "message"),
    [("llama_guard", "names no `S1`"), ("shieldgemma", "leaves out the text")],
)
def test_a_model_that_is_no_such_guard(tiny: Path, guard: str, message: str) -> None:
    load = LlamaCpp.load("the-model", tiny, {"context": 512, "moderation": guard})
    with pytest.raises(EngineFailed, match=f"`the-model` is no such guard.*{message}"):
        asyncio.run(load)
