"""Reads an upstream's answer to a request for embeddings as the contract's result."""

from __future__ import annotations

import base64
import binascii
import math
import struct

import msgspec

from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.engines.upstream.answers.generation import UsageCounts
from openedai.engines.upstream.answers.problems import MalformedAnswer
from openedai.errors import InvalidRequest

_FLOAT_BYTES = 4


class EmbeddingItem(msgspec.Struct):
    embedding: str | list[float]
    index: int | None = None


class EmbeddingsBody(msgspec.Struct):
    data: list[EmbeddingItem]
    usage: UsageCounts | None = None


def read_embeddings(body: bytes, request: EmbedRequest) -> EmbedResult:
    """The vectors in the order of the inputs, cut to the requested dimensions.

    Raises MalformedAnswer, msgspec's errors, and InvalidRequest for too many dimensions.
    """
    answer = msgspec.json.decode(body, type=EmbeddingsBody)
    rows = {
        number if item.index is None else item.index: _vector(item.embedding)
        for number, item in enumerate(answer.data)
    }
    if sorted(rows) != list(range(len(request.inputs))):
        raise MalformedAnswer("answered with another number of embeddings than there were inputs")
    if len(answer.data) != len(rows) or len({len(row) for row in rows.values()}) != 1:
        raise MalformedAnswer("answered with embeddings that do not fit together")
    size = len(rows[0]) // _FLOAT_BYTES
    dimensions = request.dimensions or size
    if dimensions > size:
        raise InvalidRequest(
            f"Invalid value for 'dimensions': at most {size}.",
            code="invalid_value",
            param="dimensions",
        )
    ordered = (rows[number] for number in range(len(rows)))
    return EmbedResult(
        data=b"".join(
            row if dimensions == size else _shortened(row, dimensions) for row in ordered
        ),
        dimensions=dimensions,
        prompt_tokens=(answer.usage or UsageCounts()).usage().prompt_tokens,
    )


def _vector(embedding: str | list[float]) -> bytes:
    """Little-endian float32, from either of the two encodings."""
    try:
        if isinstance(embedding, list):
            row = struct.pack(f"<{len(embedding)}f", *embedding)
        else:
            row = base64.b64decode(embedding, validate=True)
    except (binascii.Error, OverflowError, ValueError):
        raise MalformedAnswer("answered with an embedding that is none") from None
    if not row or len(row) % _FLOAT_BYTES:
        raise MalformedAnswer("answered with an embedding that is none")
    return row


def _shortened(row: bytes, size: int) -> bytes:
    """Cut to `size` numbers and normalised again, for an upstream that ignores `dimensions`."""
    numbers = struct.unpack_from(f"<{size}f", row)
    length = math.hypot(*numbers) or 1.0
    return struct.pack(f"<{size}f", *(number / length for number in numbers))
