"""`openedai models …`: what there is, what is on disk, fetching and removing."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from openedai.catalog.catalog import Catalog, adapter_specs
from openedai.config import ModelSpec, Settings
from openedai.engines.registry import SECRET_OPTIONS
from openedai.errors import APIError
from openedai.weights.library import WORTH_OFFERING, Library


class Bar:
    """A pull's steps as a progress bar on standard error."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task: TaskID | None = None

    def start(self, description: str, total: int | None) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.task = self.progress.add_task(description, total=total)

    def advance(self, n: int) -> None:
        if self.task is not None:
            self.progress.advance(self.task, n)


def pull_all(settings: Settings, specs: Sequence[ModelSpec], console: Console) -> None:
    """Fetch what is missing. Exits with 1, and the reason, if a model cannot be had."""
    library = Library(settings)
    for spec in specs:
        if library.ready(spec):
            continue
        console.print(f"Fetching {spec.id} from {spec.source}", highlight=False)
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        try:
            with Progress(*columns, console=console, transient=True) as progress:
                library.pull(spec, Bar(progress))
        except APIError as error:
            console.print(f"[red]{spec.id}:[/] {error.message}", highlight=False)
            raise typer.Exit(1) from error


def list_models(settings: Settings, console: Console) -> None:
    catalog, library = Catalog(settings), Library(settings)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("MODEL", "ENGINE", "ON DISK", "LICENCE"):
        table.add_column(title, overflow="fold")
    for spec in catalog.specs():
        name = spec.id if spec.prefix is None else f"{spec.prefix}…"
        table.add_row(name, spec.engine, _on_disk(library, spec), spec.license)
        for adapter in adapter_specs(spec):
            table.add_row(adapter.id, spec.engine, _on_disk(library, adapter), "")
    console.print(table)
    for spec in catalog.specs():
        if spec.aliases:
            console.print(f"\n[bold]{spec.id}[/] is also called", highlight=False)
            console.print("  " + ", ".join(spec.aliases), highlight=False)


def show(settings: Settings, name: str, console: Console) -> None:
    spec = Catalog(settings).resolve(name).spec
    library = Library(settings)
    rows = {
        "id": spec.id,
        "engine": spec.engine,
        "source": spec.source or "none",
        "licence": spec.license or "not stated",
        "aliases": ", ".join(spec.aliases) or "none",
        "adapters": ", ".join(adapter.name for adapter in spec.adapters) or "none",
        "options": ", ".join(map(_option, spec.options.items())) or "none",
        "on disk": _on_disk(library, spec),
        "form": _form(library, spec),
        "path": str(library.find(spec) or "-"),
    }
    for key, value in rows.items():
        console.print(f"{key:8}  {value}", highlight=False, soft_wrap=True)


def _option(option: tuple[str, object]) -> str:
    name, value = option
    return f"{name}={'…' if name in SECRET_OPTIONS else value}"


def remove(settings: Settings, name: str, console: Console) -> None:
    spec = Catalog(settings).resolve(name).spec
    freed = Library(settings).remove(spec)
    console.print(f"{spec.id}: {_megabytes(freed)} freed", highlight=False)


def _on_disk(library: Library, spec: ModelSpec) -> str:
    if not spec.source:
        return "needs none"
    size = library.size(spec) if library.find(spec) is not None else None
    return "no" if size is None else _megabytes(size)


def _form(library: Library, spec: ModelSpec) -> str:
    """The form of the weights, and whether another one would be faster."""
    share = library.slow_share(spec)
    if share < WORTH_OFFERING:
        return spec.requantise
    return f"{spec.requantise}; {share:.0%} of the weights are slow here, see `requantise`"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
