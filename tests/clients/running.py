"""Runs the program of another project's client against a server of ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.clients.environments import CLIENTS, environment, pins_of, search_path, versions
from tests.support import Running, fetch

TIMEOUT = 600  # seconds


def run(
    client: str,
    server: Running,
    folder: Path,
    *,
    pins: str = "",
    program: str = "main",
    package: str = "",
    address: str = "OPENAI_BASE_URL",
    **variables: str,
) -> dict[str, Any]:
    """What the client's `program` printed: one JSON object, in its last line.

    It runs on a copy in `folder`, with nothing of this machine's environment; `address` is the
    variable that has the server's, and `variables` are added. Its version is the pinned one of
    `package`, by default of the first. If it takes too long, it is killed with all that it started.
    """
    file = pins_of(client, pins)
    place, home, temporary = (folder / name for name in ("client", "home", "temporary"))
    shutil.copytree(CLIENTS / client, place)
    home.mkdir()
    temporary.mkdir()
    command = ["python", "-W", "ignore", f"{program}.py"]
    if file.suffix == ".json":
        (place / "node_modules").symlink_to(environment(file) / "node_modules")
        command = ["node", f"{program}.mjs"]
    path = search_path(file)
    environ = {
        "PATH": path,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "OPENAI_API_KEY": "dummy",
        address: f"{server.url}/v1",
        **variables,
    }
    command[0] = shutil.which(command[0], path=path) or command[0]
    seen: dict[str, Any] = json.loads(_output(command, place, environ).splitlines()[-1])
    pinned = versions(file)
    assert seen["version"] == pinned[package or next(iter(pinned))]
    return seen


def _output(command: list[str], place: Path, environ: dict[str, str]) -> str:
    with subprocess.Popen(
        command,
        cwd=place,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=TIMEOUT)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0, f"{output}\n{errors}"
    return output


def sockets(server: Running) -> int:
    """How many WebSockets it has opened."""
    page = fetch(f"{server.url}/metrics").body.decode()
    opened = re.search(r'^openedai_requests_total\{.*status="101"\} (\d+)', page, re.MULTILINE)
    return int(opened[1]) if opened else 0
