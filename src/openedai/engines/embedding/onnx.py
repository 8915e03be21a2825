"""Embeddings by ONNX Runtime and `tokenizers`, of a sentence-transformers folder. No torch.

Its options:

    device        cpu or cuda (cpu)
    threads       most threads of the computation (the cores that may be used)
    batch_tokens  tokens that run together, padding included (by threads or device)
    cache         MiB of the vectors that were computed last (32)
    moderation    name or file of a classifier that scores texts for moderation (none)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import msgspec

from openedai.contract.chat import Chat
from openedai.contract.engine import Moderator, Tokenizer
from openedai.contract.generate import Text, Tokens
from openedai.contract.moderate import ModerateRequest, ModerateResult
from openedai.engines.embedding.batching import BatchedEmbedder, Row, batch_tokens
from openedai.engines.embedding.graph import BuiltGraph, Graph, graph_file
from openedai.engines.embedding.pooling import read_head, read_json
from openedai.engines.embedding.tokenizer import TextTokenizer
from openedai.engines.free_cores import FreeCores
from openedai.engines.machine import usable_cores
from openedai.engines.moderation.adapted import OUTPUT, adapted_graph
from openedai.engines.moderation.classifier import Classifier, read_classifier
from openedai.engines.moderation.scoring import TextScorer
from openedai.engines.options import parse_options
from openedai.errors import APIError, EngineFailed, Unavailable, Unsupported

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OUTPUTS = ("last_hidden_state", "token_embeddings")


class OnnxOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model; the module's docstring explains them."""

    device: Literal["cpu", "cuda"] = "cpu"
    threads: Annotated[int, msgspec.Meta(ge=1)] | None = None
    batch_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None


class OnnxEmbeddingsOptions(OnnxOptions, frozen=True, forbid_unknown_fields=True):
    """The options of one embedding model."""

    cache: Annotated[int, msgspec.Meta(ge=0, le=1 << 20)] = 32
    moderation: str | None = None


class OnnxEmbeddings(BatchedEmbedder, Moderator, Tokenizer):
    """An ONNX graph and its tokenizer. Made by `load`."""

    def __init__(
        self,
        model: str,
        encoder: Encoder,
        batch_tokens: int,
        cache: int = 0,
        classifier: Classifier | None = None,
    ) -> None:
        padded = encoder.graph.padded
        super().__init__(model, encoder.dimensions, batch_tokens, cache, padded=padded)
        self._encoder = encoder
        self._cache = cache
        self._classifier = classifier
        self._scorer: TextScorer | None = None
        self._made_once = asyncio.Lock()
        # Tokenising one long text takes hundreds of megabytes.
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        known = parse_options(OnnxEmbeddingsOptions, model, options)
        threads = known.threads or usable_cores()
        try:
            encoder = await asyncio.to_thread(Encoder, path, known.device, threads)
            classifier = read_classifier(known.moderation) if known.moderation else None
        except APIError as error:
            error.template = f"The model `{model}` cannot be loaded. {error.template}"
            raise
        tokens = known.batch_tokens or batch_tokens(known.device, threads)
        return cls(model, encoder, tokens, known.cache << 20, classifier)

    def prepare(self, inputs: Sequence[Text | Tokens], input_type: str | None) -> list[Row]:
        return [Row(ids, len(ids)) for ids in self._encoder.tokenizer.encode(inputs, input_type)]

    async def moderate(self, request: ModerateRequest) -> ModerateResult:
        async with self._made_once:
            if self._scorer is None:
                self._scorer = await self._new_scorer()
        return await self._scorer.moderate(request)

    async def _new_scorer(self) -> TextScorer:
        """Made for the first text only, because it takes about as much memory as the encoder."""
        if self._closed:
            raise self._unloaded()
        if self._classifier is None:
            raise EngineFailed(f"The model `{self.model}` has no classifier for moderation.")
        graph = await asyncio.to_thread(self._encoder.adapted, self._classifier.tensors)
        return TextScorer(
            self.model,
            graph,
            self._encoder.tokenizer,
            self._classifier.thresholds,
            self._queue.max_tokens,
            self._cache,
        )

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        async with self._one_at_a_time:
            return tuple(await asyncio.to_thread(self._encoder.tokenizer.ids, text, special))

    async def detokenize(self, ids: Sequence[int]) -> str:
        return await asyncio.to_thread(self._encoder.tokenizer.text, ids)

    async def count(self, chat: Chat) -> int:
        raise Unsupported(
            f"The model `{self.model}` does not support conversations.",
            code="unsupported_model",
            param="model",
        )

    def compute(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        return self._encoder.run([row.content for row in rows if not isinstance(row.content, str)])

    async def close(self) -> None:
        await super().close()
        async with self._made_once:
            if self._scorer is not None:
                await self._scorer.close()
        self._encoder.close()


class Encoder:
    """The model itself: token ids to vectors. Blocking; `run` must be called from one thread."""

    def __init__(
        self, folder: Path, device: str, threads: int, free: FreeCores | None = None
    ) -> None:
        """`threads` and `free` are as in `Graph`."""
        self.head = read_head(folder)
        config = read_json(self.head.encoder / "config.json")
        self.tokenizer = TextTokenizer(self.head, config)
        file, padding = graph_file(self.head.encoder, folder), config.get("pad_token_id") or 0
        self._file, self._settings = file, (device, threads, OUTPUTS, padding, free)
        self.graph = Graph(file, *self._settings)
        # A first run also checks that the files fit together.
        self.dimensions = self.run(self.tokenizer.encode([Text(text="a")])).shape[1]

    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """The vectors of the rows: [len(rows), dimensions]."""
        return self.graph.run([Row(row, len(row)) for row in rows], self._vectors)

    def adapted(self, trained: Mapping[str, NDArray[np.float32]]) -> Graph:
        """A graph of the encoder with what was trained for it. Raises Unavailable and
        EngineFailed.
        """
        device, threads, _, padding, free = self._settings
        built = BuiltGraph(adapted_graph(self._file, trained), self._file.parent)
        return Graph(built, device, threads, (OUTPUT,), padding, free)

    def close(self) -> None:
        """End the threads. `run` must not be called again."""
        self.graph.close()

    def _vectors(self, states: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        import numpy as np

        if states.ndim != 3:
            raise Unavailable(
                f"The output `{self.graph.output}` of its ONNX graph is not by token."
            )
        return self.head(states.astype(np.float32, copy=False), lengths)
