"""Reranking by llama.cpp: a GGUF file with the head of a classifier, whose pooling is `rank`.

The head has one output, the log odds of relevance, or two, of which the second means relevant. The
two of Qwen3's rerankers are the probabilities of yes and no.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from openedai.contract.engine import Reranker
from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.engines.embedding.batching import BatchedRows, Row
from openedai.engines.free_cores import FreeCores
from openedai.engines.llama_cpp.options import STACK_SIZE
from openedai.engines.llama_cpp.pooled.loading import (
    PooledOptions,
    header_of,
    load_pooled,
    open_context,
)
from openedai.engines.llama_cpp.pooled.pairs import PairFormat
from openedai.engines.llama_cpp.pooled.pooled_model import MAX_SEQUENCES, PooledModel, Pooling
from openedai.engines.machine import usable_cores
from openedai.engines.options import parse_options
from openedai.errors import EngineFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HEADS = ("cls.weight", "cls.output.weight")
# Their outputs are probabilities.
_ANSWER_YES_OR_NO = ("qwen3.", "qwen3vl.")
_MARGIN = 1e-9  # the bounds of such a probability


class LlamaCppReranker(BatchedRows, Reranker):
    """One loaded model. Made by `load`."""

    def __init__(
        self,
        name: str,
        model: PooledModel,
        options: PooledOptions,
        *,
        probabilities: bool,
    ) -> None:
        """`probabilities`: the outputs of the model are those of yes and no."""
        super().__init__(name, 1, options.batch, MAX_SEQUENCES, padded=False)
        self._model = model
        self._pairs = PairFormat(model, options.limit(model))
        self._probabilities = probabilities
        # The work outside the batches that uses the model's memory; it ends before the memory is
        # freed.
        self._tokenising = ThreadPoolExecutor(1, thread_name_prefix="pairs")
        self._free = None if options.threads else FreeCores(usable_cores())

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        known = parse_options(PooledOptions, model, options)
        threading.stack_size(STACK_SIZE)
        answers = await asyncio.to_thread(_check_header, model, path)
        loaded = await asyncio.to_thread(_load, model, path, known)
        return cls(model, loaded, known, probabilities=answers)

    async def rerank(self, request: RerankRequest) -> RerankResult:
        if self._closed:
            raise self._unloaded()
        loop = asyncio.get_running_loop()
        rows = await loop.run_in_executor(self._tokenising, self._pairs.rows, request)
        scores = await self.computed(rows)
        return RerankResult(
            scores=tuple(scores[:, 0].tolist()), prompt_tokens=sum(row.tokens for row in rows)
        )

    def compute(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        import numpy as np

        if self._free is not None:
            self._model.set_threads(self._free.count())
        tokens = [row.content for row in rows if not isinstance(row.content, str)]
        scores = [self._score(outputs) for outputs in self._model.compute(tokens)]
        return np.array(scores, np.float32)[:, None]

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self._tokenising.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._model.close)

    def _score(self, outputs: Sequence[float]) -> float:
        score = outputs[0] if len(outputs) == 1 else outputs[1] - outputs[0]
        if self._probabilities:
            yes = min(max(outputs[0], _MARGIN), 1 - _MARGIN)
            score = math.log(yes / (1 - yes))
        if not math.isfinite(score):
            raise EngineFailed(f"The scores of the model `{self.model}` are not finite.")
        return score


def _check_header(name: str, path: Path) -> bool:
    """Whether the outputs of the model are probabilities. Raises EngineFailed if it has no head."""
    header = header_of(name, path)
    if not any(tensor.name in _HEADS for tensor in header.tensors):
        raise EngineFailed(f"The model `{name}` is no reranker: its weights have no classifier.")
    return any(key.startswith(_ANSWER_YES_OR_NO) for key in header.metadata.integers)


def _load(name: str, path: Path, options: PooledOptions) -> PooledModel:
    """Blocking. Raises EngineFailed."""
    model = load_pooled(name, path, options, Pooling.RANK)
    try:
        if model.outputs > 2:
            raise EngineFailed(
                f"The model `{name}` is no reranker: its classifier has {model.outputs} outputs."
            )
        open_context(model, options)
    except BaseException:
        model.close()
        raise
    return model
