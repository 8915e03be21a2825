"""Embeddings by llama.cpp: from a GGUF file with an encoder, or with a decoder that was trained for
it.

The pooling is the one that the file names; for an encoder without one it is the mean.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from msgspec import Meta, field

from openedai.contract.generate import Text, Tokens
from openedai.engines.embedding.batching import (
    BatchedEmbedder,
    Row,
    encodable,
    invalid_token,
    normalised,
    wrap_tokens,
)
from openedai.engines.embedding.prompts import Prompts
from openedai.engines.free_cores import FreeCores
from openedai.engines.llama_cpp.native.words import Vocabulary
from openedai.engines.llama_cpp.options import STACK_SIZE
from openedai.engines.llama_cpp.pooled.loading import (
    PooledOptions,
    header_of,
    load_pooled,
    open_context,
)
from openedai.engines.llama_cpp.pooled.pooled_model import MAX_SEQUENCES, PooledModel, Pooling
from openedai.engines.machine import usable_cores
from openedai.engines.options import parse_options
from openedai.errors import EngineFailed
from openedai.gguf.header import Header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_POOLINGS = {"mean": Pooling.MEAN, "cls": Pooling.CLS, "last": Pooling.LAST}
# The most characters of a text that are tokenised, per token of the limit.
_CHARACTERS_PER_TOKEN = 32


class LlamaEmbedderOptions(PooledOptions, frozen=True, forbid_unknown_fields=True):
    """The options of one model, besides those of all pooled ones.

    `pooling` replaces that of the file. `prompts` are texts before an input by its type;
    `default_prompt` is the type of inputs without one. `cache` is MiB of recent vectors.
    """

    pooling: Literal["mean", "cls", "last"] | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    cache: Annotated[int, Meta(ge=0, le=1 << 20)] = 32


class LlamaCppEmbedder(BatchedEmbedder):
    """One loaded model. Made by `load`."""

    def __init__(self, name: str, model: PooledModel, options: LlamaEmbedderOptions) -> None:
        super().__init__(
            name, model.outputs, options.batch, options.cache << 20, MAX_SEQUENCES, padded=False
        )
        self._model = model
        self._inputs = Inputs(model.vocabulary, options.limit(model))
        default = options.prompts.get(options.default_prompt or "", "")
        self._prompts = Prompts(options.prompts, default)
        # The threads of `prepare`: none is running when the memory is freed.
        self._tokenising = threading.Lock()
        self._free = None if options.threads else FreeCores(usable_cores())

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        known = parse_options(LlamaEmbedderOptions, model, options)
        threading.stack_size(STACK_SIZE)
        loaded = await asyncio.to_thread(_load, model, path, known)
        return cls(model, loaded, known)

    def prepare(self, inputs: Sequence[Text | Tokens], input_type: str | None) -> list[Row]:
        prompt = self._prompts.of(input_type)
        with self._tokenising:
            if self._closed:
                raise self._unloaded()
            return [self._inputs.row(one, prompt) for one in inputs]

    def compute(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        import numpy as np

        if self._free is not None:
            self._model.set_threads(self._free.count())
        tokens = [row.content for row in rows if not isinstance(row.content, str)]
        vectors = normalised(np.array(self._model.compute(tokens), np.float32))
        if not np.isfinite(vectors).all():
            raise EngineFailed(f"The vectors of the model `{self.model}` are not finite.")
        return vectors

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self._free_model)

    def _free_model(self) -> None:
        with self._tokenising:
            self._model.close()


class Inputs:
    """Turns inputs into the tokens that the model reads: at most `limit`, special ones included."""

    def __init__(self, vocabulary: Vocabulary, limit: int) -> None:
        self._vocabulary = vocabulary
        self._limit = limit
        self._probe = vocabulary.tokenize("a")
        body = vocabulary.tokenize("a", False)
        start = next(
            (at for at in range(len(self._probe)) if self._probe[at : at + len(body)] == body), 0
        )
        end = start + len(body)
        self._special = [int(not start <= at < end) for at in range(len(self._probe))]

    def row(self, one: Text | Tokens, prompt: str) -> Row:
        """Raises InvalidRequest for a token that does not exist."""
        match one:
            case Text(text=text):
                start = encodable(prompt + text)[: _CHARACTERS_PER_TOKEN * self._limit]
                ids: Sequence[int] = self._vocabulary.tokenize(start, False)
            case Tokens(ids=ids):
                size = self._vocabulary.size
                for token in ids:
                    if not 0 <= token < size:
                        raise invalid_token(token, size)
        wrapped = wrap_tokens(ids, self._probe, self._special, self._limit, from_left=False)
        return Row(wrapped, len(wrapped))


def pooling_of(name: str, header: Header, chosen: str | None) -> Pooling:
    """The pooling. Raises EngineFailed if the file names none and the model is not an encoder."""
    if chosen is not None:
        return _POOLINGS[chosen]
    integers = header.metadata.integers
    family = header.metadata.strings.get("general.architecture", "")
    named = integers.get(f"{family}.pooling_type")
    if named is not None and named.value in list(_POOLINGS.values()):
        return Pooling(named.value)
    if named is None and "bert" in family:
        return Pooling.MEAN
    raise EngineFailed(
        f"The model `{name}` is no embedding model: its weights name no pooling. The option "
        "`pooling` can say which one it was trained with."
    )


def _load(name: str, path: Path, options: LlamaEmbedderOptions) -> PooledModel:
    """Blocking. Raises EngineFailed."""
    pooling = pooling_of(name, header_of(name, path), options.pooling)
    model = load_pooled(name, path, options, pooling)
    try:
        open_context(model, options)
    except BaseException:
        model.close()
        raise
    return model
