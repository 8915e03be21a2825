"""The `openedai` command."""

from __future__ import annotations


def main() -> None:
    from openedai.cli.commands import app

    app()
