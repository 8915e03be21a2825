"""The answer of an upstream to a request for embeddings, as the contract's."""

from __future__ import annotations

import base64
import binascii
import math
import struct

import msgspec

from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.engines.upstream.answers.generation import Broken, Counts
from openedai.errors import InvalidRequest

_FLOAT_BYTES = 4


class Row(msgspec.Struct):
    embedding: str | list[float]
    index: int | None = None


class Answer(msgspec.Struct):
    data: list[Row]
    usage: Counts | None = None


def read_embeddings(body: bytes, request: EmbedRequest) -> EmbedResult:
    """The vectors in the order of the inputs. Raises Broken, msgspec's errors, InvalidRequest."""
    answer = msgspec.json.decode(body, type=Answer)
    rows = {
        number if row.index is None else row.index: _vector(row.embedding)
        for number, row in enumerate(answer.data)
    }
    if sorted(rows) != list(range(len(request.inputs))):
        raise Broken("answered with another number of embeddings than there were inputs")
    if len(answer.data) != len(rows) or len({len(row) for row in rows.values()}) != 1:
        raise Broken("answered with embeddings that do not fit together")
    size = len(rows[0]) // _FLOAT_BYTES
    wanted = request.dimensions or size
    if wanted > size:
        raise InvalidRequest(
            f"Invalid value for 'dimensions': at most {size}.",
            code="invalid_value",
            param="dimensions",
        )
    ordered = (rows[number] for number in range(len(rows)))
    return EmbedResult(
        data=b"".join(row if wanted == size else _shortened(row, wanted) for row in ordered),
        dimensions=wanted,
        prompt_tokens=(answer.usage or Counts()).usage().prompt_tokens,
    )


def _vector(embedding: str | list[float]) -> bytes:
    """Little-endian float32, from either of the two encodings."""
    try:
        if isinstance(embedding, list):
            row = struct.pack(f"<{len(embedding)}f", *embedding)
        else:
            row = base64.b64decode(embedding, validate=True)
    except (binascii.Error, OverflowError, ValueError):
        raise Broken("answered with an embedding that is none") from None
    if not row or len(row) % _FLOAT_BYTES:
        raise Broken("answered with an embedding that is none")
    return row


def _shortened(row: bytes, size: int) -> bytes:
    """Cut and normalised again, where the upstream paid no heed to `dimensions`."""
    numbers = struct.unpack_from(f"<{size}f", row)
    length = math.hypot(*numbers) or 1.0
    return struct.pack(f"<{size}f", *(number / length for number in numbers))
