"""The vocabulary of a model, and a model's vocabulary with its chat template, without its
weights.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int32
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from openedai.engines.llama_cpp.native.library import Library
from openedai.engines.llama_cpp.template import ChatTemplate
from openedai.engines.llama_cpp.template_choice import choose_format
from openedai.errors import EngineFailed

_NONE = -1  # of tokens


class Vocabulary:
    """The tokens of a model. Its methods may be called in any thread. `size` is their number."""

    def __init__(self, library: Library, model: int) -> None:
        self._c = library.c
        self.pointer: int = self._c.llama_model_get_vocab(model)
        self.size: int = self._c.llama_vocab_n_tokens(self.pointer)
        self.adds_bos: bool = self._c.llama_vocab_get_add_bos(self.pointer)
        self.adds_eos: bool = self._c.llama_vocab_get_add_eos(self.pointer)
        self.bos = self._optional(self._c.llama_vocab_bos(self.pointer))
        self.eos = self._optional(self._c.llama_vocab_eos(self.pointer))
        fim = ("llama_vocab_fim_pre", "llama_vocab_fim_suf", "llama_vocab_fim_mid")
        self.infill = tuple(getattr(self._c, name)(self.pointer) for name in fim)
        self._pieces: dict[int, bytes] = {}

    def tokenize(self, text: str, start: bool = True) -> list[int]:
        """The ids of a text; with `start` after the special tokens for a beginning. Special tokens
        that are written out in the text are read as such.
        """
        raw = text.encode("utf-8", "replace")
        capacity = len(raw) + 8
        while True:
            ids = (c_int32 * capacity)()
            arguments = (raw, len(raw), ids, capacity, start, True)
            count: int = self._c.llama_tokenize(self.pointer, *arguments)
            if count >= 0:
                return ids[:count]
            capacity = -count

    def piece(self, token: int) -> bytes:
        """The bytes of a token, written out if it is a special one."""
        found = self._pieces.get(token)
        if found is None:
            found = self._pieces[token] = self._read_piece(token)
        return found

    def special(self, token: int) -> bool:
        """Whether a token is a marker that is not part of a text."""
        return bool(self._c.llama_vocab_is_control(self.pointer, token))

    def text(self, ids: Sequence[int]) -> str:
        """The text of the ids; incomplete characters become U+FFFD."""
        return b"".join(map(self.piece, ids)).decode("utf-8", "replace")

    def ends(self, token: int) -> bool:
        """Whether a model ends its answer with this token."""
        return bool(self._c.llama_vocab_is_eog(self.pointer, token))

    @cached_property
    def all_ends(self) -> tuple[int, ...]:
        """The tokens that end an answer; finding them takes some milliseconds."""
        return tuple(filter(self.ends, range(self.size)))

    @cached_property
    def special_texts(self) -> tuple[str, ...]:
        """The texts of all special tokens; finding them takes some milliseconds."""
        texts = map(self.special_text, filter(self.special, range(self.size)))
        return tuple(dict.fromkeys(filter(None, texts)))

    def special_text(self, token: int | None) -> str:
        return "" if token is None else self.piece(token).decode("utf-8", "replace")

    def _read_piece(self, token: int) -> bytes:
        length = 64
        while True:
            buffer = ctypes.create_string_buffer(length)
            count: int = self._c.llama_token_to_piece(self.pointer, token, buffer, length, 0, True)
            if count >= 0:
                return buffer.raw[:count]
            length = -count

    def _optional(self, token: int) -> int | None:
        return None if token == _NONE else token


class Words:
    """How a model writes: its tokens, the prompts of its conversations, and `ends`, the texts one
    of which ends each answer, the usual one first. A context manager; blocking.
    """

    def __init__(
        self,
        library: Library,
        name: str,
        path: Path,
        *,
        chat_template: str | None = None,
        prompt_format: str | None = None,
    ) -> None:
        """Raises EngineFailed."""
        self._c = library.c
        parameters = self._c.llama_model_default_params()
        parameters.vocab_only = True
        library.errors.clear()
        self._model: int | None = self._c.llama_model_load_from_file(bytes(path), parameters)
        if not self._model:
            raise EngineFailed(f"The model `{name}` could not be loaded: {library.failure()}.")
        self.vocabulary = Vocabulary(library, self._model)
        found = choose_format(name, path, chat_template=chat_template, prompt_format=prompt_format)
        source: bytes | None = self._c.llama_model_chat_template(self._model, None)
        vocabulary = self.vocabulary
        self.template = ChatTemplate(
            name,
            (source or b"").decode("utf-8", "replace") if found is None else found.template,
            bos_token=vocabulary.special_text(vocabulary.bos),
            eos_token=vocabulary.special_text(vocabulary.eos),
            adds_bos=vocabulary.adds_bos,
            adds_eos=vocabulary.adds_eos,
        )
        texts = map(vocabulary.special_text, (vocabulary.eos, *vocabulary.all_ends))
        stops = () if found is None else found.stop
        self.ends = tuple(dict.fromkeys(text for text in (*texts, *stops) if text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._c.llama_model_free(self._model)
        self._model = None
