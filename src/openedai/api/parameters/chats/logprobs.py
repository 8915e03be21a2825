"""Log probabilities of tokens in the shape of chat completions and responses."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from openedai.contract.generate import Alternative, TokenLogprob


class TopLogprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int]


class ChatTokenLogprob(msgspec.Struct):
    token: str
    logprob: float | None
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChatLogprobs(msgspec.Struct):
    content: list[ChatTokenLogprob]
    refusal: None = None


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> ChatLogprobs:
    return ChatLogprobs(token_logprobs(tokens))


def token_logprobs(tokens: Sequence[TokenLogprob]) -> list[ChatTokenLogprob]:
    return [_token(token) for token in tokens]


def _token(token: TokenLogprob) -> ChatTokenLogprob:
    top = [_alternative(other) for other in token.top]
    return ChatTokenLogprob(token.token, token.logprob, list(token.raw), top)


def _alternative(other: Alternative) -> TopLogprob:
    return TopLogprob(other.token, other.logprob, list(other.raw))
