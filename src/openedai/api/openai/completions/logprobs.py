"""Log probabilities in the shape of the older completions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from openedai.contract.generate import Alternative, TokenLogprob


class CompletionLogprobs(msgspec.Struct):
    """Four lists with an entry for each token. `text_offset` is in characters, from the start of
    the prompt, echoed or not; the first token of an echoed prompt has nulls.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]


def completion_logprobs(
    tokens: Sequence[TokenLogprob], alternatives: int, offset: int = 0
) -> CompletionLogprobs:
    """`offset` is the length of the text before the first of these tokens."""
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return CompletionLogprobs(
        tokens=[_name(token) for token in tokens],
        token_logprobs=[token.logprob for token in tokens],
        top_logprobs=[_top(token, alternatives) for token in tokens] if alternatives else None,
        text_offset=offsets,
    )


def _top(token: TokenLogprob, alternatives: int) -> dict[str, float] | None:
    """The likeliest tokens, and the one that was chosen."""
    if token.logprob is None:
        return None
    best: Iterable[Alternative] = token.top[:alternatives]
    return {_name(other): other.logprob for other in best} | {_name(token): token.logprob}


def _name(token: TokenLogprob | Alternative) -> str:
    """A token's text; if that is not a whole character, its bytes in the older API's notation."""
    try:
        return token.raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.raw)
