"""The loss of a weight format: the perplexity on a fixed text, with the engine that serves.

Run as `python -m bench.quality FILE.gguf …`; each file is compared with the first one.

llama.cpp's server returns probabilities only of tokens that it generates. So each token of the text
is forced by a bias so large that no other can be sampled; the returned probability is the one
without the bias.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any, get_args

import aiohttp
import typer
from rich.console import Console
from rich.table import Table

from bench.client import LoadError
from bench.servers import native
from openedai.config import ModelSpec, WeightFormat
from openedai.engines.machine import processor_features
from openedai.errors import APIError
from openedai.gguf.kernels import fast_types
from openedai.weights.disk import free_space
from openedai.weights.progress import NoProgress
from openedai.weights.requantise import requantise

TEXT = Path(__file__).with_name("quality.txt")
WINDOW = 512  # tokens that are scored with nothing but each other before them
UNSCORED = 32  # tokens at the start of a window that only serve as context
SLOTS = 6
FORCE = 1000.0  # added to a logit: no other token is as likely


@dataclass(frozen=True)
class Score:
    """The natural logarithms of the probabilities of the text's tokens, under one model."""

    name: str
    size: int
    logprobs: list[float]

    @property
    def perplexity(self) -> float:
        return exp(-fmean(self.logprobs))

    def loss(self, packaged: Score) -> tuple[float, float]:
        """How much higher the perplexity is than another's, and its standard error; shares.

        The error is that of the mean over the tokens, each compared with itself.
        """
        differences = [a - b for a, b in zip(packaged.logprobs, self.logprobs, strict=True)]
        ratio = exp(fmean(differences))
        return ratio - 1, ratio * stdev(differences) / sqrt(len(differences))


class Scorer:
    """The token probabilities of a llama.cpp server."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def tokens(self, text: str) -> list[int]:
        answer = await self._post("/tokenize", {"content": text, "add_special": True})
        return list(answer["tokens"])

    async def logprobs(self, tokens: Sequence[int], slot: int) -> list[float]:
        """Of the tokens after the first UNSCORED ones, each given all before it."""
        return [
            await self._forced(tokens, position, slot) for position in range(UNSCORED, len(tokens))
        ]

    async def _forced(self, tokens: Sequence[int], position: int, slot: int) -> float:
        body = {
            "prompt": list(tokens[:position]),
            "n_predict": 1,
            "n_probs": 1,
            "temperature": 0,
            "logit_bias": [[tokens[position], FORCE]],
            "id_slot": slot,
            "cache_prompt": True,
        }
        answer = await self._post("/completion", body)
        # Of a token that ends within a character the server tells nothing: the text is ASCII.
        found = answer.get("completion_probabilities", [])
        if [one["id"] for one in found] != [tokens[position]]:
            raise LoadError(f"the token {tokens[position]} was forced, and {found} came")
        return float(found[0]["logprob"])

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._session.post(self._url + path, json=body) as response:
            if response.status != 200:
                raise LoadError(f"{path}: {response.status} {await response.text()}")
            return await response.json()


def score(file: Path, text: str) -> Score:
    """Raises LoadError."""
    return Score(file.name, file.stat().st_size, asyncio.run(logprobs(file, text)))


async def logprobs(file: Path, text: str) -> list[float]:
    """Of the text's tokens, window by window of each slot."""
    options = {"context": WINDOW, "slots": SLOTS}
    spec = ModelSpec(id=file.stem, engine="llama_cpp", source=str(file), options=options)
    key = secrets.token_urlsafe(16)
    headers = {"authorization": f"Bearer {key}"}
    async with (
        native(spec, file, key) as (url, _),
        aiohttp.ClientSession(headers=headers) as session,
    ):
        scorer = Scorer(session, url.removesuffix("/v1"))
        tokens = await scorer.tokens(text)
        windows = [tokens[start : start + WINDOW] for start in range(0, len(tokens), WINDOW)]
        found = await asyncio.gather(
            *(_score_windows(scorer, windows[slot::SLOTS], slot) for slot in range(SLOTS))
        )
    return [value for part in found for value in part]


async def _score_windows(
    scorer: Scorer, windows: Sequence[Sequence[int]], slot: int
) -> list[float]:
    return [value for window in windows for value in await scorer.logprobs(window, slot)]


def requantised(file: Path, folder: Path) -> list[Path]:
    """The file in every weight format that `requantise` changes it to on this processor."""
    fast = fast_types(processor_features())
    paths = {name: folder / f"{file.stem}.{name}.gguf" for name in get_args(WeightFormat)}
    return [
        path
        for name, path in paths.items()
        if requantise(file, path, name, fast, NoProgress(), free_space)
    ]


def table(scores: Sequence[Score]) -> Table:
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("WEIGHTS", "MB", "PERPLEXITY", "LOSS"):
        shown.add_column(title, justify="left" if title == "WEIGHTS" else "right")
    for found in scores:
        loss, error = found.loss(scores[0])
        against = "-" if found is scores[0] else f"{loss:+.2%} ± {error:.2%}"
        shown.add_row(found.name, f"{found.size / 1e6:.0f}", f"{found.perplexity:.3f}", against)
    return shown


def main(
    files: Annotated[list[Path], typer.Argument(help="GGUF files of one model.", exists=True)],
    with_formats: Annotated[
        bool, typer.Option("--formats", help="Also every weight format of the first file.")
    ] = False,
    text: Annotated[Path, typer.Option(help="The text.", exists=True)] = TEXT,
) -> None:
    """Compare the perplexity of each file with that of the first."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            every = [*files, *(requantised(files[0], Path(folder)) if with_formats else ())]
            scores = [score(file, text.read_text("utf-8")) for file in every]
        except (APIError, LoadError, aiohttp.ClientError, TimeoutError) as error:
            console.print(f"[red]Stopped:[/] {error or type(error).__name__}", highlight=False)
            raise typer.Exit(1) from error
    console.print(table(scores))
    console.print(f"{len(scores[0].logprobs)} tokens were scored.", highlight=False)


if __name__ == "__main__":
    typer.run(main)
