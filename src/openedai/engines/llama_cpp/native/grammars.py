"""Constraints of answers: which tokens a grammar allows next."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_float
from dataclasses import dataclass
from threading import Lock
from typing import Any

from openedai.engines.llama_cpp.native.matcher import Matcher, MatcherFailed, Tokenizer
from openedai.errors import PARAM, InvalidRequest

_LONGEST_PIECE = 4096  # bytes
_DEAD_END = "NoExtensionBias"  # llguidance's word for it

# Kinds of tokens that grammars often allow together: short and arbitrary ones in JSON strings, and
# those in reasoning.
_TEXTS = [r'[^"\\\x00-\x1F\x7F]{1,16}', r'[^"\\\x00-\x1F\x7F]+']
_REASONING = "[^<]+"


@dataclass(frozen=True)
class Tokens:
    """The texts of a model's tokens, empty for those without text, and the tokens that end an
    answer.
    """

    pieces: Sequence[bytes]
    ends: Sequence[int]


def read_tokens(c: ctypes.CDLL, vocabulary: int, shown: frozenset[int]) -> Tokens:
    """The tokens of llama.cpp's vocabulary. Special tokens count as text if they are among the
    `shown`.
    """
    size: int = c.llama_vocab_n_tokens(vocabulary)
    ends = [token for token in range(size) if c.llama_vocab_is_eog(vocabulary, token)]
    is_special = c.llama_vocab_is_control
    no_text = {token for token in range(size) if is_special(vocabulary, token)} - shown | {*ends}
    buffer = ctypes.create_string_buffer(_LONGEST_PIECE)
    arguments = (buffer, _LONGEST_PIECE, 0, True)
    lengths = (max(0, c.llama_token_to_piece(vocabulary, id, *arguments)) for id in range(size))
    pieces = [ctypes.string_at(buffer, length) for length in lengths]
    for token in no_text:
        pieces[token] = b""
    return Tokens(pieces, ends)


class Grammars:
    """Compiles grammars for the tokens of one model. May be used in any thread."""

    def __init__(self, tokens: Callable[[], Tokens], *, reasoning: bool = False) -> None:
        """`tokens` are read when they are needed. With `reasoning`, grammars often allow any text,
        and are optimised for that.
        """
        self._read_tokens = tokens
        self._reasoning = reasoning
        self._lock = Lock()
        self._vocabulary: tuple[Tokens, Tokenizer] | None = None

    def compile(self, lark: str, *, param: str, trigger: str | None = None) -> Constraint:
        """A constraint that enforces a grammar. With `trigger` it begins where this pattern is
        found in the answer, at the pattern's first group.

        Blocking: some milliseconds, and for the first one some 100 more. Raises InvalidRequest,
        which names `param`, here and in the constraint.
        """
        tokens, tokenizer = self.prepare()
        try:
            matcher = Matcher(tokenizer, lark)
        except MatcherFailed as error:
            raise _refused(error, param) from error
        pattern = None if trigger is None else re.compile(trigger.encode())
        return Constraint(tokens, tokenizer, matcher, param=param, trigger=pattern)

    def prepare(self) -> tuple[Tokens, Tokenizer]:
        """Prepare what all grammars need; `compile` would do it otherwise."""
        with self._lock:
            if self._vocabulary is None:
                tokens = self._read_tokens()
                slices = _TEXTS + [_REASONING] * self._reasoning
                self._vocabulary = tokens, Tokenizer(tokens.pieces, tokens.ends, slices)
            return self._vocabulary


class Constraint:
    """A growing answer that follows a grammar. May be used in one thread at a time."""

    def __init__(
        self,
        tokens: Tokens,
        tokenizer: Tokenizer,
        matcher: Matcher,
        *,
        param: str,
        trigger: re.Pattern[bytes] | None,
    ) -> None:
        import numpy

        self._numpy: Any = numpy
        self._pieces = tokens.pieces
        self._ends = [*tokens.ends]
        self._tokenizer = tokenizer
        self._matcher = matcher
        self._param = param
        self._trigger = trigger
        self._text = b""  # until the trigger is found

    @property
    def ended(self) -> bool:
        """Whether nothing may follow but the end of the answer."""
        return self._trigger is None and self._matcher.ended

    def mask(self, logits: int) -> None:
        """Forbid the tokens that may not come next, in the logits at this address: 32-bit floats,
        one for each token. Raises InvalidRequest.
        """
        if self._trigger is not None:
            return
        np, size = self._numpy, len(self._pieces)
        with self._refusal():
            mask = self._matcher.mask()
        allowed = np.unpackbits(mask.view(np.uint8), count=size, bitorder="little")
        values = np.ctypeslib.as_array((c_float * size).from_address(logits))
        np.copyto(values, -np.inf, where=allowed == 0)

    def allows(self, token: int) -> bool:
        """Whether a token may come next: faster than `mask`. Raises InvalidRequest."""
        if self._trigger is not None:
            return True
        if token in self._ends:
            return self._matcher.complete
        with self._refusal():
            return self._matcher.allows([token])

    def accept(self, token: int) -> bool:
        """Advance by a token of the answer. Returns False, and changes nothing, if it may not come
        next.

        Raises InvalidRequest.
        """
        if self._trigger is not None:
            return self._watch(self._trigger, self._pieces[token])
        allowed = self.allows(token)
        if allowed and token not in self._ends:
            with self._refusal():
                self._matcher.consume([token])
        return allowed

    def _watch(self, trigger: re.Pattern[bytes], piece: bytes) -> bool:
        """Begin where the trigger is found. Returns False if the text after it breaks the
        grammar.
        """
        text = self._text + piece
        found = trigger.search(text)
        if found is None:
            self._text = text
            return True
        tokens = self._tokenizer.tokens(text[found.start(1) :])
        with self._refusal():
            if not self._matcher.allows(tokens):
                return False
            self._matcher.consume(tokens)
        self._trigger = None
        return True

    @contextmanager
    def _refusal(self) -> Iterator[None]:
        try:
            yield
        except MatcherFailed as error:
            raise _refused(error, self._param) from error


def _refused(error: MatcherFailed, param: str) -> InvalidRequest:
    why = "no token may come next" if _DEAD_END in str(error) else "the grammar is too complex"
    return InvalidRequest(f"Invalid '{PARAM}': {why}.", code="invalid_value", param=param)
