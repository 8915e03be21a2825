"""The `openedai` command."""

from __future__ import annotations

import os


def main() -> None:
    # The hub's library reports its use to the hub unless it is told not to.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from openedai.cli.commands import app

    app()
