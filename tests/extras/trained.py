"""The model of `tiny_diffusion.py`, trained on its first use ever and then kept."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

from openedai.config import Settings

_SCRIPTS = ("tiny_diffusion.py", "shapes.py")


def tiny_diffusion_folder() -> Path:
    """The folder of the model, in the user's cache; another one after any change of the script."""
    here = Path(__file__).parent
    code = b"".join((here / name).read_bytes() for name in _SCRIPTS)
    cache = Settings(_env_file=None).cache_dir.expanduser() / "tests"
    folder = cache / f"tiny-diffusion-{hashlib.sha256(code).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "tiny-diffusion.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache) as made:
                command = [sys.executable, "-m", "tests.extras.tiny_diffusion", f"{made}/model"]
                subprocess.run(command, check=True, cwd=here.parents[1])
                Path(made, "model").rename(folder)
    return folder
