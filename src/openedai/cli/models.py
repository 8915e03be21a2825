"""`openedai models …`: list, show, pull and remove models."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openedai.catalog.catalog import Catalog
from openedai.cli.model_info import inventory
from openedai.cli.progress import pull_progress
from openedai.config import ModelSpec, Settings
from openedai.errors import APIError
from openedai.serving.models.inventory import State
from openedai.weights.library import WORTH_OFFERING, Library

STATES: dict[State, str] = {
    "loaded": "loaded",
    "on_disk": "on disk",
    "not_downloaded": "not downloaded",
    "missing": "missing",
    "no_weights": "no weights",
}


def pull_all(
    settings: Settings,
    specs: Sequence[ModelSpec],
    console: Console,
    *,
    optional: Sequence[ModelSpec] = (),
) -> None:
    """Download missing models. If that fails, print the reason and, unless the model is `optional`,
    exit with 1.
    """
    library = Library(settings)
    for spec in (*specs, *optional):
        if library.ready(spec):
            continue
        line = f"Pulling {spec.id} from {spec.source}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        try:
            with pull_progress(console) as progress:
                library.pull(spec, progress)
        except APIError as error:
            console.print(
                f"[red]{escape(spec.id)}:[/] {escape(error.message)}",
                highlight=False,
                soft_wrap=True,
            )
            if spec in specs:
                raise SystemExit(1) from error


def list_models(settings: Settings, console: Console) -> None:
    """Print a table that fits the console. On a narrow one licences are left out."""
    width = console.width
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("MODEL", overflow="fold")
    if width >= 72:
        table.add_column("KIND", max_width=None if width >= 100 else len("transcription"))
    else:
        table.add_column("KIND", max_width=len("embedding"), no_wrap=True, overflow="ellipsis")
    table.add_column("SIZE", justify="right", no_wrap=True)
    table.add_column("STATE", max_width=None if width >= 72 else len("downloaded"))
    if width >= 72:
        widest = None if width >= 100 else len("Apache-2.0")
        table.add_column("LICENCE", max_width=widest, no_wrap=True, overflow="ellipsis")
    for model in inventory(settings).models():
        row = (
            model.id if model.prefix is None else f"{model.prefix}…",
            ", ".join(model.capabilities),
            _megabytes(model.size_on_disk or model.download_size),
            STATES[model.state],
            (model.license or "").partition(" (")[0],
        )
        table.add_row(*row[: len(table.columns)])
    console.print(table)


def list_models_as_json(settings: Settings) -> str:
    return _json(list(inventory(settings).models()))


def show(settings: Settings, name: str, console: Console) -> None:
    """Print what is known about one model. Raises ModelNotFound."""
    model = inventory(settings).details(name)
    weight_format = model.requantise
    if model.slow_share >= WORTH_OFFERING:
        weight_format += f"; {model.slow_share:.0%} of the weights are slow here, see `requantise`"
    rows = {
        "id": model.id,
        "prefix": model.prefix,
        "adapts": model.base_model,
        "kind": ", ".join(model.capabilities),
        "engine": model.engine,
        "source": model.source or "none",
        "licence": model.license or "not stated",
        "aliases": ", ".join(model.aliases) or "none",
        "adapters": ", ".join(model.adapters) or "none",
        "options": ", ".join(f"{key}={value}" for key, value in model.options.items()) or "none",
        "state": STATES[model.state],
        "size": _megabytes(model.size_on_disk or model.download_size),
        "format": weight_format,
        "path": model.path or "-",
    }
    for key, value in rows.items():
        if value is not None:
            console.print(_paragraph(key, value, console.width), markup=False, soft_wrap=True)


def show_as_json(settings: Settings, name: str) -> str:
    return _json(inventory(settings).details(name))


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str)).decode()


def _paragraph(key: str, value: str, width: int) -> str:
    """`value` after `key`, wrapped between words to `width` columns and indented."""
    return textwrap.fill(
        value,
        width,
        initial_indent=f"{key:8}  ",
        subsequent_indent=" " * 10,
        break_long_words=False,
        break_on_hyphens=False,
    )


def remove(settings: Settings, name: str, console: Console) -> None:
    spec = Catalog(settings).known(name).spec
    freed = Library(settings).remove(spec)
    console.print(f"{spec.id}: {freed / 1e6:,.0f} MB freed", highlight=False)


def _megabytes(size: int | None) -> str:
    return f"{size / 1e6:,.0f} MB" if size else "-"
