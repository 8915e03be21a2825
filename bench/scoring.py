"""The log probabilities that a system gives the tokens of a text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import exp
from pathlib import Path
from statistics import fmean
from typing import Any

import aiohttp

from bench.json_child import Child
from bench.load.client import LoadError, Target

TEXT = Path(__file__).with_name("quality.txt")
WINDOW = 512  # tokens that are scored with nothing before them but each other
UNSCORED = 32  # tokens at the start of a window that only serve as context
FORCE = 1000.0  # added to a logit: no other token is as likely
TIMEOUT = 600.0  # seconds for one window


class Scorer(ABC):
    async def logprobs(self, window: Sequence[int]) -> list[float]:
        """The natural logarithms of the probabilities of the tokens after the first UNSCORED ones,
        each given all tokens before it. Raises LoadError.
        """
        found = await self._logprobs(list(window))
        if len(found) != len(window) - UNSCORED:
            raise LoadError(f"{len(found)} log probabilities came of {len(window)} tokens")
        return found

    @abstractmethod
    async def _logprobs(self, window: list[int]) -> list[float]: ...


class EchoScorer(Scorer):
    """A server whose completions endpoint echoes a prompt with its log probabilities."""

    def __init__(self, session: aiohttp.ClientSession, target: Target) -> None:
        self._session = session
        self._target = target

    async def _logprobs(self, window: list[int]) -> list[float]:
        body = {
            "model": self._target.model,
            "prompt": window,
            "max_tokens": 1,
            "temperature": 0,
            "echo": True,
            "logprobs": 1,
        }
        answer = await _post(self._session, f"{self._target.url}/completions", body)
        found = answer["choices"][0]["logprobs"]["token_logprobs"]
        return [float(value) for value in found[UNSCORED : len(window)]]


class ForcedScorer(Scorer):
    """llama.cpp's server, which gives probabilities only of tokens that it generates: each token is
    forced by a bias, and the probability that is returned is the one without it.
    """

    def __init__(self, session: aiohttp.ClientSession, target: Target, slot: int = 0) -> None:
        self._session = session
        self._url = target.url.removesuffix("/v1")
        self._slot = slot

    async def tokens(self, text: str) -> list[int]:
        body = {"content": text, "add_special": True}
        return list((await _post(self._session, f"{self._url}/tokenize", body))["tokens"])

    async def _logprobs(self, window: list[int]) -> list[float]:
        return [await self._forced(window, position) for position in range(UNSCORED, len(window))]

    async def _forced(self, window: list[int], position: int) -> float:
        body = {
            "prompt": window[:position],
            "n_predict": 1,
            "n_probs": 1,
            "temperature": 0,
            "logit_bias": [[window[position], FORCE]],
            "id_slot": self._slot,
            "cache_prompt": True,
        }
        answer = await _post(self._session, f"{self._url}/completion", body)
        # The server tells nothing about a token that ends within a character, so the text is ASCII.
        found = answer.get("completion_probabilities", [])
        if [one["id"] for one in found] != [window[position]]:
            raise LoadError(f"the token {window[position]} was forced, and {found} came")
        return float(found[0]["logprob"])


class ChildScorer(Scorer):
    """A script that answers `{"tokens": […]}` with the log probabilities of all but the first."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def _logprobs(self, window: list[int]) -> list[float]:
        answer = await self._child.ask({"tokens": window})
        return [float(value) for value in answer["logprobs"][UNSCORED - 1 :]]


async def tokenize(session: aiohttp.ClientSession, target: Target, text: str) -> list[int]:
    """The tokens of a text by our server, those that begin every text included."""
    body = {"model": target.model, "prompt": text, "add_special_tokens": True}
    return list((await _post(session, f"{target.url}/tokenize", body))["tokens"])


def windows(tokens: Sequence[int]) -> list[list[int]]:
    """The tokens divided into windows; a last window without scored tokens is left out."""
    parts = [list(tokens[start : start + WINDOW]) for start in range(0, len(tokens), WINDOW)]
    return [part for part in parts if len(part) > UNSCORED]


def some(parts: Sequence[list[int]], count: int) -> list[list[int]]:
    """`count` of the windows, evenly spread from the first one."""
    count = min(count, len(parts))
    return [parts[number * len(parts) // count] for number in range(count)]


def perplexity(logprobs: Sequence[float]) -> float:
    return exp(-fmean(logprobs))


async def _post(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Any:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with session.post(url, json=body, timeout=timeout) as response:
        if response.status != 200:
            raise LoadError(f"{url}: {response.status} {await response.text()}")
        return await response.json()
