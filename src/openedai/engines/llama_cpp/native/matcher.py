"""llguidance: which tokens may come next in a text that follows a grammar.

For grammars that `checking.child` accepted it neither crashes nor works endlessly: what later
exceeds its limits is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

_LONGEST_PIECE = 64  # bytes

T = TypeVar("T")

# A step takes at most some 50 ms, and the states some 30 MB.
_LIMITS = {
    "max_items_in_row": 5000,
    "initial_lexer_fuel": 2_000_000,
    "step_lexer_fuel": 500_000,
    "step_max_items": 100_000,
    "max_lexer_states": 100_000,
    "max_grammar_size": 500_000,
    "precompute_large_lexemes": False,
    "verbose_errors": False,
}


class MatcherFailed(Exception):
    """A grammar is wrong or too complex, or no token can come next."""


@dataclass
class _Vocabulary:
    """What llguidance reads of a tokeniser."""

    tokens: Sequence[bytes]
    eos_token_id: int
    bos_token_id: int | None = None
    special_token_ids: Sequence[int] = ()
    is_tokenizer_wrapper: bool = field(default=True, init=False)

    def __call__(self, text: str) -> list[int]:
        raise AssertionError("no text is tokenised: see `no_forcing` in LarkRules")


class Tokenizer:
    """The tokens of a model. May be used in any thread."""

    def __init__(
        self,
        pieces: Sequence[bytes],
        ends: Sequence[int],
        slices: Sequence[str] = (),
        limits: Mapping[str, int] | None = None,
    ) -> None:
        """`pieces` are the texts of the tokens; tokens without text are never allowed, except the
        `ends` where a text may end. States that allow all tokens of one of the `slices`, which are
        regular expressions, are faster. `limits` replace some of the default ones.

        Blocks for some 100 ms, in which no Python code runs.
        """
        from llguidance import LLParserLimits, LLTokenizer

        self.size = len(pieces)
        # A vocabulary without an end token gets an extra one, which is never seen.
        tokens, ends = ([*pieces], [*ends]) if ends else ([*pieces, b""], [len(pieces)])
        self.words = -(-len(tokens) // 32)
        vocabulary: Any = _Vocabulary(tokens, ends[0])
        # In two steps, between which other threads run.
        inner = LLTokenizer(vocabulary, eos_token=ends, slices=[])
        self._inner = inner.with_slices([*slices]) if slices else inner
        self._pieces = pieces
        self._limits = LLParserLimits(**{**_LIMITS, **(limits or {})})  # type: ignore[arg-type]

    def tokens(self, text: bytes) -> Sequence[int]:
        """Tokens that together have this text, though not those that the model's tokenizer would
        choose.
        """
        ids = {piece: id for id, piece in enumerate(self._pieces)}
        found, at = [], 0
        while at < len(text):
            ends = range(min(len(text), at + _LONGEST_PIECE), at, -1)
            end = next(end for end in ends if text[at:end] in ids)
            found.append(ids[text[at:end]])
            at = end
        return found

    def open(self, lark: str) -> Any:
        from llguidance import LLMatcher

        return LLMatcher(self._inner, lark, log_level=0, limits=self._limits)


class Matcher:
    """A text that follows a grammar and grows by tokens. May be used in one thread at a time."""

    def __init__(self, tokenizer: Tokenizer, lark: str) -> None:
        """Raises MatcherFailed."""
        import numpy

        self._tokenizer = tokenizer
        self._lark = lark
        self._consumed: list[int] = []
        self._mask = numpy.zeros(tokenizer.words, numpy.uint32)
        self._inner = tokenizer.open(lark)
        if self._inner.is_error():
            raise MatcherFailed(self._inner.get_error())

    def mask(self) -> Any:
        """A bit for each token: whether it may come next, in an array of uint32.

        Raises MatcherFailed.
        """
        address, size = self._mask.ctypes.data, self._mask.nbytes
        self._call(lambda: self._inner.unsafe_compute_mask_ptr(address, size))
        return self._mask

    def allows(self, tokens: Sequence[int]) -> bool:
        """Whether these tokens may come next, one after the other. Raises MatcherFailed."""
        if self.ended:
            return not tokens
        ids = [*tokens]
        count: int = self._call(lambda: self._inner.validate_tokens(ids))
        return count == len(ids)

    def consume(self, tokens: Sequence[int]) -> None:
        """Advance by tokens. Raises MatcherFailed if they may not come next."""
        added = [*tokens]
        self._call(lambda: self._inner.consume_tokens(added))
        self._consumed += added

    @property
    def complete(self) -> bool:
        """Whether the text may end here."""
        return bool(self._inner.is_accepting())

    @property
    def ended(self) -> bool:
        """Whether nothing may follow."""
        return bool(self._inner.is_stopped())

    def _call(self, function: Callable[[], T]) -> T:
        """The result of a function. After an error it is tried once more from the start, because
        the states that a matcher was in count towards its limit.
        """
        result = function()
        if self._inner.is_error():
            self._inner = self._tokenizer.open(self._lark)
            self._inner.consume_tokens(self._consumed)
            result = function()
        if self._inner.is_error():
            raise MatcherFailed(self._inner.get_error())
        return result
