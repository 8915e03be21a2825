"""The `openedai` command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    # The hub's library reports its use to the hub unless it is told not to.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if sys.argv[1:2] == ["serve"]:
        from openedai.cli.flags import serve_flags

        flags = serve_flags(sys.argv[2:])
        if flags is not None:
            from openedai.cli.start import start

            start(**flags)
            return
    from openedai.cli.commands import app

    app()
