"""The log probabilities of a prompt's own tokens, which llama.cpp's server does not give.

The tokens are forced one after the other by a grammar of token literals, from the first on: the
server reports a generated token's probability by the raw logits, forced or not. That
runs at the speed of generating, not of reading. A token that is not a whole character is left out
of such an answer, and as a literal it aborts llama.cpp: each of those has a request of its own.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from openedai.contract.generate import TokenLogprob
from openedai.engines.llama_cpp.server.api import LlamaApi, TokenProbability
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
    incomplete = await scorer.incomplete(ids)
    scored = [await scorer.score_first(ids, whole=0 not in incomplete)] if ids else []
    while len(scored) < len(ids):
        start = len(scored)
        if start in incomplete:
            entry = await scorer.score_alone(ids[:start], ids[start])
            scored.append(entry.to_logprob(alternatives))
        else:
            end = next((position for position in incomplete if position > start), len(ids))
            found = await scorer.score_forced(ids[:end], start, alternatives)
            scored.extend(entry.to_logprob(alternatives) for entry in found)
    return _with_whole_characters(scored)


class _Scorer:
    def __init__(self, api: LlamaApi, vocabulary: int, settings: Mapping[str, Any]) -> None:
        self._api = api
        self._vocabulary = vocabulary
        self._settings = settings

    async def incomplete(self, ids: list[int]) -> list[int]:
        """The positions of tokens that are not whole characters, in order."""
        if (await self._api.detokenize(ids)).isascii():
            return []
        texts = [await self._api.detokenize([id]) for id in ids]
        return [position for position, text in enumerate(texts) if _NO_CHARACTER in text]

    async def score_forced(
        self, ids: list[int], start: int, alternatives: int
    ) -> list[TokenProbability]:
        """The probabilities of the tokens from position `start` to the end, each forced."""
        found: list[TokenProbability] = []
        body = {
            **self._settings,
            "prompt": ids[:start],
            "n_predict": len(ids) - start,
            "n_probs": max(1, alternatives),
            "grammar": "root ::= " + " ".join(f"<[{id}]>" for id in ids[start:]),
            "temperature": 0,
            "top_k": 1,
        }
        async with aclosing(self._api.complete(body)) as chunks:
            async for chunk in chunks:
                found.extend(chunk.completion_probabilities)
        if [entry.id for entry in found] != ids[start:]:
            raise EngineFailed("The engine did not score the prompt's own tokens.")
        return found

    async def score_alone(self, before: list[int], token: int) -> TokenProbability:
        """The probability of `token` after the tokens `before`, from the whole distribution."""
        body = {
            **self._settings,
            "prompt": before,
            "n_predict": 1,
            "n_probs": self._vocabulary,
            "temperature": 0,
            "top_k": 1,
            # Any token that is a whole character: the distribution is reported only for those.
            "grammar": "root ::= [a-z]",
        }
        async with aclosing(self._api.complete(body)) as chunks:
            async for chunk in chunks:
                for entry in chunk.completion_probabilities:
                    for other in entry.top_logprobs:
                        if other.id == token:
                            other.top_logprobs = entry.top_logprobs
                            return other
        raise EngineFailed("The engine did not say how probable a token of the prompt is.")

    async def score_first(self, ids: list[int], *, whole: bool) -> TokenLogprob:
        """The first token, which has no log probability. The bytes of one that is not a whole
        character are found by asking how probable it is after itself.
        """
        if whole:
            text = await self._api.detokenize(ids[:1])
            return TokenLogprob(token=text, raw=text.encode(), logprob=None)
        entry = await self.score_alone(ids[:1], ids[0])
        return TokenLogprob(token=entry.token, raw=bytes(entry.bytes), logprob=None)


def _with_whole_characters(tokens: list[TokenLogprob]) -> list[TokenLogprob]:
    """The tokens; if several make up one character, the last one has its text."""
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
