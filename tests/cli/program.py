"""The `openedai` program, run as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def openedai(
    *arguments: str, folder: Path, text: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run it in `folder` with `text` as its input, without the settings of this environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPENEDAI_")}
    return subprocess.run(
        [sys.executable, "-m", "openedai", *arguments],
        cwd=folder,
        env={**kept, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
