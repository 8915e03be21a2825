"""Texts that a guard judges in parts."""

from __future__ import annotations

import asyncio
import math

import pytest

from openedai.contract.decide import DecideRequest, DecideResult
from openedai.contract.generate import Text, Usage
from openedai.contract.moderate import ModerateRequest, ModerateResult
from openedai.engines.moderation.guards import WINDOW_CHARACTERS, GuardedTexts, read_guard
from openedai.errors import ContextLengthExceeded, EngineFailed
from openedai.prompts.guards import GUIDELINES, guard_of


class Model:
    """Says yes to what it is asked about texts with `bad` in them; reads some characters only."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.read: list[DecideRequest] = []

    async def decide(self, request: DecideRequest) -> DecideResult:
        if len(request.input) > self.most:
            raise ContextLengthExceeded.by_tokens(self.most, len(request.input), param="input")
        self.read.append(request)
        yes = 0.9 if "bad" in request.input else 0.2
        row = (math.log(yes), math.log(1 - yes))
        return DecideResult(
            logprobs=(row,) * len(request.questions), usage=Usage(prompt_tokens=len(request.input))
        )


def moderated(model: Model, *texts: str, variant: str | None = None) -> ModerateResult:
    request = ModerateRequest(inputs=tuple(Text(text=text) for text in texts), variant=variant)
    guard = guard_of("shieldgemma")
    return asyncio.run(GuardedTexts(guard, model.decide, variant).assess(request))


def test_a_text_has_the_highest_scores_of_its_windows() -> None:
    model = Model(10**6)
    good = " ".join(f"All is well in room {number}." for number in range(2000, 2300))
    one_bad = f"{good} This is bad."
    found, other = moderated(model, good, one_bad).assessments
    assert [*found.scores.values()] == pytest.approx([0.2] * len(GUIDELINES))
    assert [*other.scores.values()] == pytest.approx([0.9] * len(GUIDELINES))
    assert other.flagged == tuple(other.scores)
    lengths = [len(request.input) for request in model.read]
    assert max(lengths) <= WINDOW_CHARACTERS
    assert sum(lengths) >= len(good) + len(one_bad) - 2 * len(lengths)


@pytest.mark.parametrize("text", ["well " * 300 + "bad " + "well " * 80, "xyz" * 500 + "bad"])
def test_a_window_that_does_not_fit_is_divided(text: str) -> None:
    model = Model(100)
    (found,) = moderated(model, text).assessments
    assert [*found.scores.values()] == pytest.approx([0.9] * len(GUIDELINES))
    assert "".join(request.input for request in model.read) == text.strip()


def test_a_model_that_takes_nothing() -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        moderated(Model(0), "some words")
    assert caught.value.param == "input"


def test_tokens_and_the_variant() -> None:
    model = Model(10**6)
    assert moderated(model, "four", "seven 7", variant="lora").prompt_tokens == 11
    assert {request.variant for request in model.read} == {"lora"}


def test_no_guard_without_the_option() -> None:
    assert read_guard("m", None) is None
    with pytest.raises(EngineFailed, match="Options of the model `m`: moderation: there is no cat"):
        read_guard("m", {"anger": "It is angry."})
