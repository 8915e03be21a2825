"""Parts of a text, and log probabilities from a server and from a script."""

from __future__ import annotations

import asyncio
import sys
from math import log
from pathlib import Path

import aiohttp
import pytest

from bench.figures import SUBJECT
from bench.json_child import child
from bench.load.client import LoadError, Target
from bench.scoring import (
    UNSCORED,
    WINDOW,
    ChildScorer,
    EchoScorer,
    Scorer,
    perplexity,
    some,
    tokenize,
    windows,
)
from tests.support import ServerThread, echo_settings

SCRIPT = """
import json, sys
for line in sys.stdin:
    tokens = json.loads(line)["tokens"]
    print(json.dumps({"logprobs": [-token for token in tokens[1:]]}), flush=True)
"""


def test_a_text_is_cut_into_windows() -> None:
    parts = windows(range(2 * WINDOW + UNSCORED))
    assert [len(part) for part in parts] == [WINDOW, WINDOW]
    assert parts[1][0] == WINDOW
    assert [len(part) for part in windows(range(WINDOW + UNSCORED + 1))] == [WINDOW, UNSCORED + 1]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [0]), (2, [0, 5]), (4, [0, 2, 5, 8]), (99, list(range(11)))]
)
def test_some_of_them_are_spread(count: int, expected: list[int]) -> None:
    assert [part[0] for part in some([[number] for number in range(11)], count)] == expected


def test_perplexity() -> None:
    assert perplexity([log(1 / 2), log(1 / 8)]) == pytest.approx(4)


def test_a_script(tmp_path: Path) -> None:
    file = tmp_path / "scores.py"
    file.write_text(SCRIPT, "utf-8")

    async def go() -> list[float]:
        async with child("scores", [sys.executable, file], {}) as running:
            return await ChildScorer(running).logprobs(list(range(UNSCORED + 3)))

    assert asyncio.run(go()) == [-UNSCORED, -UNSCORED - 1, -UNSCORED - 2]


def test_a_server_that_echoes() -> None:
    async def go(url: str) -> tuple[list[int], list[float]]:
        async with aiohttp.ClientSession() as session:
            target = Target(SUBJECT, f"{url}/v1", "echo")
            tokens = await tokenize(session, target, "word " * (UNSCORED + 8))
            return tokens, await EchoScorer(session, target).logprobs(tokens)

    with ServerThread(echo_settings()) as running:
        tokens, found = asyncio.run(go(running.url))
    assert len(found) == len(tokens) - UNSCORED > 0
    assert all(value <= 0 for value in found)


def test_too_few_log_probabilities_are_an_error() -> None:
    class Short(Scorer):
        async def _logprobs(self, window: list[int]) -> list[float]:
            return [-1.0]

    with pytest.raises(LoadError, match="1 log probabilities came of 40 tokens"):
        asyncio.run(Short().logprobs(list(range(40))))
