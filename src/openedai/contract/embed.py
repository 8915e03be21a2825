"""Embeddings: requests and their results."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.contract.generate import Text, Tokens
from openedai.contract.struct import Struct


class EmbedRequest(Struct, frozen=True):
    """A request for one vector per input.

    `dimensions` is the length of the vectors: longer ones are truncated and normalised again. None
    is the model's own length. `input_type` is what the texts are, such as "query" or "document",
    for a model that was trained with a prompt for it. `variant` and `extra` are as in
    `GenerateRequest`.
    """

    inputs: tuple[Text | Tokens, ...]
    dimensions: int | None = None
    input_type: str | None = None
    variant: str | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class EmbedResult(Struct, frozen=True, tag="embed_result"):
    """The vectors, and the number of tokens in all inputs together.

    `data` is a matrix of little-endian float32 in row-major order, of shape (inputs, dimensions).
    """

    data: bytes
    dimensions: int
    prompt_tokens: int
