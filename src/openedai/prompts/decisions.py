"""Questions about an input, as a model reads them, and the labels that answer them.

What all questions about one input have in common comes first, so that it is computed once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openedai.contract.decide import Question

YES, NO = "Yes", "No"


@dataclass(frozen=True)
class Option:
    """One of the possible answers to a question: a text or a boolean."""

    value: str | bool
    description: str = ""


def decision_input(text: str) -> str:
    """The beginning of each question about a text."""
    return (
        "Read the input. Then answer the question about it with one of the answers that it allows, "
        f"and nothing else.\n\nInput:\n{text}\n\nQuestion:\n"
    )


def yes_or_no(instructions: str, *, yes: str = "", no: str = "") -> Question:
    """Whether a statement is true, or the answer to a question is yes."""
    meanings = "".join(f"\n{label}: {text}" for label, text in ((YES, yes), (NO, no)) if text)
    return Question(text=f"Yes or no: {instructions}{meanings}", labels=(YES, NO))


def one_of(instructions: str, options: Sequence[Option]) -> Question:
    """Which of the options it is. The options have to be different."""
    labels = _labels([option.value for option in options])
    return Question(text=f"{instructions}\nOne of:{_listed(labels, options)}", labels=labels)


def level_of(instructions: str, levels: Sequence[Option]) -> Question:
    """Which of the levels, the lowest one first."""
    heading = f"{instructions}\nOne of these levels, the lowest one first:"
    names = [str(level.value).strip() for level in levels]
    if len(set(names)) == len(names) and all(names):
        labels = tuple(names)
        return Question(text=heading + _listed(labels, levels), labels=labels)
    numbered = [Option("", f"{level.value} {level.description}".strip() or "-") for level in levels]
    labels = tuple(map(str, range(len(levels))))
    return Question(text=heading + _listed(labels, numbered), labels=labels)


def shares(logprobs: Sequence[float]) -> tuple[float, ...]:
    """The probabilities of labels with these log probabilities, given that the answer is one of
    them.
    """
    highest = max(logprobs)
    if highest == -math.inf:
        return (1 / len(logprobs),) * len(logprobs)
    weights = [math.exp(value - highest) for value in logprobs]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def as_text(value: Any) -> str:
    """A text as it is; other values as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _labels(values: Sequence[str | bool]) -> tuple[str, ...]:
    """The values as the model writes them: as JSON only if two would be the same otherwise."""
    texts = [value.strip() if isinstance(value, str) else as_text(value) for value in values]
    if len(set(texts)) < len(texts) or not all(texts):
        return tuple(json.dumps(value, ensure_ascii=False) for value in values)
    return tuple(texts)


def _listed(labels: Sequence[str], options: Sequence[Option]) -> str:
    return "".join(
        f"\n{label}: {option.description}" if option.description else f"\n{label}"
        for label, option in zip(labels, options, strict=True)
    )
