"""A context in which many sequences continue one beginning and share what they have in common.

It has one cache for all sequences, so that a token may be in several of them. The cache of a
model's own context has a part for each slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import POINTER, byref, c_char, c_int8, c_int32, cast, sizeof
from dataclasses import dataclass

from openedai.engines.llama_cpp.native.library import Batch
from openedai.engines.llama_cpp.native.model import FLASH, NO_FLASH, Model
from openedai.engines.llama_cpp.native.state import with_values
from openedai.errors import EngineFailed
from openedai.gguf.header import round_up

BEGINNING = 0  # the sequence that consists of the beginning only
MAX_SEQUENCES = 64
# The logits of each output take 4 bytes for each token of the vocabulary.
MAX_OUTPUTS = 64
_ROUNDING = 256


@dataclass(frozen=True)
class BranchToken:
    """A token at a position of all these sequences. With `output` its logits are computed."""

    token: int
    position: int
    sequences: list[int]
    output: bool


class Branches:
    """Blocking. Only one thread at a time may use it, and not after the model is closed."""

    def __init__(
        self, model: Model, state: memoryview, capacity: int, adapter: tuple[int, float] | None
    ) -> None:
        """`state` is what `Model.save` returns for the beginning. The context has room for
        `capacity` tokens.

        Raises ValueError for the state of a model whose cache cannot be shared, and EngineFailed if
        there is no memory.
        """
        self._model = model
        self._c = model.library.c
        self._context: int | None = None
        beginning = with_values(state, transposed=not model.always_flash, unified=True)
        parameters = self._c.llama_context_default_params()
        parameters.n_ctx = round_up(capacity, _ROUNDING)
        parameters.n_batch = parameters.n_ubatch = model.batch
        parameters.n_seq_max = MAX_SEQUENCES
        parameters.flash_attn_type = FLASH if model.always_flash else NO_FLASH
        parameters.n_outputs_max = MAX_OUTPUTS
        parameters.n_outputs_max_per_seq = 0
        parameters.n_threads = parameters.n_threads_batch = model.threads
        parameters.kv_unified = True
        self._context = self._c.llama_init_from_model(model.pointer, parameters)
        if not self._context:
            raise EngineFailed("There is no memory for another context.")
        try:
            self._begin(beginning, adapter)
        except BaseException:
            self.close()
            raise

    def set_threads(self, count: int) -> None:
        self._c.llama_set_n_threads(self._context, count, count)

    def copy(self, source: int, target: int, end: int) -> None:
        """Let a sequence share the first `end` tokens of another one."""
        self._c.llama_memory_seq_cp(self._memory(), source, target, -1, end)

    def remove(self, sequence: int) -> None:
        self._c.llama_memory_seq_rm(self._memory(), sequence, -1, -1)

    def compute(self, tokens: Sequence[BranchToken]) -> None:
        """Compute at most as many tokens as a batch of the model has. Raises EngineFailed."""
        sequences, batch = _batch(tokens)
        status: int = self._c.llama_decode(self._context, batch)
        del sequences
        if status != 0:
            raise EngineFailed(f"A batch could not be computed ({status}).")

    def logits(self, row: int) -> int:
        """The address of the logits of the last batch's token `row`, one of its outputs."""
        address: int | None = self._c.llama_get_logits_ith(self._context, row)
        assert address is not None
        return address

    def close(self) -> None:
        """Free all memory. May be called several times."""
        if self._context:
            self._c.llama_free(self._context)
        self._context = None

    def _begin(self, state: memoryview, adapter: tuple[int, float] | None) -> None:
        if adapter is not None:
            self._model.apply_adapter(*adapter, context=self._context)
        size = len(state)
        buffer = (c_char * size).from_buffer(state)
        arguments = (self._context, buffer, size, BEGINNING)
        if self._c.llama_state_seq_set_data(*arguments) != size:
            raise ValueError("a state of another kind")

    def _memory(self) -> int:
        found: int = self._c.llama_get_memory(self._context)
        return found


def _batch(tokens: Sequence[BranchToken]) -> tuple[object, Batch]:
    """The batch, and what has to be kept alive while it is used."""
    count = len(tokens)
    members = [member for token in tokens for member in token.sequences]
    sequences = (c_int32 * len(members))(*members)
    pointers = (POINTER(c_int32) * count)()
    start = 0
    for row, token in enumerate(tokens):
        pointers[row] = cast(byref(sequences, start * sizeof(c_int32)), POINTER(c_int32))
        start += len(token.sequences)
    batch = Batch(
        n_tokens=count,
        token=(c_int32 * count)(*[token.token for token in tokens]),
        embd=None,
        pos=(c_int32 * count)(*[token.position for token in tokens]),
        n_seq_id=(c_int32 * count)(*[len(token.sequences) for token in tokens]),
        seq_id=pointers,
        logits=(c_int8 * count)(*[token.output for token in tokens]),
    )
    return sequences, batch
