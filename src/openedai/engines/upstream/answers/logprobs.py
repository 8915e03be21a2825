"""Reads log probabilities in either shape of the API as values of the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from openedai.contract.generate import Alternative, TokenLogprob

_BYTE = re.compile(r"\\x([0-9a-fA-F]{2})")
_IMPOSSIBLE = -9999.0  # the official API's and vLLM's value


class Alternate(msgspec.Struct):
    token: str
    logprob: float | None = None
    bytes: list[int] | None = None


class ChatToken(Alternate):
    top_logprobs: list[Alternate] | None = None


class Logprobs(msgspec.Struct):
    """Either `content`, which llama.cpp uses for completions too, or the three lists."""

    content: list[ChatToken] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None


def to_logprobs(logprobs: Logprobs | None, alternatives: int) -> tuple[TokenLogprob, ...]:
    """Each token with at most `alternatives` alternatives, likeliest first."""
    if logprobs is None:
        return ()
    if logprobs.content is not None:
        return tuple(_chat_token(token, alternatives) for token in logprobs.content)
    return tuple(_completion_tokens(logprobs, alternatives))


def _chat_token(token: ChatToken, alternatives: int) -> TokenLogprob:
    top = token.top_logprobs or ()
    return TokenLogprob(
        token=token.token,
        raw=_raw(token),
        logprob=token.logprob,
        top=_alternatives([(one.token, _raw(one), one.logprob) for one in top], alternatives),
    )


def _raw(token: Alternate) -> bytes:
    if token.bytes is None or not all(0 <= byte < 256 for byte in token.bytes):
        return token.token.encode()
    return bytes(token.bytes)


def _completion_tokens(logprobs: Logprobs, alternatives: int) -> Iterator[TokenLogprob]:
    tokens = logprobs.tokens or []
    scores = (logprobs.token_logprobs or []) + [None] * len(tokens)
    tops = (logprobs.top_logprobs or []) + [None] * len(tokens)
    for name, score, top in zip(tokens, scores, tops, strict=False):
        text, raw = _text_and_bytes(name)
        others = [(*_text_and_bytes(other), value) for other, value in (top or {}).items()]
        yield TokenLogprob(
            token=text, raw=raw, logprob=score, top=_alternatives(others, alternatives)
        )


def _text_and_bytes(name: str) -> tuple[str, bytes]:
    """The text and bytes of a token's name, which spells an incomplete character as bytes."""
    if name.startswith("bytes:"):
        raw = bytes(int(byte, 16) for byte in _BYTE.findall(name))
        return raw.decode("utf-8", "replace"), raw
    return name, name.encode()


def _alternatives(
    found: list[tuple[str, bytes, float | None]], alternatives: int
) -> tuple[Alternative, ...]:
    known = [
        Alternative(token=text, raw=raw, logprob=_IMPOSSIBLE if score is None else score)
        for text, raw, score in found
    ]
    return tuple(sorted(known, key=lambda one: -one.logprob)[:alternatives])
