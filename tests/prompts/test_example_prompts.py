"""Few-shot prompts, and the grammar of labels."""

from __future__ import annotations

import pytest

from openedai.prompts.constraints import answer_grammar
from openedai.prompts.example_prompts import answer_prompt, label_grammar, label_name, label_prompt

CONTEXT = "In 2017 people lived\nfor 78.6 years."
EXAMPLES = [("How long did\npeople live?", "78.6 years.")]
FEW_SHOT = (
    "Answer each question from the context before it.\n\n"
    "Context: In 2017 people lived for 78.6 years.\n\n"
    "Q: How long did people live?\nA: 78.6 years.\n\n"
)


def test_a_question_about_documents() -> None:
    assert answer_prompt("Who is\nhappy?", ["B is sad.", " A is happy."], EXAMPLES, CONTEXT) == (
        f"{FEW_SHOT}Context: B is sad. A is happy.\n\nQ: Who is happy?\nA:"
    )


def test_a_question_without_documents() -> None:
    assert answer_prompt("And in 2018?", [], EXAMPLES, CONTEXT) == f"{FEW_SHOT}Q: And in 2018?\nA:"


def test_the_prompt_for_a_label() -> None:
    examples = [("I am\nsad.", "Negative"), ("A happy moment", "Positive")]
    assert label_prompt("It rains.\n", ["Positive", "Negative", "Neutral"], examples) == (
        "Sort each text into one of these categories: Positive, Negative, Neutral.\n\n"
        "Text: I am sad.\nCategory: Negative\n\n"
        "Text: A happy moment\nCategory: Positive\n\n"
        "Text: It rains.\nCategory:"
    )


@pytest.mark.parametrize(
    ("label", "name"),
    [("good", "Good"), ("VERY  good\n", "Very good"), (" Ärger", "Ärger"), ("1st", "1st")],
)
def test_label_names_are_normalised(label: str, name: str) -> None:
    assert label_name(label) == name


def test_the_grammar_of_labels() -> None:
    assert label_grammar(["Good", 'So "so"']).gbnf == 'root ::= " " ("Good" | "So \\"so\\"")\n'
    assert label_grammar(["Good", "Good news"]).gbnf == 'root ::= " " "Good" ("" | " news")\n'


def test_the_grammar_of_the_most_labels() -> None:
    labels = [f"{number:03}" + "ü\\" * 126 for number in range(200)]
    assert answer_grammar(label_grammar(labels)) is not None
