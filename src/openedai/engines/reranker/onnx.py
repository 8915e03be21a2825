"""Reranking by ONNX Runtime and `tokenizers`, with a cross-encoder: no torch.

A cross-encoder is a sequence classifier that reads a query and a document together. It has one
label, whose logit is the score, or two, the second of which means relevant. The options are those
of the ONNX engine for embeddings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from openedai.contract.engine import Reranker
from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.engines.embedding.batching import BatchedRows, Row, batch_tokens
from openedai.engines.embedding.graph import Graph, graph_file
from openedai.engines.embedding.onnx import OnnxOptions
from openedai.engines.embedding.pooling import read_json
from openedai.engines.free_cores import FreeCores
from openedai.engines.machine import usable_cores
from openedai.engines.options import parse_options
from openedai.engines.reranker.pairs import PairTokenizer
from openedai.errors import APIError, EngineFailed, Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OUTPUTS = ("logits",)


class OnnxReranker(BatchedRows, Reranker):
    """A cross-encoder's graph and its tokenizer. Made by `load`."""

    def __init__(self, model: str, encoder: CrossEncoder, batch_tokens: int) -> None:
        super().__init__(model, 1, batch_tokens, padded=encoder.graph.padded)
        self._encoder = encoder

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        known = parse_options(OnnxOptions, model, options)
        threads = known.threads or usable_cores()
        try:
            encoder = await asyncio.to_thread(CrossEncoder, path, known.device, threads)
        except APIError as error:
            error.template = f"The model `{model}` cannot be loaded. {error.template}"
            raise
        return cls(model, encoder, known.batch_tokens or batch_tokens(known.device, threads))

    async def rerank(self, request: RerankRequest) -> RerankResult:
        rows = await asyncio.to_thread(self._encoder.tokenizer.rows, request)
        scores = await self.computed(rows)
        return RerankResult(
            scores=tuple(scores[:, 0].tolist()), prompt_tokens=sum(row.tokens for row in rows)
        )

    def compute(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        return self._encoder.run(rows)

    async def close(self) -> None:
        await super().close()
        self._encoder.close()


class CrossEncoder:
    """The model itself: pairs to scores. Blocking; `run` must be called from one thread."""

    def __init__(
        self, folder: Path, device: str, threads: int, free: FreeCores | None = None
    ) -> None:
        """`threads` and `free` are as in `Graph`."""
        config = read_json(folder / "config.json")
        self.tokenizer = PairTokenizer(folder, config)
        padding = config.get("pad_token_id") or 0
        self.graph = Graph(graph_file(folder), device, threads, OUTPUTS, padding, free)
        # A first run also checks that the files fit together.
        self.run(self.tokenizer.rows(RerankRequest(queries=("a",), documents=("a",))))

    def run(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """The log odds of the rows: [len(rows), 1]."""
        return self.graph.run(rows, self._scores)

    def close(self) -> None:
        """End the threads. `run` must not be called again."""
        self.graph.close()

    def _scores(self, logits: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        import numpy as np

        if logits.ndim == 1:
            logits = logits[:, None]
        if logits.ndim != 2 or logits.shape[1] > 2:
            found = " x ".join(map(str, logits.shape[1:]))
            raise Unavailable(
                f"The output `{self.graph.output}` of its ONNX graph is not a reranker's: it has "
                f"{found} numbers for each text, not 1 or 2."
            )
        scores = logits[:, -1:].astype(np.float32)
        if logits.shape[1] == 2:
            scores = scores - logits[:, :1].astype(np.float32)
        if not np.isfinite(scores).all():
            raise EngineFailed("The model's scores are not finite.")
        return np.asarray(scores)
