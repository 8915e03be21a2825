"""The loss of a weight format: the perplexity on a fixed text, with the engine that serves.

Run as `python -m bench.quality FILE.gguf …`; each file is compared with the first one.

Our server echoes each part of the text with the log probabilities of its tokens.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, get_args

import aiohttp
import typer
from rich.console import Console
from rich.table import Table

from bench.figures import SUBJECT
from bench.load.client import LoadError, Target
from bench.scoring import TEXT, WINDOW, EchoScorer, perplexity, tokenize, windows
from bench.servers import model_table, openedai
from openedai.config import ModelSpec, WeightFormat
from openedai.engines.machine import processor_features
from openedai.errors import APIError
from openedai.gguf.kernels import fast_types
from openedai.weights.disk import free_space
from openedai.weights.progress import NoProgress
from openedai.weights.requantise import requantise

SLOTS = 2


@dataclass(frozen=True)
class Score:
    """The natural logarithms of the probabilities of the text's tokens, under one model."""

    name: str
    size: int
    logprobs: list[float]

    @property
    def perplexity(self) -> float:
        return perplexity(self.logprobs)

    def loss(self, packaged: Score) -> tuple[float, float]:
        """How much higher the perplexity is than another's, and the standard error of that, as
        fractions.

        The error is that of the mean over the tokens, each compared with itself.
        """
        differences = [a - b for a, b in zip(packaged.logprobs, self.logprobs, strict=True)]
        ratio = exp(fmean(differences))
        return ratio - 1, ratio * stdev(differences) / sqrt(len(differences))


def score(file: Path, text: str) -> Score:
    """Score a file. Raises LoadError."""
    return Score(file.name, file.stat().st_size, asyncio.run(logprobs(file, text)))


async def logprobs(file: Path, text: str) -> list[float]:
    """The log probabilities of the text's tokens, window by window."""
    options = {"context": 2 * WINDOW, "slots": SLOTS}
    spec = ModelSpec(id="scored", engine="llama_cpp", source=str(file), options=options)
    config = f'chat_model = "scored"\n{model_table(spec)}'
    async with openedai(config) as (url, _), aiohttp.ClientSession() as session:
        target = Target(SUBJECT, url, spec.id)
        scorer = EchoScorer(session, target)
        parts = windows(await tokenize(session, target, text))
        found = await asyncio.gather(*(scorer.logprobs(part) for part in parts))
    return [value for part in found for value in part]


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
