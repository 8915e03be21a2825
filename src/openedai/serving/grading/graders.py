"""Graders: they turn a model's answer into a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from openedai.contract.generate import Sampling
from openedai.serving.grading.formulas import Formula
from openedai.serving.grading.templates import Template


@dataclass(frozen=True)
class StringCheck:
    """1 if the input equals, does not equal, or contains the reference, else 0; `ilike` ignores
    case.
    """

    name: str
    input: Template
    reference: Template
    operation: Literal["eq", "ne", "like", "ilike"]


@dataclass(frozen=True)
class TextSimilarity:
    """`metric` is one of `openedai.serving.grading.similarity`, or `cosine`, of embeddings."""

    name: str
    input: Template
    reference: Template
    metric: str


@dataclass(frozen=True)
class Turn:
    """A message to the model that grades."""

    role: str
    content: Template


@dataclass(frozen=True)
class ScoreModel:
    """The number from `low` to `high` that a model answers."""

    name: str
    model: str
    turns: tuple[Turn, ...]
    low: float
    high: float
    sampling: Sampling
    max_tokens: int
    reasoning_effort: str | None = None


@dataclass(frozen=True)
class LabelModel:
    """1 if the label that a model answers is one of the passing ones, else 0."""

    name: str
    model: str
    turns: tuple[Turn, ...]
    labels: tuple[str, ...]
    passing: frozenset[str]


Single = StringCheck | TextSimilarity | ScoreModel | LabelModel


@dataclass(frozen=True)
class Multi:
    """A formula over the grades of other graders, by their names in it."""

    name: str
    graders: Mapping[str, Single]
    formula: Formula


Grader = Single | Multi


def type_of(grader: Grader) -> str:
    """The official name of its type."""
    match grader:
        case StringCheck():
            return "string_check"
        case TextSimilarity():
            return "text_similarity"
        case ScoreModel():
            return "score_model"
        case LabelModel():
            return "label_model"
        case Multi():
            return "multi"


def models_of(grader: Grader) -> Iterator[str]:
    """The names of the models that grade."""
    if isinstance(grader, ScoreModel | LabelModel):
        yield grader.model
    elif isinstance(grader, Multi):
        for one in grader.graders.values():
            yield from models_of(one)
