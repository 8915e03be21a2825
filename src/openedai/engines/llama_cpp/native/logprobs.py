"""Log probabilities from the raw logits of a model, before any sampler or constraint."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from ctypes import c_float, sizeof
from typing import Any

from openedai.contract.generate import Alternative, RankedToken, TokenLogprob
from openedai.engines.llama_cpp.native.words import Vocabulary


def forbid(address: int, token: int) -> bool:
    """Make a token impossible in the logits at an address. Returns False if it already was."""
    logit = c_float.from_address(address + token * sizeof(c_float))
    before, logit.value = logit.value, float("-inf")
    return before != logit.value


def hold_back(address: int, size: int, tokens: Sequence[int]) -> None:
    """Make tokens impossible in the `size` logits at an address, unless no other token is
    possible.
    """
    import numpy as np

    logits = np.ctypeslib.as_array((c_float * size).from_address(address))
    before = logits[[*tokens]]
    logits[[*tokens]] = -np.inf
    if logits.max() == -np.inf:
        logits[[*tokens]] = before


class Distribution:
    """What the model predicts at one position: the `logits` at an address, 32-bit floats.

    All numbers are taken from them immediately, except the logit of the token that is asked for
    later.
    """

    def __init__(self, vocabulary: Vocabulary, address: int, alternatives: int) -> None:
        import numpy as np

        self._vocabulary = vocabulary
        logits = np.ctypeslib.as_array((c_float * vocabulary.size).from_address(address))
        highest = float(logits.max())
        self._normaliser = highest + float(np.log(np.exp(logits - highest).sum(dtype=np.float64)))
        self._logits: Any = logits
        self._likely: list[int] = []
        if alternatives:
            count = min(alternatives, vocabulary.size)
            likely = np.argpartition(logits, -count)[-count:]
            self._likely = likely[np.argsort(-logits[likely], kind="stable")].tolist()
        self._top = tuple(self._alternative(token) for token in self._likely)

    def logprob(self, token: int) -> float:
        return float(self._logits[token]) - self._normaliser

    def of(self, token: int, decoder: codecs.IncrementalDecoder) -> TokenLogprob:
        """The entry of a token. `decoder` has the bytes of an incomplete character before it."""
        raw = self._vocabulary.piece(token)
        return TokenLogprob(
            token=decoder.decode(raw), raw=raw, logprob=self.logprob(token), top=self._top
        )

    def ranked(self, token: int) -> tuple[RankedToken, ...]:
        """The token, then the likeliest ones, without repeating it."""
        rank = int((self._logits > self._logits[token]).sum()) + 1
        ranks = {token: rank}
        for rank, other in enumerate(self._likely, start=1):
            ranks.setdefault(other, rank)
        return tuple(self._ranked(one, rank) for one, rank in ranks.items())

    def _ranked(self, token: int, rank: int) -> RankedToken:
        text = self._vocabulary.piece(token).decode("utf-8", "replace")
        return RankedToken(id=token, text=text, logprob=self.logprob(token), rank=rank)

    def _alternative(self, token: int) -> Alternative:
        raw = self._vocabulary.piece(token)
        text = raw.decode("utf-8", "replace")
        return Alternative(token=text, raw=raw, logprob=self.logprob(token))
