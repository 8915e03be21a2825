"""Whether code can be confined on this machine: tested once, by code that tries to escape."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from openedai.sandbox.box import Box, BoxFailed
from openedai.sandbox.command import ENVIRONMENT, Limits, Python

log = logging.getLogger("openedai.sandbox")

_PROBE = Limits(memory=256 << 20, disk=4 << 20, processes=12)
_SECONDS = 20.0
_ENTRIES = 40  # of each folder that must not be visible
_OTHER_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")


@dataclass(frozen=True)
class Confined:
    """Runs code."""

    bwrap: str
    python: Python

    async def start(self, limits: Limits) -> Box:
        """Raises BoxFailed."""
        return await Box.start(self.bwrap, self.python, limits)


class NotConfined(Exception):
    """Code cannot be confined here. The text says why, and what to do."""


class Confinement:
    """`python` is the interpreter for running code; empty for the server's own, or the system's if
    that cannot be used. Code must see neither the `hidden` folders nor the home and working
    folders. If a `hidden` folder is inside something that code sees, such as `/usr`, no code is
    run.
    """

    def __init__(self, python: str, hidden: Sequence[Path]) -> None:
        self._python = python
        self._hidden = hidden
        self._lock = asyncio.Lock()
        self._found: Confined | str | None = None

    async def confined(self) -> Confined:
        """What runs code, once confinement has been tested. Raises NotConfined."""
        async with self._lock:
            if self._found is None:
                self._found = await self._try()
                if isinstance(self._found, str):
                    log.warning("code cannot be run: %s", self._found)
        if isinstance(self._found, str):
            raise NotConfined(self._found)
        return self._found

    async def _try(self) -> Confined | str:
        if not sys.platform.startswith("linux"):
            return "code can be confined on Linux only"
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            return "bubblewrap is not installed (apt-get install bubblewrap)"
        reason = ""
        for program in self._programs():
            try:
                python = await asyncio.to_thread(Python.at, program)
                await self._probe(bwrap, python)
            except (OSError, ValueError, BoxFailed) as error:
                reason = reason or f"{program} cannot be confined: {error}".rstrip(".")
                continue
            return Confined(bwrap, python)
        return reason or "there is no Python that could run it"

    def _programs(self) -> Iterable[str]:
        if self._python:
            return [self._python]
        others = [path for path in _OTHER_PYTHONS if Path(path).exists()]
        return dict.fromkeys([sys.executable, *others])

    async def _probe(self, bwrap: str, python: Python) -> None:
        """Try to escape. Raises ValueError if anything is possible that must not be."""
        for folder in (*self._hidden, Path.cwd()):
            if any(folder.is_relative_to(one) for one in ("/usr", *python.folders)):
                raise ValueError(f"{folder} is in a folder that code sees")
        secret = await asyncio.to_thread(lambda: list(_entries(self._hidden, python)))
        given = {
            "hidden": secret,
            "environment": [*ENVIRONMENT, "PWD", "LC_CTYPE"],
            "limits": _PROBE.of_process(),
            "disk": _PROBE.disk,
            "folders": ["/", "/usr", "/dev", "/proc/sys/kernel", *python.folders],
        }
        source = await asyncio.to_thread(Path(__file__).with_name("probe.py").read_text)
        box = await Box.start(bwrap, python, _PROBE)
        try:
            result = await box.run(f"{source}\nprobe({json.dumps(given)!r})", _SECONDS)
        finally:
            await box.close()
        if result.error or result.value != "[]":
            last_line = (result.error or result.value or "").strip().rpartition("\n")[2]
            raise ValueError(f"it is not confined: {last_line[:500]}")


def _entries(hidden: Iterable[Path], python: Python) -> Iterator[str]:
    """Paths that code must not see: some in each hidden folder, the home folder and the working
    folder.
    """
    seen = [Path("/usr"), *map(Path, python.folders)]
    for folder in (*hidden, Path.cwd(), Path("~").expanduser()):
        if folder == Path("/"):  # a server without a home folder: all that code sees is below it
            continue
        try:
            entries = sorted(folder.iterdir())[:_ENTRIES]
        except OSError:
            continue
        for path in entries:
            if not any(path.is_relative_to(one) or one.is_relative_to(path) for one in seen):
                yield str(path)
