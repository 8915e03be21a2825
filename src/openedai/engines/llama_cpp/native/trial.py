"""Tries a build of llama.cpp in a separate process, which it may crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from openedai.errors import EngineFailed

_TIMEOUT = 60.0  # seconds


def why_unusable(path: Path, gpu: bool) -> str:
    """Why the build at `path` cannot be used; empty if it can. With `gpu` it has to find a GPU."""
    command = [sys.executable, "-m", __name__, str(path), *(["gpu"] if gpu else [])]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "it did not open in time."
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"it ended with status {done.returncode}."


def _main(path: str, *needs: str) -> None:
    from ctypes import c_bool

    from openedai.engines.llama_cpp.native.library import Library

    try:
        library = Library(Path(path))
    except EngineFailed as error:
        sys.exit(error.message)
    finds_gpu = library.c.llama_supports_gpu_offload
    finds_gpu.restype, finds_gpu.argtypes = c_bool, []
    if needs and not finds_gpu():
        sys.exit("it finds no GPU that it can use, or not what it needs for that.")


if __name__ == "__main__":
    _main(*sys.argv[1:])
