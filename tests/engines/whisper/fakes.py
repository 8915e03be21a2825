"""A Whisper model whose texts are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

END = 1000
BEFORE = 1001
START = 1002
FIRST_TIME = 1010


def at(seconds: float) -> int:
    """The token of a time."""
    return FIRST_TIME + round(seconds / 0.02)


class FakeTokenizer:
    """Token 7 is the text ` w7`."""

    eot = END
    sot_prev = BEFORE
    timestamp_begin = FIRST_TIME

    def __init__(self) -> None:
        self.tokenizer = self
        self.sot_sequence = [START]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(f" w{token}" for token in tokens if token < END)

    def id_to_token(self, token: int) -> str:
        return f"Ġw{token}"


@dataclass
class Result:
    """What the model answers once; `average` is the average log probability of its tokens."""

    tokens: list[int]
    average: float = -0.2
    silence: float = 0.0


@dataclass
class FakeWhisper:
    """Answers with each result in turn; `calls` are the prompts and options that it got."""

    results: list[Result]
    calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def model(self) -> FakeWhisper:
        return self

    def generate(self, encoded: Any, prompts: list[list[int]], **options: Any) -> list[Any]:
        self.calls.append({"prompt": prompts[0], **options})
        result = self.results[len(self.calls) - 1]
        count = len(result.tokens)
        return [
            SimpleNamespace(
                sequences_ids=[result.tokens],
                scores=[result.average * (count + 1) / count],
                no_speech_prob=result.silence,
                logits=[[_logits(token) for token in (*result.tokens, END)]],
            )
        ]


def _logits(token: int) -> Any:
    """Half of the probability for this token, the rest for the next one."""
    logits = np.full(FIRST_TIME + 2000, -1e4, np.float32)
    logits[token : token + 2] = 3.0
    return logits
