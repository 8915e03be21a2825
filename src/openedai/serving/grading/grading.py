"""Grades answers of models: by comparing texts, or with models that read them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from operator import mul
from typing import Any

from openedai.bounded_json import read_json
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import EMBEDDING
from openedai.catalog.models import Model
from openedai.contract.chat import Chat, Message
from openedai.contract.embed import EmbedRequest
from openedai.contract.engine import Generator
from openedai.contract.generate import GenerateRequest, JsonSchema, Sampling, Text, Usage
from openedai.engines.registry import capabilities_of
from openedai.errors import Unsupported, invalid_value
from openedai.http.exchange import Exchange
from openedai.identity import Identity
from openedai.serving.call import Call
from openedai.serving.embedding import Embedding, numbers, rows
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.generation import Generation
from openedai.serving.grading.graders import (
    Grader,
    LabelModel,
    Multi,
    ScoreModel,
    Single,
    StringCheck,
    TextSimilarity,
    Turn,
    models_of,
)
from openedai.serving.grading.similarity import MAX_LENGTH, METRICS
from openedai.serving.grading.templates import UnknownVariable
from openedai.serving.outcome import fold

COSINE = "cosine"
_LABEL_TOKENS = 1024
_SYSTEM = ("system", "developer")


class Ungraded(Exception):
    """No grade could be given; the argument is the name of the reason in the API."""


@dataclass
class Grade:
    """`scores` are the grades of the parts of a `Multi`. `failure` is why there is no grade, in the
    API's words. `usage` is by the ids of the models that graded, in their order.
    """

    reward: float = 0.0
    failure: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)

    def add_usage(self, model: str, usage: Usage) -> None:
        before = self.usage.get(model, Usage())
        self.usage[model] = Usage(
            prompt_tokens=before.prompt_tokens + usage.prompt_tokens,
            completion_tokens=before.completion_tokens + usage.completion_tokens,
            cached_tokens=before.cached_tokens + usage.cached_tokens,
        )


class Grading:
    def __init__(
        self, catalog: Catalog, tuned: TunedModels, generation: Generation, embedding: Embedding
    ) -> None:
        self._catalog = catalog
        self._tuned = tuned
        self._generation = generation
        self._embedding = embedding

    async def check(self, identity: Identity, grader: Grader) -> None:
        """Raises ModelNotFound and Unsupported for models that cannot grade."""
        for name in models_of(grader):
            await self._model(identity, name)
        parts = grader.graders.values() if isinstance(grader, Multi) else (grader,)
        if any(isinstance(one, TextSimilarity) and one.metric == COSINE for one in parts):
            self._embedding_model()

    async def run(self, grader: Grader, sample: str, item: Any, exchange: Exchange) -> Grade:
        """Grade the answer `sample` of a model to `item`. Raises what the models that grade do."""
        await self.check(exchange.identity, grader)
        variables = {"item": item, "sample": await asyncio.to_thread(_sample, sample)}
        grade = Grade()
        try:
            if isinstance(grader, Multi):
                for name, one in grader.graders.items():
                    grade.scores[name] = await self._score(one, variables, exchange, grade)
                grade.reward = _combined(grader, grade.scores)
            else:
                grade.reward = await self._score(grader, variables, exchange, grade)
        except Ungraded as failure:
            grade.failure = str(failure)
        except UnknownVariable as unknown:
            lacks_json = unknown.args[0][:2] == ("sample", "output_json")
            lacks_json = lacks_json and "output_json" not in variables["sample"]
            grade.failure = "sample_parse_error" if lacks_json else "invalid_variable_error"
        return grade

    async def _score(
        self, grader: Single, variables: Mapping[str, Any], exchange: Exchange, grade: Grade
    ) -> float:
        match grader:
            case StringCheck():
                text, reference = grader.input.fill(variables), grader.reference.fill(variables)
                return float(_checked(grader.operation, text, reference))
            case TextSimilarity():
                text, reference = grader.input.fill(variables), grader.reference.fill(variables)
                if grader.metric == COSINE:
                    return await self._cosine(text, reference, exchange)
                if max(len(text), len(reference)) > MAX_LENGTH:
                    raise invalid_value("grader", f"a text has over {MAX_LENGTH} characters")
                return await asyncio.to_thread(METRICS[grader.metric], text, reference)
            case ScoreModel() | LabelModel():
                return await self._by_model(grader, variables, exchange, grade)

    async def _cosine(self, text: str, reference: str, exchange: Exchange) -> float:
        if not text or not reference:
            return float(text == reference)
        call = Call(None, self._embedding_model(), copy(exchange))
        request = EmbedRequest(inputs=(Text(text=text), Text(text=reference)))
        first, second = map(numbers, rows(await self._embedding.run(call, request)))
        lengths = math.hypot(*first) * math.hypot(*second)
        return sum(map(mul, first, second)) / lengths if lengths else 0.0

    async def _by_model(
        self,
        grader: ScoreModel | LabelModel,
        variables: Mapping[str, Any],
        exchange: Exchange,
        grade: Grade,
    ) -> float:
        model = await self._model(exchange.identity, grader.model)
        call = Call(None, model, copy(exchange))
        events = self._generation.run(call, [_request(grader, variables)])
        (outcome,) = await fold(events, 1)
        grade.add_usage(model.id, outcome.finish.usage)
        result = _result(outcome.text)
        if isinstance(grader, ScoreModel):
            if isinstance(result, bool) or not isinstance(result, int | float):
                raise Ungraded("model_grader_parse_error")
            if not grader.low <= result <= grader.high:
                raise Ungraded("model_grader_parse_error")
            return float(result)
        if result not in grader.labels:
            raise Ungraded("model_grader_parse_error")
        return float(result in grader.passing)

    async def _model(self, identity: Identity, name: str) -> Model:
        await self._tuned.prepare(identity.project, name)
        model = self._catalog.resolve_for(identity, name)
        if Generator not in capabilities_of(model.spec.engine, model.spec.options):
            raise Unsupported(
                f"The model `{name}` cannot grade: it does not generate text.",
                code="unsupported_model",
                param="grader.model",
            )
        return model

    def _embedding_model(self) -> Model:
        model = self._catalog.default(EMBEDDING)
        if model is None:
            raise Unsupported(
                f"This server has no model for embeddings, which `{COSINE}` needs.",
                code="unsupported_model",
                param="grader.evaluation_metric",
            )
        return model


def _sample(text: str) -> dict[str, Any]:
    """The variables of an answer: `output_json` if it is JSON."""
    try:
        return {"output_text": text, "output_json": read_json(text)}
    except ValueError:
        return {"output_text": text}


def _checked(operation: str, text: str, reference: str) -> bool:
    match operation:
        case "eq":
            return text == reference
        case "ne":
            return text != reference
        case "like":
            return reference in text
    return reference.casefold() in text.casefold()


def _combined(grader: Multi, scores: Mapping[str, float]) -> float:
    try:
        return grader.formula.value(scores)
    except (ArithmeticError, ValueError):
        raise Ungraded("other_error") from None


def _request(grader: ScoreModel | LabelModel, variables: Mapping[str, Any]) -> GenerateRequest:
    """The conversation, preceded by what the answer has to be, which is also enforced."""
    if isinstance(grader, ScoreModel):
        rule = f"a number from {grader.low:g} to {grader.high:g}"
        result = {"type": "number", "minimum": grader.low, "maximum": grader.high}
        sampling, limit, effort = grader.sampling, grader.max_tokens, grader.reasoning_effort
    else:
        rule = f"one of these labels: {', '.join(grader.labels)}"
        result = {"enum": list(grader.labels)}
        sampling, limit, effort = Sampling(temperature=0.0), _LABEL_TOKENS, None
    instruction = f"Answer with a JSON object whose `result` is {rule}."
    schema = {
        "type": "object",
        "properties": {"result": result},
        "required": ["result"],
        "additionalProperties": False,
    }
    return GenerateRequest(
        prompt=Chat(
            messages=_messages(grader.turns, variables, instruction), reasoning_effort=effort
        ),
        sampling=sampling,
        max_tokens=limit,
        constraint=JsonSchema(schema=schema),
        streamed=False,
    )


def _messages(
    turns: tuple[Turn, ...], variables: Mapping[str, Any], instruction: str
) -> tuple[Message, ...]:
    messages = [
        Message(
            role="system" if turn.role in _SYSTEM else turn.role,
            content=turn.content.fill(variables),
        )
        for turn in turns
    ]
    if messages[0].role == "system":
        instruction = f"{messages.pop(0).content}\n\n{instruction}"
    return (Message(role="system", content=instruction), *messages)


def _result(text: str) -> Any:
    """The `result` in an answer; None if there is none."""
    try:
        answer = read_json(text)
    except ValueError:
        return None
    return answer.get("result") if isinstance(answer, dict) else None
