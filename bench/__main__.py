"""The command: `python -m bench`, or `make bench`."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import report
from bench.figures import Figure
from bench.load.client import LoadError, Target
from bench.machine import QUIET, describe, load
from bench.peers.installed import Environments
from bench.plan import APART, DEFAULT, PEERS, Plan, Section
from bench.processes import spinning
from bench.scale import FULL, QUICK
from bench.sections.embeddings import section as embeddings
from bench.soak import section as soak
from bench.soak.clients import Load
from openedai.errors import APIError

OUT = Path(__file__).parent / "out"


def main(
    sections: Annotated[
        list[Section] | None,
        typer.Argument(help="What to measure [all but the training, peers, soak]."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few rounds only.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of each comparison.")] = None,
    url: Annotated[
        list[str] | None,
        typer.Option(help="Another server for the text tables: name=http://host/v1[#model]."),
    ] = None,
    sentence_transformers: Annotated[
        Path | None, typer.Option(help="A Python that has sentence-transformers.")
    ] = None,
    infinity: Annotated[Path | None, typer.Option(help="A Python that has infinity-emb.")] = None,
    fastembed: Annotated[Path | None, typer.Option(help="A Python that has fastembed.")] = None,
    litellm: Annotated[Path | None, typer.Option(help="A Python that has LiteLLM's proxy.")] = None,
    ogx: Annotated[Path | None, typer.Option(help="A Python that has OGX.")] = None,
    chroma: Annotated[Path | None, typer.Option(help="A Python that has Chroma.")] = None,
    indexes: Annotated[
        Path | None,
        typer.Option(help="Folder where the indexes of vector stores are kept between runs."),
    ] = None,
    chunks: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Chunks of a vector store that is searched; 0 for no searches."),
    ] = None,
    files: Annotated[
        int | None, typer.Option(min=0, help="Files that are added to a vector store.")
    ] = None,
    trl: Annotated[Path | None, typer.Option(help="A Python that has trl, peft and gguf.")] = None,
    environments: Annotated[
        Path, typer.Option(help="Folder of the peers' virtual environments.")
    ] = PEERS,
    install: Annotated[
        bool, typer.Option("--install", help="Install the peers that are not there.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="Text model [the default one].")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the soak lasts.")] = 10,
    clients: Annotated[int, typer.Option(min=1, help="Clients of the soak, at once.")] = 200,
    busy: Annotated[
        int, typer.Option(min=0, help="Processes that keep a core busy beside the run.")
    ] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the plot.")] = OUT,
) -> None:
    """Measure this server beside its peers, one after the other and back, in one run."""
    console = Console()
    scale = (QUICK if quick else FULL).with_stores(chunks or None, files)
    embedders = {
        embeddings.SENTENCE_TRANSFORMERS: sentence_transformers,
        embeddings.INFINITY: infinity,
        embeddings.FASTEMBED: fastembed,
    }
    plan = Plan(
        sections or DEFAULT,
        scale if rounds is None else scale.with_rounds(rounds),
        model=model,
        others=[parse_target(text) for text in url or []],
        embedders={name: python for name, python in embedders.items() if python},
        litellm=litellm,
        ogx=ogx,
        chroma=chroma,
        indexes=indexes,
        trl=trl,
        environments=Environments(environments),
        install=install,
        load=Load(clients, seconds=60 * minutes),
        busy=busy,
    )
    try:
        figures = run(plan, console, out)
    except (APIError, LoadError, TimeoutError) as error:
        console.print(f"[red]Stopped:[/] {error or type(error).__name__}", highlight=False)
        raise typer.Exit(1) from error
    if soak.missed(figures):
        raise typer.Exit(1)


def run(plan: Plan, console: Console, out: Path) -> list[Figure]:
    """Measure, print the table, and write `<date>.json`, `.png` and `.svg` into `out`."""
    machine = describe(plan.busy)
    if machine["load"][0] > QUIET:
        console.print(f"[yellow]The machine is not quiet: its load is {machine['load'][0]}.[/]")
    figures: list[Figure] = []
    with spinning(plan.busy):
        for section in plan.sections:
            console.print(f"[dim]{section} …[/]")
            figures += asyncio.run(plan.run(section, console))
    machine["load"].append(load())
    machine["packages"] |= plan.versions
    shown = [figure for figure in figures if figure.section not in APART]
    report.show(shown, machine, console)
    out.mkdir(parents=True, exist_ok=True)
    name = machine["date"].replace(":", "").replace(" UTC", "").replace(" ", "-")
    files = [out / f"{name}.json"]
    report.write_json(figures, machine, asdict(plan.scale), files[0])
    if find_spec("matplotlib"):
        files += [out / f"{name}.png", out / f"{name}.svg"]
        report.plot(figures, machine, files[1:])
    console.print("Written: " + ", ".join(str(file) for file in files), highlight=False)
    return figures


def parse_target(text: str) -> Target:
    """`name=URL` or `name=URL#model`; without a model, the first that the server lists."""
    name, _, rest = text.partition("=")
    url, _, model = rest.partition("#")
    if not name or not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{text!r} is not name=http://host/v1[#model]")
    if not model:
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/models", timeout=10) as answer:
                model = json.load(answer)["data"][0]["id"]
        except (OSError, ValueError, LookupError) as error:
            raise typer.BadParameter(f"{name} lists no models: {error}") from error
    return Target(name, url, model)


if __name__ == "__main__":
    typer.run(main)
