"""The options of `openedai usage`."""

from __future__ import annotations

from typing import Annotated

import typer

from openedai.cli.start import read_settings
from openedai.cli.terminal import Config, ErrorMessages, stdout
from openedai.cli.usage.dimensions import By
from openedai.config import ConfigError

EXAMPLES = (
    "Examples: [bold]openedai usage[/] | [bold]openedai usage --since 4w --by day[/] | "
    "[bold]openedai usage --by key --csv > usage.csv[/]"
)


def show_usage(
    since: Annotated[
        str, typer.Option(help="Start: 24h, 7d or 4w ago, or a date (2026-01-31).")
    ] = "7d",
    by: Annotated[By, typer.Option(help="What to group the rows by.")] = "model",
    keys: Annotated[
        list[str] | None,
        typer.Option(help="Only requests with the key of this id; may be repeated."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; docs/usage.md has its shape.")
    ] = False,
    config: Config = None,
) -> None:
    """Show how much the models were used, and what it cost."""
    from openedai.cli.usage import report

    with ErrorMessages():
        if as_csv and as_json:
            raise ConfigError("give either --csv or --json, not both")
        found = report.rows(read_settings(config), since, by, keys or ())
        if as_csv:
            print(report.as_csv(found, by), end="")
        elif as_json:
            print(report.as_json(found))
        else:
            report.show(found, by, stdout())
