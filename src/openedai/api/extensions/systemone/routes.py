"""`POST /v1/systemone`: the same decisions in the shape that other servers share."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.extensions.systemone.types import (
    ChoiceQuestion,
    ScoreQuestion,
    SystemOneQuestion,
    SystemOneRequest,
)
from openedai.api.route import takes
from openedai.prompts.decisions import as_text
from openedai.serving.deciding import Deciding, Distribution


class NoulAnswer(msgspec.Struct):
    noul: float
    x_label_mass: float
    type: str = "noul"


class ChoiceAnswer(msgspec.Struct):
    choice: str
    probabilities: dict[str, float]
    confidence: float
    x_label_mass: float
    type: str = "choice"


class ScoreAnswer(msgspec.Struct):
    score: float
    legend: dict[str, str]
    probabilities: dict[str, float]
    confidence: float
    x_label_mass: float
    type: str = "score"


Answer = NoulAnswer | ChoiceAnswer | ScoreAnswer


class SystemOneUsage(msgspec.Struct):
    input_tokens: int
    output_tokens: int = 0


class SystemOneResponse(msgspec.Struct):
    model: str
    answers: dict[str, Answer]
    usage: SystemOneUsage


class SystemOne:
    def __init__(self, calls: Calls, deciding: Deciding) -> None:
        self._calls = calls
        self._deciding = deciding

    @takes(SystemOneRequest)
    async def decide(self, request: Request) -> Response:
        call = await self._calls.read(request, SystemOneRequest)
        found, usage = await self._deciding.run(call, call.body.to_engine_request())
        pairs = zip(call.body.questions.items(), found, strict=True)
        answers = {name: _answer(question, one) for (name, question), one in pairs}
        tokens = SystemOneUsage(usage.prompt_tokens)
        return self._calls.respond(call, SystemOneResponse(call.model.id, answers, tokens))


def _answer(question: SystemOneQuestion, found: Distribution) -> Answer:
    match question:
        case ChoiceQuestion(criteria=criteria):
            named = dict(zip(criteria, found.probabilities, strict=True))
            return ChoiceAnswer([*criteria][found.top], named, found.confidence, found.mass)
        case ScoreQuestion(criteria=criteria):
            legend = {str(at): as_text(text) for at, text in enumerate(criteria)}
            numbered = dict(zip(legend, found.probabilities, strict=True))
            level, confidence = found.level, found.level_confidence
            return ScoreAnswer(level, legend, numbered, confidence, found.mass)
        case _:
            return NoulAnswer(found.probabilities[0], found.mass)
