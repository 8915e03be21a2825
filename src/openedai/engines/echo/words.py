"""The words that are the tokens of the echo engine, and their made-up log probabilities."""

from __future__ import annotations

import math
import re
import zlib

from msgspec.structs import replace

from openedai.contract.chat import Chat
from openedai.contract.generate import (
    Alternative,
    RankedToken,
    Text,
    TextDelta,
    TokenLogprob,
    Tokens,
)

WORD = re.compile(r"\s*\S+|\s+$")


def prompt_words(prompt: Chat | Text | Tokens) -> list[str]:
    """The tokens of a prompt. A message begins with its role."""
    match prompt:
        case Chat(messages=messages):
            texts = ((message.role, *WORD.findall(message.content)) for message in messages)
            return [word for words in texts for word in words]
        case Text(text=text):
            return WORD.findall(text)
        case Tokens(ids=ids):
            return [str(id) for id in ids]


def word_id(word: str) -> int:
    return zlib.crc32(word.encode())


def echoed_prompt(text: str, alternatives: int | None) -> TextDelta:
    """The prompt as the first event of an answer; its first token has no log probability."""
    tokens = [one for word in WORD.findall(text) for one in word_logprobs(word, alternatives)]
    if tokens:
        tokens[0] = replace(tokens[0], logprob=None, top=())
    return TextDelta(text=text, logprobs=tuple(tokens))


def ranked_words(words: list[str], alternatives: int | None) -> tuple[tuple[RankedToken, ...], ...]:
    """The words of the prompt, each of which is the likeliest in its place."""
    if alternatives is None:
        return ()
    places = [word_logprobs(word, max(1, alternatives)) for word in words]
    return tuple(
        tuple(
            RankedToken(id=word_id(one.token), text=one.token, logprob=one.logprob, rank=rank)
            for rank, one in enumerate(token.top, start=1)
        )
        if place
        else ()
        for place, (token,) in enumerate(places)
    )


def word_logprobs(word: str, alternatives: int | None) -> tuple[TokenLogprob, ...]:
    """Made up, but valid: the probabilities add up to at most 1, and the likeliest come first."""
    if alternatives is None:
        return ()
    texts = [word, *(f" other{number}" for number in range(1, alternatives))]
    top = tuple(
        Alternative(token=text, raw=text.encode(), logprob=-(rank + 1) * math.log(2))
        for rank, text in enumerate(texts[:alternatives])
    )
    return (TokenLogprob(token=word, raw=word.encode(), logprob=-math.log(2), top=top),)
