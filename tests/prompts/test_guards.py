"""What guards ask, and what they make of the probabilities of answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest

from openedai.contract.moderate import CATEGORIES, Assessment
from openedai.prompts.guards import GUIDELINES, HAZARDS, HAZARDS_2, Guard, guard_of


def assessed(guard: Guard, probability: Callable[[str, str], float]) -> Assessment:
    """By the probability of each label after the text of a question."""
    request = guard.request("the text")
    rows = [
        [math.log(max(probability(one.text, label), 1e-12)) for label in one.labels]
        for one in request.questions
    ]
    return guard.assessment(rows)


def verdict(answers: Mapping[str, float]) -> Callable[[str, str], float]:
    return lambda question, label: answers.get(label, 0.0)


@pytest.mark.parametrize("start", ["", "\n\n"])
def test_llama_guard_says_a_hazard(start: str) -> None:
    answers = {"safe": 0.1, "unsafe\nS10": 0.6, "unsafe\nS1": 0.2}
    guard = guard_of("llama_guard")
    found = assessed(guard, verdict({start + answer: p for answer, p in answers.items()}))
    assert found.scores["hate"] == pytest.approx(0.6 / 0.9)
    assert found.scores["violence"] == pytest.approx(0.2 / 0.9)
    assert found.scores["sexual"] == pytest.approx(0, abs=1e-9)
    assert found.flagged == ("hate",)


def test_llama_guard_says_safe() -> None:
    found = assessed(guard_of("llama_guard"), verdict({"\n\nsafe": 0.7, "\n\nunsafe\nS1": 0.2}))
    assert found.flagged == ()
    assert found.scores["illicit/violent"] == pytest.approx(0.2 / 0.9)


def test_an_unsafe_text_is_flagged_for_the_likeliest_hazard() -> None:
    answers = {"safe": 0.3, "unsafe\nS10": 0.3, "unsafe\nS11": 0.28, "unsafe\nS12": 0.12}
    found = assessed(guard_of("llama_guard"), verdict(answers))
    assert found.flagged == ("hate",)


def test_what_is_no_category_of_ours_flags_nothing() -> None:
    found = assessed(guard_of("llama_guard"), verdict({"safe": 0.1, "unsafe\nS6": 0.9}))
    assert found.flagged == ()
    assert max(found.scores.values()) < 0.01


def test_a_category_has_the_probabilities_of_all_its_hazards() -> None:
    answers = {"safe": 0.2, "unsafe\nS3": 0.3, "unsafe\nS12": 0.5}
    found = assessed(guard_of("llama_guard"), verdict(answers))
    assert found.scores["sexual"] == pytest.approx(0.8)
    assert found.scores["illicit"] == pytest.approx(0.3)


def test_the_second_llama_guard_has_other_codes() -> None:
    found = assessed(guard_of("llama_guard_2"), verdict({"safe": 0.1, "unsafe\nS9": 0.9}))
    assert found.flagged == ("hate",)
    assert "harassment" not in found.scores
    assert [*HAZARDS_2] == [f"S{number}" for number in range(1, 12)]
    assert HAZARDS_2["S11"] == ("sexual",)
    assert [*HAZARDS] == [f"S{number}" for number in range(1, 15)]


def test_shieldgemma_is_asked_about_each_guideline() -> None:
    guard = guard_of("shieldgemma")
    request = guard.request("the text")
    assert (request.input, request.variable) == ("the text", "guideline")
    assert [one.text for one in request.questions] == [*GUIDELINES.values()]
    assert {one.labels for one in request.questions} == {("Yes", "No")}

    def yes_to_harassment(question: str, label: str) -> float:
        yes = 0.6 if "Harassment" in question else 0.1
        return yes if label == "Yes" else 0.8 - yes

    found = assessed(guard, yes_to_harassment)
    assert found.flagged == ("harassment",)
    assert found.scores["harassment"] == pytest.approx(0.75)
    assert found.scores["hate"] == pytest.approx(0.125)
    assert set(found.scores) == set(GUIDELINES) < set(CATEGORIES)


def test_policies_in_words() -> None:
    policies = {"violence": "It threatens.", "hate": "It demeans a group."}
    guard = guard_of(policies)
    request = guard.request("the text")
    assert request.variable is None
    assert "the text" in request.input
    for one, policy in zip(
        request.questions, ["It demeans a group.", "It threatens."], strict=True
    ):
        assert policy in one.text
        assert one.labels == ("Yes", "No")
    found = assessed(
        guard, lambda question, label: 0.8 if ("threat" in question) == (label == "Yes") else 0.2
    )
    assert found.scores == pytest.approx({"hate": 0.2, "violence": 0.8})
    assert found.flagged == ("violence",)


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"anger": "It is angry."}, "no category `anger`"),
        ({"hate": " "}, "policy of `hate` is empty"),
        ({}, "no policy"),
    ],
)
def test_policies_that_cannot_be(policies: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        guard_of(policies)
