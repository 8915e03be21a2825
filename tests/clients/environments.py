"""Environments with other projects' clients: made from the registries, and kept.

Each is made from one file of pins, which stands beside the program that needs it: a
`requirements….txt` for a Python client, a `package.json` for one in JavaScript. They are kept in
`.venv-clients/`, under a digest of the pins, so that other pins make another environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

CLIENTS = Path(__file__).parent
KEPT = CLIENTS.parents[1] / ".venv-clients"
NODE = CLIENTS / "node" / "requirements.txt"
INSTALL_TIMEOUT = 600  # seconds


def pins_of(client: str, file: str = "") -> Path:
    """The file of pins of a client; `file` says which, where it has several."""
    folder = CLIENTS / client
    if file:
        return folder / file
    node = folder / "package.json"
    return node if node.exists() else folder / "requirements.txt"


def versions(pins: Path) -> dict[str, str]:
    """What is pinned, by the names of the packages, or by those that a file gives them."""
    text = pins.read_text("utf-8")
    if pins.suffix == ".json":
        found: dict[str, str] = json.loads(text)["dependencies"]
        return {name: version.rpartition("@")[2] for name, version in found.items()}
    return dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)$", text, re.MULTILINE))


def environment(pins: Path, kept: Path = KEPT) -> Path:
    """The folder, below `kept`, of the environment that these pins describe; made if need be.

    Raises SubprocessError if a registry is out of reach. An environment that was not made to
    the end is made again.
    """
    node = pins.suffix == ".json"
    make = _make_node if node else _make_python
    recipe = pins.read_bytes() + (NODE.read_bytes() if node else sys.version.encode())
    name = pins.parent.name + pins.stem.removeprefix("requirements").removeprefix("package")
    folder = kept / name / hashlib.sha256(recipe).hexdigest()[:12]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / "lock"):
        if not (folder / ".installed").exists():
            for old in folder.parent.glob("*/"):
                shutil.rmtree(old)
            make(pins, folder)
            (folder / ".installed").touch()
    return folder


def search_path(pins: Path) -> str:
    """The PATH on which this environment's commands are found, and the system's."""
    programs = [environment(pins) / "bin", Path("/usr/bin"), Path("/bin")]
    if pins.suffix == ".json":
        programs[0] = environment(NODE) / "bin"
    return os.pathsep.join(map(str, programs))


def _make_python(pins: Path, folder: Path) -> None:
    _run(sys.executable, "-m", "venv", folder)
    _run(folder / "bin/python", "-m", "pip", "install", "--quiet", "--requirement", pins)


def _make_node(pins: Path, folder: Path) -> None:
    """Node itself comes from the Python index, so that it need not be on the machine."""
    folder.mkdir()
    shutil.copy(pins, folder)
    npm = environment(NODE) / "bin/npm"
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    _run(npm, "install", *options, cwd=folder, path=search_path(NODE))


def _run(*command: str | Path, cwd: Path | None = None, path: str | None = None) -> None:
    variables = {**os.environ, "PYTHONPATH": "", "PATH": path or os.environ["PATH"]}
    subprocess.run(command, cwd=cwd, env=variables, timeout=INSTALL_TIMEOUT, check=True)
