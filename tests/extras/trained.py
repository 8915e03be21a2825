"""Tiny models that scripts here train, on their first use ever; then they are kept."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

from openedai.config import Settings


def tiny_diffusion_folder() -> Path:
    """The folder of the model of `tiny_diffusion.py`."""
    return _trained("tiny_diffusion", "shapes")


def tiny_ranker_folder() -> Path:
    """The folder of the model of `tiny_ranker.py`."""
    return _trained("tiny_ranker")


def _trained(script: str, *modules: str) -> Path:
    """The folder of a script's model, in the user's cache; another one after any change of the
    script, or of the modules that it uses.
    """
    here, name = Path(__file__).parent, script.replace("_", "-")
    code = b"".join((here / f"{one}.py").read_bytes() for one in (script, *modules))
    cache = Settings(_env_file=None).cache_dir.expanduser() / "tests"
    folder = cache / f"{name}-{hashlib.sha256(code).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{name}.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache) as made:
                command = [sys.executable, "-m", f"tests.extras.{script}", f"{made}/model"]
                subprocess.run(command, check=True, cwd=here.parents[1])
                Path(made, "model").rename(folder)
    return folder
