"""A worker that loads its model while the server is still being imported.

A file has what the last server loaded first: the whole Load frame, and the states of the files that
it names. A server with the same settings sends that frame to a worker before anything heavy is
imported, asyncio included; so this module imports nothing heavy either. The worker is used if
exactly this load comes and no file has changed. Otherwise it is ended, and only time was lost.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from openedai import __version__
from openedai.engines.process.spawn import spawn

if TYPE_CHECKING:
    from openedai.engines.process.child import Child

WORKER = "openedai.engines.process.worker"


class FileState(msgspec.Struct, frozen=True, array_like=True):
    path: str
    size: int
    modified: int  # nanoseconds since 1970


class Facts(msgspec.Struct, frozen=True):
    """The contents of the file. `key` stands for the settings."""

    version: str
    key: str
    frame: bytes
    paths: tuple[str, ...]
    files: tuple[FileState, ...]

    def hold(self) -> bool:
        """Whether all files are unchanged."""
        return self.files == states(self.paths)


class EarlyStart:
    """The early worker of a server, if there is one. `key` stands for its settings.

    The file is written again whenever a different first load succeeds.
    """

    def __init__(self, file: Path, key: str) -> None:
        self._file = file
        self._key = key
        self._facts: Facts | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._end: socket.socket | None = None
        self._remembered = False

    def begin(self) -> None:
        """Start the worker, if the file's facts are for this server and still hold."""
        facts = self._read()
        if facts is not None and facts.hold():
            with contextlib.suppress(OSError):
                self._spawn(facts)

    async def adopt(self, frame: bytes) -> Child | None:
        """The worker, if it was sent this frame; its next frame is the result of the load."""
        facts, process, end = self._facts, self._process, self._end
        if facts is None or process is None or end is None:
            return None
        if frame != facts.frame or not facts.hold():
            return None
        self._process = self._end = None
        from openedai.engines.process.child import Child
        from openedai.engines.process.connection import Connection
        from openedai.engines.process.running import RunningProcess

        try:
            running = await RunningProcess.of(process)
        except BaseException:
            end.close()
            raise
        try:
            return Child(running, await Connection.over(end))
        except BaseException:
            end.close()
            running.kill()
            running.close_stderr()
            raise

    def remember(self, frame: bytes, paths: Sequence[str]) -> None:
        """Save the frame for the next server, if it is the first that succeeded in this one."""
        if self._remembered:
            return
        self._remembered = True
        facts = Facts(__version__, self._key, frame, tuple(paths), states(paths))
        if facts != self._facts:
            with contextlib.suppress(OSError):
                self._write(facts)

    def end(self) -> None:
        """Kill the worker, unless it was adopted. It has nothing to save."""
        process, end = self._process, self._end
        self._process = self._end = None
        if process is not None and end is not None:
            end.close()
            process.kill()
            process.communicate()

    def _spawn(self, facts: Facts) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                ours.sendall(facts.frame)
                process = spawn(WORKER, theirs.fileno())
            except BaseException:
                ours.close()
                raise
        self._facts, self._process, self._end = facts, process, ours

    def _read(self) -> Facts | None:
        try:
            facts = msgspec.msgpack.decode(self._file.read_bytes(), type=Facts)
        except (OSError, msgspec.DecodeError):
            return None
        return facts if (facts.version, facts.key) == (__version__, self._key) else None

    def _write(self, facts: Facts) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.msgpack.encode(facts))
            part.replace(self._file)
        finally:
            part.unlink(missing_ok=True)


def states(paths: Iterable[str]) -> tuple[FileState, ...]:
    """The states of files, and of the files in folders. Those that are missing have size -1."""
    found: list[FileState] = []
    for path in paths:
        folder = Path(path)
        files = sorted(one for one in folder.rglob("*") if one.is_file()) if folder.is_dir() else []
        found += [_state(str(one)) for one in files or [folder]]
    return tuple(found)


def _state(path: str) -> FileState:
    try:
        state = Path(path).stat()
    except OSError:
        return FileState(path, -1, 0)
    return FileState(path, state.st_size, state.st_mtime_ns)
