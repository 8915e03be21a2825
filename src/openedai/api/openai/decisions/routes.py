"""`POST /v1/decisions`: questions about an input, answered with probabilities."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.decisions.types import (
    ChoiceQuestion,
    DecisionQuestion,
    DecisionRequest,
    ScoreQuestion,
)
from openedai.api.route import takes
from openedai.contract.generate import Usage
from openedai.serving.deciding import Deciding, Distribution


class PredicateAnswer(msgspec.Struct):
    name: str | None
    probability: float
    x_label_mass: float
    type: str = "predicate"


class ChoiceProbability(msgspec.Struct):
    value: str | bool
    probability: float


class ChoiceAnswer(msgspec.Struct):
    name: str | None
    choice: str | bool
    confidence: float
    probabilities: list[ChoiceProbability]
    x_label_mass: float
    type: str = "choice"


class ScoreProbability(msgspec.Struct):
    label: str
    value: int
    probability: float


class ScoreAnswer(msgspec.Struct):
    name: str | None
    score: float
    confidence: float
    probabilities: list[ScoreProbability]
    x_label_mass: float
    type: str = "score"


Answer = PredicateAnswer | ChoiceAnswer | ScoreAnswer


class InputTokensDetails(msgspec.Struct):
    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(msgspec.Struct):
    reasoning_tokens: int = 0


class DecisionUsage(msgspec.Struct):
    input_tokens: int
    input_tokens_details: InputTokensDetails
    total_tokens: int
    output_tokens: int = 0
    output_tokens_details: OutputTokensDetails = msgspec.field(default_factory=OutputTokensDetails)


class Decision(msgspec.Struct):
    model: str
    answers: list[Answer]
    usage: DecisionUsage


class Decisions:
    def __init__(self, calls: Calls, deciding: Deciding) -> None:
        self._calls = calls
        self._deciding = deciding

    @takes(DecisionRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, DecisionRequest)
        found, usage = await self._deciding.run(call, call.body.to_engine_request())
        pairs = zip(call.body.questions, found, strict=True)
        answers = [_answer(question, distribution) for question, distribution in pairs]
        return self._calls.respond(call, Decision(call.model.id, answers, _usage(usage)))


def _answer(question: DecisionQuestion, found: Distribution) -> Answer:
    name, mass, probabilities = question.name, found.mass, found.probabilities
    match question:
        case ChoiceQuestion(choices=choices):
            pairs = zip(choices, probabilities, strict=True)
            listed = [ChoiceProbability(one.value, value) for one, value in pairs]
            return ChoiceAnswer(name, choices[found.top].value, found.confidence, listed, mass)
        case ScoreQuestion(levels=levels):
            labelled = enumerate(zip(levels, probabilities, strict=True))
            rated = [ScoreProbability(one.label, at, value) for at, (one, value) in labelled]
            return ScoreAnswer(name, found.level, found.level_confidence, rated, mass)
        case _:
            return PredicateAnswer(name, probabilities[0], mass)


def _usage(usage: Usage) -> DecisionUsage:
    tokens = usage.prompt_tokens
    return DecisionUsage(tokens, InputTokensDetails(usage.cached_tokens), tokens)
