"""Which tokens of the vocabulary a request allows in its answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ctypes import c_float

from openedai.engines.llama_cpp.native.words import Vocabulary
from openedai.errors import InvalidRequest, invalid_value


class Restriction:
    """The answer has only `allowed` tokens, if there are any, and none of the `bad` words: the
    tokens of each, with and without a space before it, are not chosen one after the other.

    What comes next depends on the last `reach` tokens of the answer.
    """

    def __init__(self, vocabulary: Vocabulary, allowed: Sequence[int], bad: Iterable[str]) -> None:
        self._size = vocabulary.size
        self._allowed = [*allowed]
        self.reach = 0
        self._never: list[int] = []
        self._after: dict[int, set[tuple[int, ...]]] = {}
        for word in bad:
            for text in (word, f" {word.lstrip()}"):
                self._forbid(tuple(vocabulary.tokenize(text, start=False)))

    def _forbid(self, tokens: tuple[int, ...]) -> None:
        if len(tokens) == 1:
            self._never.append(tokens[0])
        elif tokens:
            self._after.setdefault(tokens[-2], set()).add(tokens)
            self.reach = max(self.reach, len(tokens) - 1)

    def mask(self, logits: int, answer: Sequence[int]) -> None:
        """Make the tokens that are not allowed after these last ones impossible in the logits at an
        address.

        Raises InvalidRequest if nothing else is possible.
        """
        import numpy as np

        values = np.ctypeslib.as_array((c_float * self._size).from_address(logits))
        if self._allowed:
            kept = values[self._allowed]
            values.fill(-np.inf)
            values[self._allowed] = kept
        values[self._never] = -np.inf
        for tokens in self._after.get(answer[-1], ()) if answer else ():
            if tuple(answer[1 - len(tokens) :]) == tokens[:-1]:
                values[tokens[-1]] = -np.inf
        if values.max() == -np.inf:
            raise self.refusal()

    def refusal(self) -> InvalidRequest:
        """The error for an answer that cannot go on."""
        param = "allowed_token_ids" if self._allowed else "bad_words"
        return invalid_value(param, "no token may come next")
