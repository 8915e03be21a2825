"""A model whose output for each sequence is pooled: a few numbers, not logits of tokens."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_float
from enum import IntEnum
from pathlib import Path

from openedai.engines.llama_cpp.native.batch import TokenBatch
from openedai.engines.llama_cpp.native.library import Library
from openedai.engines.llama_cpp.native.words import Vocabulary
from openedai.errors import EngineFailed

MAX_SEQUENCES = 64
# Bytes of the scores of attention, without flash attention.
_MOST_ATTENTION = 256 << 20
_FLASH, _NO_FLASH = -1, 0  # where it is possible, or nowhere


class Pooling(IntEnum):
    """How llama.cpp makes one output from a sequence's tokens."""

    MEAN = 1
    CLS = 2
    LAST = 3
    RANK = 4


class PooledModel:
    """The weights, and a context for one batch at a time. Blocking.

    Only one thread at a time may use it; `vocabulary` is free of that. A batch has at most
    `batch_tokens` tokens in MAX_SEQUENCES sequences. `trained_length` is the longest sequence that
    the model was trained for.
    """

    def __init__(
        self,
        library: Library,
        name: str,
        path: Path,
        pooling: Pooling,
        *,
        gpu_layers: int,
        threads: int,
    ) -> None:
        """Call `open_context` before the first batch. Raises EngineFailed."""
        self.library = library
        self._c = library.c
        self._name = name
        self._pooling = pooling
        self._threads = threads
        self._gpu_layers = gpu_layers
        self._context: int | None = None
        self._batch: TokenBatch | None = None
        parameters = self._c.llama_model_default_params()
        parameters.n_gpu_layers = gpu_layers
        library.errors.clear()
        self._model: int | None = self._c.llama_model_load_from_file(bytes(path), parameters)
        if not self._model:
            raise self._not_loaded(path)
        self.vocabulary = Vocabulary(library, self._model)
        self.trained_length = int(self._c.llama_model_n_ctx_train(self._model))
        count = self._c.llama_model_n_embd_out
        if pooling == Pooling.RANK:
            count = self._c.llama_model_n_cls_out
        self.outputs = int(count(self._model))

    def open_context(self, batch_tokens: int) -> None:
        """Make room for batches of this many tokens. Raises EngineFailed."""
        parameters = self._c.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = batch_tokens
        parameters.n_seq_max = MAX_SEQUENCES
        parameters.n_outputs_max = max(batch_tokens, MAX_SEQUENCES)
        parameters.n_outputs_max_per_seq = 0
        parameters.n_threads = parameters.n_threads_batch = self._threads
        parameters.flash_attn_type = self._attention(batch_tokens)
        parameters.pooling_type = self._pooling
        parameters.embeddings = True
        parameters.kv_unified = True
        self.library.errors.clear()
        self._context = self._c.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise EngineFailed(
                f"The model `{self._name}` cannot be loaded: {self.library.failure()}."
            )
        self._batch = TokenBatch(batch_tokens)

    def template(self, name: str) -> str:
        """A named template in the weights; empty if there is none."""
        found: bytes | None = self._c.llama_model_chat_template(self._model, name.encode())
        return "" if found is None else found.decode("utf-8", "replace")

    def separator(self) -> int | None:
        """The token between two texts, and after them if the vocabulary has no other end of
        text.
        """
        pointer = self.vocabulary.pointer
        found = int(self._c.llama_vocab_sep(pointer))
        return found if found >= 0 and self._c.llama_vocab_get_add_sep(pointer) else None

    def set_threads(self, count: int) -> None:
        self._c.llama_set_n_threads(self._context, count, count)

    def compute(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """The `outputs` numbers of each sequence. Raises EngineFailed."""
        assert self._batch is not None
        self._batch.clear()
        for slot, tokens in enumerate(sequences):
            self._batch.add(slot, tokens, 0, every_output=True, last_output=True)
        if memory := self._c.llama_get_memory(self._context):
            self._c.llama_memory_clear(memory, False)
        status: int = self._c.llama_decode(self._context, self._batch.value)
        if status != 0:
            raise EngineFailed(
                f"The engine of model `{self._name}` failed to compute a batch ({status})."
            )
        return [self._output(slot) for slot in range(len(sequences))]

    def close(self) -> None:
        """Free all memory. May be called several times."""
        if self._context:
            self._c.llama_free(self._context)
        if self._model:
            self._c.llama_model_free(self._model)
        self._context = self._model = None

    def _attention(self, batch_tokens: int) -> int:
        """Use flash attention only if the scores of all pairs of tokens would take too much memory:
        it is less exact, so that a sequence's output depends on the other sequences in the batch.
        """
        scores = 4 * self._c.llama_model_n_head(self._model) * batch_tokens**2
        gpu = self._gpu_layers != 0 and self._c.llama_supports_gpu_offload()
        return _NO_FLASH if scores <= _MOST_ATTENTION and not gpu else _FLASH

    def _output(self, slot: int) -> list[float]:
        address: int | None = self._c.llama_get_embeddings_seq(self._context, slot)
        if address is None:
            raise EngineFailed(f"The model `{self._name}` gave no output for a sequence.")
        return ctypes.cast(address, POINTER(c_float))[: self.outputs]

    def _not_loaded(self, path: Path) -> EngineFailed:
        return EngineFailed(
            f"The model `{self._name}` could not be loaded from '{path.name}': "
            f"{self.library.failure()}."
        )
