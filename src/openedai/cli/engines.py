"""`openedai engines …`: list, pull and remove builds of llama.cpp."""

from __future__ import annotations

from typing import Literal

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openedai.cli.progress import pull_progress
from openedai.config import Settings
from openedai.errors import Unavailable
from openedai.weights.builds.installed import Builds

WHEEL = "wheel"


class BuildInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One build for this machine, as JSON. `used` marks the one that models use by default."""

    name: str
    computes_on: str
    state: Literal["on_disk", "not_downloaded"]
    used: bool
    download_size: int | None
    license: str
    source: str


def builds(settings: Settings) -> list[BuildInfo]:
    installed = Builds(settings)
    best = installed.best()
    found = [
        BuildInfo(
            name=name,
            computes_on=build.computes_on,
            state="on_disk" if installed.find(name) else "not_downloaded",
            used=name == best,
            download_size=build.size,
            license=build.license,
            source=build.source,
        )
        for name, build in installed.table.items()
        if build.platform == installed.platform
    ]
    wheel = BuildInfo(
        name=WHEEL,
        computes_on="processors",
        state="on_disk",
        used=best is None,
        download_size=None,
        license="MIT",
        source="the package xllamacpp",
    )
    return [*found, wheel]


def list_builds(settings: Settings, console: Console) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("BUILD", "COMPUTES ON", "STATE", "DOWNLOAD", "LICENCE", "SOURCE"):
        table.add_column(heading, overflow="fold")
    for build in builds(settings):
        state = "on disk" if build.state == "on_disk" else "not downloaded"
        table.add_row(
            build.name,
            build.computes_on,
            f"{state}, used" if build.used else state,
            f"{build.download_size / 1e6:,.0f} MB" if build.download_size else "-",
            build.license,
            build.source,
        )
    console.print(table)


def list_builds_as_json(settings: Settings) -> str:
    return msgspec.json.format(msgspec.json.encode(builds(settings))).decode()


def pull_build(installed: Builds, name: str | None, console: Console) -> None:
    """Download a build, or the one for this machine's processor. Exits with 1 if that fails."""
    try:
        chosen = name or installed.default()
        if installed.find(chosen) is None:
            console.print(f"Pulling {chosen} from {installed.table[chosen].source}", soft_wrap=True)
            with pull_progress(console) as progress:
                installed.pull(chosen, progress)
    except Unavailable as error:
        console.print(f"[red]openedai:[/] {escape(error.message)}", soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(
        f"{chosen} is on disk. Models use {installed.best()} from their next load on.",
        soft_wrap=True,
    )


def remove_build(installed: Builds, name: str, console: Console) -> None:
    """Raises Unavailable."""
    console.print(f"{name}: {installed.remove(name) / 1e6:,.0f} MB freed")
