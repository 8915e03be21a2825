"""Embeddings: a request, and its vectors."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.contract.generate import Text, Tokens
from openedai.contract.struct import Struct


class EmbedRequest(Struct, frozen=True):
    """`dimensions` asks for shorter vectors: cut, then normalised again. `variant` and `extra` are
    as in `GenerateRequest`.
    """

    inputs: tuple[Text | Tokens, ...]
    dimensions: int | None = None
    variant: str | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class EmbedResult(Struct, frozen=True):
    """`data` holds the vectors one after the other: little-endian float32, one row an input."""

    data: bytes
    dimensions: int
    prompt_tokens: int
