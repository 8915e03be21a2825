"""One loaded model, and a context with the computed tokens of its sequences."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from ctypes import c_char, c_float
from hashlib import sha256
from mmap import mmap
from pathlib import Path
from threading import Thread

from openedai.contract.adapter import Adapter
from openedai.engines.llama_cpp.native.images import BATCH, Projector
from openedai.engines.llama_cpp.native.library import Batch, Library
from openedai.engines.llama_cpp.native.state import with_values
from openedai.engines.llama_cpp.native.words import Vocabulary
from openedai.engines.llama_cpp.options import LlamaOptions
from openedai.errors import APIError, EngineFailed, Unavailable
from openedai.gguf.header import read_header, round_up

log = logging.getLogger("openedai.engines")

# The initial room of a sequence, in tokens; llama.cpp rounds it up.
_FIRST_CAPACITY = 1024
_ROUNDING = 256
# Models with these tensors compute differently in a longer context.
_FIXED = ("rope_factors_long.weight", "rope_factors_short.weight")
# Families of encoders, besides those with "bert" in their name.
ENCODERS = ("t5encoder", "gemma-embedding")
# On processors, flash attention is faster for short texts and slower for long ones. But without it
# one batch must not need more than this many bytes.
_MOST_ATTENTION = 256 << 20
FLASH, NO_FLASH = -1, 0  # where it is possible, or nowhere
# The numbers of adapters that are added later have this bit set, and this many bytes below it.
_DIGEST_BYTES = 6
_ADDED = 1 << 8 * _DIGEST_BYTES
# The most tokens of prompts that are scored in one step. The logits of each take 4 bytes for each
# token of the vocabulary.
_SCORED = 32


class Model:
    """The weights, and the context: what is computed for each of `slots` sequences.

    A sequence has at most `context_length` tokens. The context has room for `capacity` tokens of
    each, and grows with them: all of it takes memory, and time to load. Only one thread at a time
    may use the context; `vocabulary` is free of that.
    """

    def __init__(
        self, library: Library, name: str, path: Path, options: LlamaOptions, *, threads: int
    ) -> None:
        """Blocking. Raises EngineFailed."""
        self.library = library
        self._c = library.c
        self._name = name
        self._context: int | None = None
        self._growth: Future[int | None] | None = None
        self._applied: tuple[int | None, float] = (None, 0.0)
        self.threads = threads
        self.capacity = 0
        self.projector: Projector | None = None
        parameters = self._c.llama_model_default_params()
        parameters.n_gpu_layers = options.gpu_layers
        library.errors.clear()
        self._model: int | None = self._c.llama_model_load_from_file(bytes(path), parameters)
        if not self._model:
            raise self._not_loaded(path)
        try:
            self.vocabulary = Vocabulary(library, self._model)
            self._read_limits(path, options)
            self._context = self._new_context(self.capacity, flash=self._flash)
            if not self._context:
                raise self._not_loaded(path)
            self._adapters = dict(enumerate(map(self._load_adapter, options.adapters)))
            if options.mmproj is not None:
                self.projector = self._load_projector(path, options.mmproj, options, threads)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free all memory. May be called several times. Blocking."""
        if self.projector is not None:
            self.projector.close()
        unused = None if self._growth is None else self._growth.result()
        for context in (self._context, unused):
            if context:
                self._c.llama_free(context)
        if self._model:
            self._c.llama_model_free(self._model)
        self._context = self._growth = self._model = self.projector = None

    @property
    def pointer(self) -> int:
        assert self._model is not None
        return self._model

    @property
    def context(self) -> int:
        assert self._context is not None
        return self._context

    def chat_template(self) -> str:
        """The Jinja template in the weights; empty if there is none."""
        found: bytes | None = self._c.llama_model_chat_template(self.pointer, None)
        return "" if found is None else found.decode("utf-8", "replace")

    # Only the loop's thread may call these.

    def grow(self, length: int) -> bool:
        """Make room for sequences of this many tokens. What was computed stays. Returns False if
        there is not enough memory. Raises EngineFailed if something is lost.
        """
        return length <= self.capacity or self._move(self._larger(length)())

    def has_room(self, length: int, wake: Callable[[], object]) -> bool:
        """Whether there is room for sequences of this many tokens. If not, another thread makes
        room, and then calls `wake`. Raises MemoryError if there is not enough memory, and
        EngineFailed as `grow`.
        """
        if length > self.capacity and self._growth is None:
            self._growth = Future()
            arguments = (self._growth, self._larger(length), wake)
            Thread(target=_resolve, args=arguments, name="larger context", daemon=True).start()
        elif self._growth is not None and self._growth.done():
            growth, self._growth = self._growth, None
            if not self._move(growth.result()):
                raise MemoryError
        return length <= self.capacity

    def set_threads(self, count: int) -> None:
        self.threads = count
        self._c.llama_set_n_threads(self.context, count, count)

    def adapter(self, number: int) -> int:
        """The address of an adapter. Raises Unavailable for one without a file, and EngineFailed
        for one that could not be loaded.
        """
        found = self._adapters[number]
        if isinstance(found, APIError):
            raise found
        return found

    def add_adapter(self, adapter: Adapter) -> int:
        """Load a further adapter. Returns its number, which is the same in every process.

        Raises EngineFailed and Unavailable.
        """
        found = self._load_adapter(adapter)
        if isinstance(found, APIError):
            raise found
        digest = sha256(adapter.name.encode()).digest()
        number = _ADDED | int.from_bytes(digest[:_DIGEST_BYTES])
        self._adapters[number] = found
        return number

    def apply_adapter(self, number: int | None, scale: float, context: int | None = None) -> None:
        """Compute with one adapter from now on, or with none, in the model's own context or in
        another one. Raises EngineFailed.
        """
        if context is None:
            self._applied = number, scale
        chosen = [] if number is None else [self.adapter(number)]
        pointers = (ctypes.c_void_p * len(chosen))(*chosen)
        scales = (c_float * len(chosen))(*[scale] * len(chosen))
        arguments = (pointers, len(chosen), scales)
        if self._c.llama_set_adapters_lora(context or self.context, *arguments) != 0:
            raise EngineFailed(f"An adapter of the model `{self._name}` could not be applied.")

    def decode(self, batch: Batch) -> None:
        """Compute one batch. Raises EngineFailed."""
        status: int = self._c.llama_decode(self.context, batch)
        if status != 0:
            raise EngineFailed(
                f"The engine of model `{self._name}` failed to compute a batch ({status})."
            )

    def logits(self, row: int) -> int:
        """The address of the logits of the batch's token `row`: 32-bit floats, one a token."""
        address: int | None = self._c.llama_get_logits_ith(self.context, row)
        assert address is not None
        return address

    def trim(self, slot: int, start: int) -> bool:
        """Forget a sequence from position `start` onwards. Returns False if the model cannot forget
        a part.
        """
        memory = self._c.llama_get_memory(self.context)
        return bool(self._c.llama_memory_seq_rm(memory, slot, start, -1))

    def state_size(self, slot: int) -> int:
        """How many bytes `save` returns."""
        return int(self._c.llama_state_seq_get_size(self.context, slot))

    def save(self, slot: int) -> memoryview:
        """What was computed for a sequence; empty if that fails.

        It has its own memory pages, which are returned to the system when it is dropped. On the
        heap, states of many sizes would leave gaps.
        """
        size = self.state_size(slot)
        if not size:
            return memoryview(b"")
        pages = mmap(-1, size)
        buffer = (c_char * size).from_buffer(pages)
        written = self._c.llama_state_seq_get_data(self.context, buffer, size, slot)
        return memoryview(pages if written == size else b"")

    def restore(self, slot: int, state: memoryview) -> bool:
        """Replace a sequence by a saved one, in writable memory. Returns False if it does not fit
        this model.
        """
        if not self.always_flash:
            with suppress(ValueError):
                state = with_values(state, transposed=not self._flash)
        size = len(state)
        buffer = (c_char * size).from_buffer(state)
        written = self._c.llama_state_seq_set_data(self.context, buffer, size, slot)
        return bool(written == size)

    def _read_limits(self, path: Path, options: LlamaOptions) -> None:
        if self._c.llama_model_has_encoder(self.pointer):
            raise EngineFailed(
                f"The model `{self._name}` cannot be used: it has an encoder, and only models "
                "that are just a decoder are supported."
            )
        header = read_header(path)
        family = header.metadata.strings.get("general.architecture", "")
        if family in ENCODERS or "bert" in family:
            raise EngineFailed(
                f"The model `{self._name}` generates no text: the engine `llama_cpp_embeddings` "
                "runs such encoders."
            )
        self._slots = options.slots
        self.batch = max(options.batch, options.slots)
        self._positions = max(self.batch, BATCH if options.mmproj else 0)
        self.max_outputs = options.slots + _SCORED
        self.context_length = round_up(options.context, _ROUNDING)
        heads = self._c.llama_model_n_head(self.pointer)
        attention = 4 * heads * self._positions * self.context_length
        gpu = options.gpu_layers != 0 and self._c.llama_supports_gpu_offload()
        self.always_flash = gpu or attention > _MOST_ATTENTION
        grows = not any(tensor.name in _FIXED for tensor in header.tensors)
        self.capacity = min(self.context_length, _FIRST_CAPACITY) if grows else self.context_length
        self._flash = self.always_flash or self.capacity <= _FIRST_CAPACITY

    def _larger(self, length: int) -> Callable[[], int | None]:
        """What makes a context with room for sequences of at least this many tokens."""
        capacity = min(self.context_length, max(2 * self.capacity, round_up(length, _ROUNDING)))

        def make() -> int | None:
            import numpy  # noqa: F401, for the move, which must not take long

            return self._new_context(capacity, flash=self.always_flash)

        return make

    def _move(self, context: int | None) -> bool:
        """Use a new context, with everything computed so far, if it is larger. Returns False if
        there is none.
        """
        if context is None:
            return False
        if (capacity := self._room(context)) <= self.capacity:
            self._c.llama_free(context)
            return True
        states = [self.save(slot) for slot in range(self._slots)]
        if self._flash and not self.always_flash:
            try:
                states = [with_values(state, transposed=True) for state in states]
            except ValueError:  # not a plain cache
                self.always_flash = True
                self._c.llama_free(context)
                if (context := self._new_context(capacity, flash=True)) is None:
                    return False
        self._c.llama_free(self.context)
        self._context, self.capacity, self._flash = context, capacity, self.always_flash
        self.set_threads(self.threads)
        self.apply_adapter(*self._applied)
        if not all(self.restore(slot, state) for slot, state in enumerate(states)):
            raise EngineFailed(f"The context of the model `{self._name}` could not be moved.")
        return True

    def _room(self, context: int) -> int:
        return min(self.context_length, int(self._c.llama_n_ctx_seq(context)))

    def _new_context(self, capacity: int, *, flash: bool) -> int | None:
        parameters = self._c.llama_context_default_params()
        parameters.n_ctx = capacity * self._slots
        parameters.n_batch = parameters.n_ubatch = self._positions
        parameters.n_seq_max = self._slots
        parameters.flash_attn_type = FLASH if flash else NO_FLASH
        parameters.n_outputs_max = self.max_outputs
        parameters.n_outputs_max_per_seq = 0
        parameters.n_threads = parameters.n_threads_batch = self.threads
        found: int | None = self._c.llama_init_from_model(self.pointer, parameters)
        return found

    def _load_adapter(self, adapter: Adapter) -> int | APIError:
        """The adapter's address, or why it has none: a bad adapter is no reason to refuse the
        model.
        """
        if adapter.missing is not None:
            return Unavailable(adapter.missing)
        path = Path(adapter.path)
        self.library.errors.clear()
        found: int | None = None
        if _has_lora(path):
            found = self._c.llama_adapter_lora_init(self.pointer, bytes(path))
            why = self._reason(path)
        else:
            why = "it has no tensors of a LoRA"
        if found:
            return found
        failed = EngineFailed(
            f"The adapter `{adapter.name}` of the model `{self._name}` could not be loaded from "
            f"'{path.name}': {why}."
        )
        log.error("%s", failed.message)
        return failed

    def _load_projector(
        self, weights: Path, mmproj: str, options: LlamaOptions, threads: int
    ) -> Projector:
        return Projector(
            self.library,
            self._name,
            weights.parent.absolute() / Path(mmproj).expanduser(),
            model=self.pointer,
            gpu=options.gpu_layers != 0,
            threads=threads,
        )

    def _not_loaded(self, path: Path) -> EngineFailed:
        return EngineFailed(
            f"The model `{self._name}` could not be loaded from '{path.name}': "
            f"{self._reason(path)}."
        )

    def _reason(self, path: Path) -> str:
        """llama.cpp's own reason, with the name of the file instead of its path."""
        return self.library.failure().rstrip(".").replace(str(path), path.name)


def _has_lora(path: Path) -> bool:
    """Whether the file has a LoRA tensor; llama.cpp says what is wrong with other files."""
    try:
        return any(tensor.name.endswith(".lora_a") for tensor in read_header(path).tensors)
    except (ValueError, OSError):
        return True


def _resolve(
    growth: Future[int | None], make: Callable[[], int | None], wake: Callable[[], object]
) -> None:
    try:
        growth.set_result(make())
    except BaseException as error:
        growth.set_exception(error)
    wake()
