"""Embeddings: turns a call's texts into vectors."""

from __future__ import annotations

import struct
from typing import Any

from msgspec.structs import replace

from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Embedder
from openedai.contract.generate import Usage
from openedai.engines.registry import engine_entry
from openedai.serving.call import Call
from openedai.serving.leases import Leases
from openedai.serving.usage.kinds import EMBEDDINGS

_FLOAT_BYTES = 4


class Embedding:
    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    async def run(self, call: Call[Any], request: EmbedRequest) -> EmbedResult:
        """One vector for each input. Raises as `Leases.lease` and the engine do."""
        async with self._leases.lease(call, Embedder, engine_request=request) as engine:
            use = call.use(EMBEDDINGS)
            result = await engine.embed(replace(request, variant=call.model.variant))
        use.add(Usage(prompt_tokens=result.prompt_tokens))
        return result


def input_type_of(call: Call[Any], purpose: str) -> str | None:
    """What the model is told about the purpose of the texts; None for a model on another server,
    because the official API has no such parameter.
    """
    return None if engine_entry(call.spec.engine).speaks_official_api else purpose


def rows(result: EmbedResult) -> list[bytes]:
    """The bytes of each vector: little-endian float32."""
    size = result.dimensions * _FLOAT_BYTES
    return [result.data[start : start + size] for start in range(0, len(result.data), size)]


def numbers(row: bytes) -> list[float]:
    """A vector of `rows` as numbers."""
    return list(struct.unpack(f"<{len(row) // _FLOAT_BYTES}f", row))
