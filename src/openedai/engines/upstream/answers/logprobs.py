"""Log probabilities in both shapes of the API, as those of the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from openedai.contract.generate import Alternative, TokenLogprob

_BYTE = re.compile(r"\\x([0-9a-fA-F]{2})")
_NEVER = -9999.0  # as the official API and vLLM say it


class Alternate(msgspec.Struct):
    token: str
    logprob: float | None = None
    bytes: list[int] | None = None


class ChatToken(Alternate):
    top_logprobs: list[Alternate] | None = None


class Logprobs(msgspec.Struct):
    """Either `content`, which llama.cpp has for the older completions too, or the four lists."""

    content: list[ChatToken] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None


def parsed(logprobs: Logprobs | None, alternatives: int) -> tuple[TokenLogprob, ...]:
    """Each token with at most that many alternatives, best first."""
    if logprobs is None:
        return ()
    if logprobs.content is not None:
        return tuple(_chat_token(token, alternatives) for token in logprobs.content)
    return tuple(_older(logprobs, alternatives))


def _chat_token(token: ChatToken, alternatives: int) -> TokenLogprob:
    top = token.top_logprobs or ()
    return TokenLogprob(
        token=token.token,
        raw=_raw(token),
        logprob=token.logprob,
        top=_best([(one.token, _raw(one), one.logprob) for one in top], alternatives),
    )


def _raw(token: Alternate) -> bytes:
    if token.bytes is None or not all(0 <= byte < 256 for byte in token.bytes):
        return token.token.encode()
    return bytes(token.bytes)


def _older(logprobs: Logprobs, alternatives: int) -> Iterator[TokenLogprob]:
    tokens = logprobs.tokens or []
    scores = (logprobs.token_logprobs or []) + [None] * len(tokens)
    tops = (logprobs.top_logprobs or []) + [None] * len(tokens)
    for name, score, top in zip(tokens, scores, tops, strict=False):
        text, raw = _named(name)
        others = [(*_named(other), value) for other, value in (top or {}).items()]
        yield TokenLogprob(token=text, raw=raw, logprob=score, top=_best(others, alternatives))


def _named(name: str) -> tuple[str, bytes]:
    """A token's text and bytes; those that are no whole character are spelled as bytes."""
    if name.startswith("bytes:"):
        raw = bytes(int(byte, 16) for byte in _BYTE.findall(name))
        return raw.decode("utf-8", "replace"), raw
    return name, name.encode()


def _best(
    found: list[tuple[str, bytes, float | None]], alternatives: int
) -> tuple[Alternative, ...]:
    known = [
        Alternative(token=text, raw=raw, logprob=_NEVER if score is None else score)
        for text, raw, score in found
    ]
    return tuple(sorted(known, key=lambda one: -one.logprob)[:alternatives])
