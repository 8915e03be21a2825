"""llguidance's C API, which the same shared object exports as llama.cpp's, by ctypes.

It says which tokens may come next in a text of a grammar. It ends neither in a crash nor in endless
work: what is too complex for its limits is an error.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Sequence
from ctypes import (
    POINTER,
    Array,
    Structure,
    byref,
    c_bool,
    c_char_p,
    c_int32,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
    sizeof,
)
from functools import partial
from typing import Any, TypeVar

from openedai.errors import EngineFailed

_ERROR_SIZE = 500


class _Limits(Structure):
    _fields_ = [
        ("max_items_in_row", c_size_t),
        ("initial_lexer_fuel", c_uint64),
        ("step_lexer_fuel", c_uint64),
        ("step_max_items", c_size_t),
        ("max_lexer_states", c_size_t),
        ("max_grammar_size", c_size_t),
        ("precompute_large_lexemes", c_bool),
    ]


class _MatcherParams(Structure):
    _fields_ = [
        ("tokenizer", c_void_p),
        ("log_buffer_level", c_uint32),
        ("log_stderr_level", c_uint32),
        ("ff_tokens_ok", c_bool),
        ("backtrack_ok", c_bool),
        ("limits", _Limits),
    ]


class _TokenizerParams(Structure):
    _fields_ = [
        ("vocab_size", c_uint32),
        ("tok_eos", c_uint32),
        ("token_lens", POINTER(c_uint32)),
        ("token_bytes", c_char_p),
        ("tokenizer_json", c_char_p),
        ("tokenize_assumes_string", c_bool),
        ("tokenize_fn", c_void_p),
        ("use_approximate_greedy_tokenize_fn", c_bool),
        ("tokenize_user_data", c_void_p),
        ("slices", POINTER(c_char_p)),
    ]


_TOKENS = POINTER(c_uint32)

# The functions that are used: the type of the result, then those of the arguments.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "llg_constraint_init_set_defaults": (None, POINTER(_MatcherParams), c_void_p),
    "llg_new_tokenizer": (c_void_p, POINTER(_TokenizerParams), c_char_p, c_size_t),
    "llg_free_tokenizer": (None, c_void_p),
    "llg_tokenize_bytes": (c_size_t, c_void_p, c_char_p, c_size_t, _TOKENS, c_size_t),
    "llg_new_matcher": (c_void_p, POINTER(_MatcherParams), c_char_p, c_char_p),
    "llg_free_matcher": (None, c_void_p),
    "llg_matcher_get_error": (c_char_p, c_void_p),
    "llg_matcher_compute_mask_into": (c_int32, c_void_p, _TOKENS, c_size_t),
    "llg_matcher_validate_tokens": (c_int32, c_void_p, _TOKENS, c_size_t),
    "llg_matcher_consume_tokens": (c_int32, c_void_p, _TOKENS, c_size_t),
    "llg_matcher_is_accepting": (c_bool, c_void_p),
    "llg_matcher_is_stopped": (c_bool, c_void_p),
}
_DEFAULT_LIMITS = (2000, 1_000_000, 200_000, 50_000, 250_000, 500_000, True)
# A step takes at most some 50 ms, and the states some 30 MB.
_LIMITS = (5000, 2_000_000, 500_000, 100_000, 100_000, 500_000, False)
# The most bytes of stack that reading one definition takes, and those that any thread has left.
_DEFINITION_STACK = 8192
_SURE_STACK = 1 << 20

T = TypeVar("T")


class MatcherFailed(Exception):
    """A grammar is wrong or too complex, or no token can come next."""


class Tokenizer:
    """The tokens of a model. Must outlive its matchers. May be used in any thread."""

    def __init__(
        self, c: ctypes.CDLL, pieces: Sequence[bytes], end: int, slices: Sequence[str] = ()
    ) -> None:
        """`pieces` are the texts of the tokens; a token without text is never allowed, except `end`
        where a text may end. What allows all tokens of one of the `slices`, which are regular
        expressions, is faster. Raises EngineFailed.
        """
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(c, name)
            function.restype, function.argtypes = result, arguments
        self.c = c
        self.size = len(pieces)
        parameters = _TokenizerParams(
            vocab_size=len(pieces),
            tok_eos=end,
            token_lens=(c_uint32 * len(pieces))(*map(len, pieces)),
            token_bytes=b"".join(pieces),
            use_approximate_greedy_tokenize_fn=True,
            slices=(c_char_p * (len(slices) + 1))(*map(str.encode, slices), None),
        )
        error = ctypes.create_string_buffer(_ERROR_SIZE)
        self._pointer = c.llg_new_tokenizer(byref(parameters), error, _ERROR_SIZE)
        if self._pointer is None:
            raise EngineFailed(f"llguidance: {error.value.decode('utf-8', 'replace')}")
        self.parameters = self._matcher_parameters()

    def tokens(self, text: bytes) -> Sequence[int]:
        """Tokens with this text together, though not those that the model's tokenizer gives."""
        tokens = (c_uint32 * len(text))()
        count = self.c.llg_tokenize_bytes(self._pointer, text, len(text), tokens, len(text))
        return tokens[:count]

    def close(self) -> None:
        if self._pointer is not None:
            self.c.llg_free_tokenizer(self._pointer)
        self._pointer = None

    def _matcher_parameters(self) -> _MatcherParams:
        parameters = _MatcherParams()
        self.c.llg_constraint_init_set_defaults(byref(parameters), self._pointer)
        limits = tuple(getattr(parameters.limits, field[0]) for field in _Limits._fields_)
        if parameters.tokenizer != self._pointer or limits != _DEFAULT_LIMITS:
            raise EngineFailed("llguidance has another layout than expected.")
        parameters.limits = _Limits(*_LIMITS)
        parameters.log_stderr_level = 0
        return parameters


class Matcher:
    """A text of a grammar, as it grows by tokens. May be used in one thread at a time."""

    def __init__(self, tokenizer: Tokenizer, lark: str) -> None:
        """Recurses natively as deeply as the definitions in the grammar refer to each other.

        Raises MatcherFailed.
        """
        self._c = tokenizer.c
        self._tokenizer = tokenizer
        self._lark = lark.encode()
        self._consumed: list[int] = []
        self._mask = (c_uint32 * (-(-tokenizer.size // 32)))()
        self._open()

    def mask(self) -> Array[c_uint32]:
        """A bit for each token: whether it may come next. Raises MatcherFailed."""
        self._call(self._c.llg_matcher_compute_mask_into, self._mask, sizeof(self._mask))
        return self._mask

    def allows(self, tokens: Sequence[int]) -> bool:
        """Whether these tokens may come next, one after the other. Raises MatcherFailed."""
        if self.ended:
            return not tokens
        array = (c_uint32 * len(tokens))(*tokens)
        count = self._call(self._c.llg_matcher_validate_tokens, array, len(tokens))
        return count == len(tokens)

    def consume(self, tokens: Sequence[int]) -> None:
        """Go on by tokens. Raises MatcherFailed if they may not come next."""
        array = (c_uint32 * len(tokens))(*tokens)
        self._call(self._c.llg_matcher_consume_tokens, array, len(tokens))
        self._consumed += tokens

    @property
    def complete(self) -> bool:
        """Whether the text may end here."""
        return bool(self._c.llg_matcher_is_accepting(self._pointer))

    @property
    def ended(self) -> bool:
        """Whether nothing may follow."""
        return bool(self._c.llg_matcher_is_stopped(self._pointer))

    def close(self) -> None:
        """Free its memory, as the last reference to it does."""
        self._free()

    def _open(self) -> None:
        parameters = byref(self._tokenizer.parameters)
        open_matcher = partial(self._c.llg_new_matcher, parameters, b"lark", self._lark)
        pointer = _with_stack(self._lark.count(b"\n") * _DEFINITION_STACK, open_matcher)
        self._pointer: int = pointer
        self._free = weakref.finalize(self, self._c.llg_free_matcher, pointer)
        self._free.atexit = False
        if self._c.llg_matcher_get_error(self._pointer) is not None:
            raise self._failure()

    def _call(self, function: Callable[..., int], *arguments: object) -> int:
        """The result of a function. After an error it is tried once more from a fresh start: the
        states that a matcher was in add up to its limit.
        """
        result = function(self._pointer, *arguments)
        if result < 0:
            self.close()
            self._open()
            consumed = (c_uint32 * len(self._consumed))(*self._consumed)
            self._c.llg_matcher_consume_tokens(self._pointer, consumed, len(consumed))
            result = function(self._pointer, *arguments)
        if result < 0:
            raise self._failure()
        return result

    def _failure(self) -> MatcherFailed:
        error: bytes = self._c.llg_matcher_get_error(self._pointer) or b"unknown error"
        return MatcherFailed(error.decode("utf-8", "replace"))


def _with_stack(size: int, function: Callable[[], T]) -> T:
    """Call a function that needs so many bytes of stack."""
    if size < _SURE_STACK:
        return function()
    results: list[T] = []
    before = threading.stack_size()
    threading.stack_size(max(before, _SURE_STACK + size))  # threads begun meanwhile have no less
    try:
        thread = threading.Thread(target=lambda: results.append(function()))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    return results[0]
