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
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec
from msgspec import Meta

from openedai.contract.engine import Reranker
from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.engines.embedding.batching import BatchedRows, Row
from openedai.engines.free_cores import FreeCores
from openedai.engines.llama_cpp.library_choice import choose_library
from openedai.engines.llama_cpp.native.pooled import MAX_SEQUENCES, PooledModel, Pooling
from openedai.engines.llama_cpp.options import STACK_SIZE, LlamaOptions
from openedai.engines.llama_cpp.reranking.pairs import PairFormat
from openedai.engines.machine import usable_cores
from openedai.engines.options import parse_options
from openedai.errors import EngineFailed
from openedai.gguf.header import read_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HEADS = ("cls.weight", "cls.output.weight")
# Their outputs are probabilities.
_ANSWER_YES_OR_NO = ("qwen3.", "qwen3vl.")
_MARGIN = 1e-9  # the nearest to 0 and 1 of such a probability


class LlamaRerankerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model.

    `context` is the most tokens of a query and a document together; what the model was trained for
    if that is less. `batch` is the number of tokens that run together. `library` and `pulled` are
    as in `LlamaOptions`.
    """

    context: Annotated[int, Meta(ge=16, le=1 << 16)] = 2048
    threads: Annotated[int, Meta(ge=1, le=512)] | None = None
    batch: Annotated[int, Meta(ge=1, le=1 << 16)] = 512
    gpu_layers: Annotated[int, Meta(ge=-1, lt=1 << 31)] = -1
    library: str = "auto"
    pulled: str | None = None


class LlamaCppReranker(BatchedRows, Reranker):
    """One loaded model. Made by `load`."""

    def __init__(
        self,
        name: str,
        model: PooledModel,
        options: LlamaRerankerOptions,
        *,
        probabilities: bool,
    ) -> None:
        """`probabilities`: the outputs of the model are those of yes and no."""
        super().__init__(name, 1, options.batch, MAX_SEQUENCES, padded=False)
        self._model = model
        self._pairs = PairFormat(model, min(options.context, model.trained_length))
        self._probabilities = probabilities
        # What uses the model's memory outside of the batches; it ends before the memory is freed.
        self._tokenising = ThreadPoolExecutor(1, thread_name_prefix="pairs")
        self._free = None if options.threads else FreeCores(usable_cores())

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        known = parse_options(LlamaRerankerOptions, model, options)
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
    try:
        header = read_header(path)
    except (OSError, ValueError) as error:
        raise EngineFailed(f"The weights of the model `{name}` cannot be read: {error}.") from error
    if not any(tensor.name in _HEADS for tensor in header.tensors):
        raise EngineFailed(f"The model `{name}` is no reranker: its weights have no classifier.")
    return any(key.startswith(_ANSWER_YES_OR_NO) for key in header.metadata.integers)


def _load(name: str, path: Path, options: LlamaRerankerOptions) -> PooledModel:
    """Blocking. Raises EngineFailed."""
    library = choose_library(LlamaOptions(library=options.library, pulled=options.pulled))
    model = PooledModel(
        library,
        name,
        path,
        Pooling.RANK,
        gpu_layers=options.gpu_layers,
        threads=options.threads or usable_cores(),
    )
    try:
        if model.outputs > 2:
            raise EngineFailed(
                f"The model `{name}` is no reranker: its classifier has {model.outputs} outputs."
            )
        model.open_context(max(options.batch, min(options.context, model.trained_length)))
    except BaseException:
        model.close()
        raise
    return model
