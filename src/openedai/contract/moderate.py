"""Moderation: requests and their results."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.contract.generate import Text
from openedai.contract.struct import Struct

# The official categories, in the order of the API's answers.
CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


class ModerateRequest(Struct, frozen=True):
    """A request for the scores of each input. `variant` and `extra` are as in `GenerateRequest`."""

    inputs: tuple[Text, ...]
    variant: str | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class ModerateImagesRequest(Struct, frozen=True):
    """A request for the scores of each image, a complete file. `variant` is as above."""

    images: tuple[bytes, ...]
    variant: str | None = None


class Assessment(Struct, frozen=True):
    """The scores of one input, from 0 to 1, for those of CATEGORIES that the model knows.

    `flagged` are the categories that the model flags by itself.
    """

    scores: dict[str, float]
    flagged: tuple[str, ...] = ()


class ModerateResult(Struct, frozen=True, tag="moderate_result"):
    """The assessments of the inputs, in their order, and the number of tokens that were read."""

    assessments: tuple[Assessment, ...]
    prompt_tokens: int
