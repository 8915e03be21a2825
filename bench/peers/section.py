"""The `peers` section of the command: measures the installed peers, each with its weights."""

from __future__ import annotations

import asyncio
import filecmp
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
from rich.console import Console

from bench.figures import SUBJECT, Figure
from bench.load.client import LoadError, Target
from bench.peers import report, table
from bench.peers.installed import Environments
from bench.peers.rounds import rounds
from bench.peers.systems import System, subject, system
from bench.peers.table import Peer, Weights
from bench.peers.weights import checkpoint, in_q8_0, packaged
from bench.scale import Scale
from bench.scoring import TEXT, some, tokenize, windows
from bench.sections.text import measured_model
from bench.servers import openedai
from openedai.config import ModelSpec, Settings
from openedai.engines.machine import usable_cores
from openedai.errors import ModelNotFound
from openedai.weights.library import Library

CHECKPOINT_MAKER = "transformers"


@dataclass(frozen=True)
class Request:
    """With `model` None the default chat model is measured; `install` makes the missing
    environments.
    """

    environments: Environments
    install: bool
    model: str | None
    scale: Scale


async def measure(request: Request, versions: dict[str, str], console: Console) -> list[Figure]:
    """Measure, and print the table. The peers' versions are added to `versions`.

    Raises APIError, LoadError or TimeoutError.
    """

    def on_progress(what: str) -> None:
        console.print(f"[dim]{what} …[/]", highlight=False)

    spec, options = measured_model(request.model)
    peers, skipped = await _installed(request, on_progress)
    forms, unmade = await _forms(spec, request.environments)
    if filecmp.cmp(forms["served"], forms["packaged"], shallow=False):
        peers = [peer for peer in peers if peer.weights != "served"]
    skipped |= {peer.name: unmade for peer in peers if peer.weights not in forms}
    ready = [peer for peer in peers if peer.weights in forms]
    versions |= {peer.package: request.environments.version(peer) or "" for peer in ready}
    systems = [
        subject(spec.id, options),
        *(_system(peer, request.environments, forms) for peer in ready),
    ]
    text = await _text(spec.id, options, request.scale)
    outcome = await rounds(systems, request.scale, on_progress, text)
    report.show(replace(outcome, skipped=skipped | outcome.skipped), versions, console)
    return outcome.figures


async def _text(model: str, options: list[str], scale: Scale) -> list[list[int]]:
    """Parts of the text, as tokens; they are the same for every system."""
    async with openedai(options=options) as (url, _), aiohttp.ClientSession() as session:
        tokens = await tokenize(session, Target(SUBJECT, url, model), TEXT.read_text("utf-8"))
    return some(windows(tokens), scale.quality_windows)


async def _installed(
    request: Request, on_progress: Callable[[str], None]
) -> tuple[list[Peer], dict[str, str]]:
    """The installed peers, and why the others are not."""
    environments = request.environments
    peers = table.read()
    for peer in peers if request.install else ():
        on_progress(f"installing {peer.name}")
        await asyncio.to_thread(environments.install, peer)
    installed = [peer for peer in peers if environments.version(peer) is not None]
    return installed, {
        peer.name: environments.missing_reason(peer) for peer in peers if peer not in installed
    }


async def _forms(spec: ModelSpec, environments: Environments) -> tuple[dict[Weights, Path], str]:
    """The weights in each available format, and why there is no checkpoint."""
    served = await asyncio.to_thread(Library(Settings()).pull, spec)
    if served is None:
        raise ModelNotFound(spec.id)
    folder = environments.folder
    forms: dict[Weights, Path] = {
        "served": served,
        "packaged": await asyncio.to_thread(packaged, spec, folder),
    }
    forms["q8_0"] = await asyncio.to_thread(in_q8_0, forms["packaged"], folder)
    python = folder / CHECKPOINT_MAKER / "bin" / "python"
    try:
        forms["checkpoint"] = await checkpoint(forms["packaged"], folder, python)
    except LoadError as error:
        return forms, str(error)
    return forms, ""


def _system(peer: Peer, environments: Environments, forms: dict[Weights, Path]) -> System:
    cores = sorted(os.sched_getaffinity(0))[: usable_cores()]
    return system(
        peer,
        {
            "env": environments.path(peer),
            "weights": forms[peer.weights],
            "threads": len(cores),
            "cores": ",".join(map(str, cores)),
            "child": Path(__file__).parent,
        },
    )
