"""Moderation by an upstream: the request to its `/v1/moderations`, and what it answers."""

from __future__ import annotations

import base64
import math

import msgspec

from openedai.contract.moderate import (
    CATEGORIES,
    Assessment,
    ModerateRequest,
    ModerateResult,
)
from openedai.engines.remote.connection import RemoteRequest
from openedai.engines.upstream.answers.generation import UsageCounts
from openedai.engines.upstream.answers.problems import MalformedAnswer
from openedai.errors import InvalidRequest
from openedai.images.bad_image import BadImage
from openedai.images.formats import media_type


class ModeratedInput(msgspec.Struct):
    categories: dict[str, bool | None]
    category_scores: dict[str, float | None]
    category_applied_input_types: dict[str, tuple[str, ...]] | None = None


class ModerationBody(msgspec.Struct):
    results: list[ModeratedInput]
    usage: UsageCounts | None = None


def moderation_request(request: ModerateRequest, model: str) -> RemoteRequest:
    """The request to `model`, the upstream's name."""
    texts = [text.text for text in request.inputs]
    return RemoteRequest("moderations", {"model": model, "input": texts}, "input")


def image_moderation_request(image: bytes, model: str) -> RemoteRequest:
    """The same for an image file. Raises InvalidRequest for a file that is not an image."""
    try:
        url = f"data:{media_type(image)};base64,{base64.b64encode(image).decode()}"
    except BadImage as error:
        raise InvalidRequest(error.message, code=error.code, param="input") from error
    part = {"type": "image_url", "image_url": {"url": url}}
    return RemoteRequest("moderations", {"model": model, "input": [part]}, "input")


def read_moderation(body: bytes, inputs: int) -> ModerateResult:
    """The assessments of the inputs. Raises MalformedAnswer, and msgspec's errors."""
    answer = msgspec.json.decode(body, type=ModerationBody)
    if len(answer.results) != inputs:
        raise MalformedAnswer("answered with other results than one for each input")
    return ModerateResult(
        assessments=tuple(map(_assessment, answer.results)),
        prompt_tokens=max(0, (answer.usage and answer.usage.prompt_tokens) or 0),
    )


def _assessment(result: ModeratedInput) -> Assessment:
    applied = result.category_applied_input_types
    scores = {
        name: score
        for name in CATEGORIES
        if (score := result.category_scores.get(name)) is not None
        and (applied is None or applied.get(name))
    }
    if not all(math.isfinite(score) and 0 <= score <= 1 for score in scores.values()):
        raise MalformedAnswer("answered with a score that is no probability")
    flagged = tuple(name for name in scores if result.categories.get(name))
    return Assessment(scores=scores, flagged=flagged)
