"""Text models that moderate by the probabilities of their answers, also the chat model itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import InternalServerError, OpenAI

from openedai.config import ModelSpec
from tests.support import ServerThread, echo_settings

POLICIES = {"hate": "It demeans a group of people.", "violence": "It threatens someone."}
# To the echo engine an answer is the likelier, the more often the text has it.
YES: Any = [{"role": "user", "content": "yes yes yes"}]


@pytest.fixture(scope="module")
def guarded() -> Iterator[OpenAI]:
    models = (
        ModelSpec(id="echo", engine="echo"),
        ModelSpec(id="policies", engine="echo", options={"moderation": POLICIES, "slots": 1}),
        ModelSpec(id="hazards", engine="echo", options={"moderation": "llama_guard"}),
        ModelSpec(id="guidelines", engine="echo", options={"moderation": "shieldgemma"}),
        ModelSpec(id="wrong", engine="echo", options={"moderation": {"anger": "It is angry."}}),
    )
    settings = echo_settings(models=models, moderation_model="policies")
    with ServerThread(settings) as server, server.client() as client:
        yield client


def test_policies(guarded: OpenAI) -> None:
    answer = guarded.moderations.create(input=["yes yes yes", "no"])
    yes, no = answer.results
    assert answer.model == "policies"
    assert yes.flagged
    assert yes.categories.hate
    assert yes.category_scores.violence == pytest.approx(7 / 8)
    assert no.category_scores.violence == pytest.approx(1 / 4)
    assert not no.flagged
    applied = yes.category_applied_input_types
    assert applied is not None
    assert (applied.hate, applied.sexual) == (["text"], [])


def test_hazards(guarded: OpenAI) -> None:
    """Of fifteen answers, each twice, one is safe; hate is one of the others."""
    (found,) = guarded.moderations.create(model="hazards", input="a text").results
    assert found.flagged
    assert found.category_scores.hate == pytest.approx(1 / 15)
    (found,) = guarded.moderations.create(model="hazards", input="safe " * 200).results
    assert not found.flagged


def test_guidelines(guarded: OpenAI) -> None:
    (found,) = guarded.moderations.create(model="guidelines", input="yes yes").results
    assert found.categories.self_harm
    assert found.category_scores.self_harm == pytest.approx(5 / 6)
    assert found.category_scores.sexual_minors == 0


@pytest.mark.parametrize("stream", [False, True])
def test_the_model_that_answers_moderates_too(guarded: OpenAI, stream: bool) -> None:
    """It has one slot, which its answer must have left by then."""
    made: Any = guarded.chat.completions.create(
        model="policies", messages=YES, moderation={"model": "policies"}, stream=stream
    )
    answer = list(made)[-1] if stream else made
    assert answer.moderation.input.results[0].flagged
    assert answer.moderation.output.results[0].categories["violence"]


def test_another_model_moderates(guarded: OpenAI) -> None:
    answer = guarded.chat.completions.create(
        model="echo", messages=YES, moderation={"model": "omni-moderation-latest"}
    )
    assert answer.moderation is not None
    assert answer.moderation.output.type == "moderation_results"
    assert answer.moderation.output.model == "policies"


def test_policies_of_no_category(guarded: OpenAI) -> None:
    with pytest.raises(InternalServerError, match="there is no category `anger`"):
        guarded.moderations.create(model="wrong", input="a text")
