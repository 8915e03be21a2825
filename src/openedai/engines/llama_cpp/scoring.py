"""The log probabilities of a prompt's own tokens, which llama.cpp's server does not give.

The tokens are forced one after the other by a grammar of token literals, from the first on: what
the server says of a generated token is its probability by the raw logits, forced or not. That
runs at the speed of generating, not of reading. A token that is no whole character is left out of
such an answer, and as a literal it aborts llama.cpp: each of those is asked for by itself.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from openedai.contract.generate import TokenLogprob
from openedai.engines.llama_cpp.server.api import LlamaApi, Probability
from openedai.errors import EngineFailed

_NO_CHARACTER = "\ufffd"


async def score(
    api: LlamaApi,
    ids: list[int],
    alternatives: int,
    *,
    vocabulary: int,
    settings: Mapping[str, Any],
) -> list[TokenLogprob]:
    """One entry for each of `ids`; the first has no log probability. Raises APIErrors.

    `settings` go into each of the server's requests.
    """
    scorer = _Scorer(api, vocabulary, settings)
    broken = await scorer.broken(ids)
    scored = [await scorer.first(ids, whole=0 not in broken)] if ids else []
    while len(scored) < len(ids):
        start = len(scored)
        if start in broken:
            entry = await scorer.alone(ids[:start], ids[start])
            scored.append(entry.parsed(alternatives))
        else:
            end = next((place for place in broken if place > start), len(ids))
            found = await scorer.forced(ids[:end], start, alternatives)
            scored.extend(entry.parsed(alternatives) for entry in found)
    return _whole_texts(scored)


class _Scorer:
    def __init__(self, api: LlamaApi, vocabulary: int, settings: Mapping[str, Any]) -> None:
        self._api = api
        self._vocabulary = vocabulary
        self._settings = settings

    async def broken(self, ids: list[int]) -> list[int]:
        """The places of tokens that are no whole characters, in order."""
        if (await self._api.detokenize(ids)).isascii():
            return []
        texts = [await self._api.detokenize([id]) for id in ids]
        return [place for place, text in enumerate(texts) if _NO_CHARACTER in text]

    async def forced(self, ids: list[int], start: int, alternatives: int) -> list[Probability]:
        """The entries of the tokens from place `start` to the end."""
        found: list[Probability] = []
        body = {
            **self._settings,
            "prompt": ids[:start],
            "n_predict": len(ids) - start,
            "n_probs": max(1, alternatives),
            "grammar": "root ::= " + " ".join(f"<[{id}]>" for id in ids[start:]),
            "temperature": 0,
            "top_k": 1,
        }
        async with aclosing(self._api.complete(body)) as pieces:
            async for piece in pieces:
                found.extend(piece.completion_probabilities)
        if [entry.id for entry in found] != ids[start:]:
            raise EngineFailed("The engine did not score the prompt's own tokens.")
        return found

    async def alone(self, before: list[int], wanted: int) -> Probability:
        """One token's entry out of the whole distribution."""
        body = {
            **self._settings,
            "prompt": before,
            "n_predict": 1,
            "n_probs": self._vocabulary,
            "temperature": 0,
            "top_k": 1,
            # Any token that is a whole character: only then the distribution is shown.
            "grammar": "root ::= [a-z]",
        }
        async with aclosing(self._api.complete(body)) as pieces:
            async for piece in pieces:
                for entry in piece.completion_probabilities:
                    for other in entry.top_logprobs:
                        if other.id == wanted:
                            other.top_logprobs = entry.top_logprobs
                            return other
        raise EngineFailed("The engine did not say how probable a token of the prompt is.")

    async def first(self, ids: list[int], *, whole: bool) -> TokenLogprob:
        """The first token; how probable it was nothing tells. The bytes of one that is no whole
        character are found by asking how probable it is after itself.
        """
        if whole:
            text = await self._api.detokenize(ids[:1])
            return TokenLogprob(token=text, raw=text.encode(), logprob=None)
        entry = await self.alone(ids[:1], ids[0])
        return TokenLogprob(token=entry.token, raw=bytes(entry.bytes), logprob=None)


def _whole_texts(tokens: list[TokenLogprob]) -> list[TokenLogprob]:
    """The same, the text of a character being that of the token that completes it."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return [
        TokenLogprob(
            token=decoder.decode(token.raw),
            raw=token.raw,
            logprob=token.logprob,
            top=token.top,
        )
        for token in tokens
    ]
