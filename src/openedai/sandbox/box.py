"""One confined Python: started, used and ended by the server.

Nothing that comes from inside is trusted: frames are bounded, and the server opens no file that the
code has made, but gets their bytes over the connection.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import socket
import struct
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from openedai.engines.process.running import RunningProcess
from openedai.sandbox.command import Limits, Python, command
from openedai.sandbox.family import continue_all, excess, first_inside, send_signal, stop_all
from openedai.sandbox.inside import FIGURE_BYTES, FIGURES, FILES, KEPT, VALUE
from openedai.sandbox.seccomp import seccomp_filter

CHUNK = 1 << 20  # bytes of a file in one frame
_MOST_HEADER = 4 << 20
_MOST_BODY = 40 << 20
_START_SECONDS = 20.0
_FILE_SECONDS = 30.0  # for one question about files
_GRACE_SECONDS = 2.0  # for code that was interrupted
_LOOK_SECONDS = 0.2  # between two looks at the memory of all processes
_USERS = range(61184, 65520)  # ids that belong to nobody: systemd assigns them temporarily

Header = dict[str, Any]
T = TypeVar("T")


class BoxFailed(Exception):
    """The process could not be started, has ended, or was ended. Its text is for people."""


@dataclass(frozen=True)
class Ran:
    """What code wrote, the value of its last expression, the error that ended it, and its figures
    as PNG. `cut` is how many bytes of the text are left out. `late` is whether it was interrupted.
    """

    text: str
    cut: int = 0
    value: str | None = None
    error: str | None = None
    images: tuple[bytes, ...] = ()
    late: bool = False


@dataclass(frozen=True)
class BoxFile:
    """`changed` is in nanoseconds since 1970."""

    path: str
    bytes: int
    changed: int


class Box:
    """Allows one use at a time. Between `freeze` and `thaw` nothing inside computes.

    `_first` is the id of the first process inside, with which all others end; `process` waits for
    it.
    """

    def __init__(
        self,
        process: RunningProcess,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limits: Limits,
    ) -> None:
        self._process = process
        self._first = 0
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._watching: asyncio.Task[None] | None = None
        self._files_seconds = limits.files_seconds
        self._reason = "The Python process has ended."

    @classmethod
    async def start(cls, bwrap: str, python: Python, limits: Limits) -> Self:
        """Start a new box, without files and variables. Raises BoxFailed."""
        filter = seccomp_filter()
        if filter is None:
            raise BoxFailed("There is no filter of system calls for this machine's processor.")
        source = await asyncio.to_thread(Path(__file__).with_name("inside.py").read_text)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                line = command(bwrap, python, limits, source, theirs.fileno())
                process = await RunningProcess.of(_spawn(line, theirs.fileno(), filter))
        except OSError as error:
            ours.close()
            raise BoxFailed(f"The process could not be started: {error.strerror}.") from error
        except BaseException:
            ours.close()
            raise
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            process.kill()
            process.close_stderr()
            raise
        box = cls(process, reader, writer, limits)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await box._frame()
                box._first = await asyncio.to_thread(first_inside, process.pid)
        except BaseException as error:
            try:
                last_words = await box._last_words() if isinstance(error, BoxFailed) else ""
            finally:
                await box.close()
            if isinstance(error, BoxFailed | TimeoutError):
                raise BoxFailed(last_words or "The Python process does not start.") from error
            raise
        box._begin()
        return box

    @property
    def pid(self) -> int:
        """The process id of bubblewrap, the parent of all others."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._writer.is_closing()

    async def run(self, code: str, seconds: float) -> Ran:
        """Run code. After `seconds`, or if this is cancelled, it is interrupted; if that does not
        stop it, the whole process is ended. Raises BoxFailed.
        """
        given = {"op": "run", "code": code}
        (header, body), late = await self._interruptible(given, seconds)
        return self._checked(lambda: _ran(header, body, late))

    async def files(self) -> list[BoxFile]:
        """The files below `/mnt/data`: at most 1000. Raises BoxFailed."""
        header, _ = await self._asked({"op": "list"})
        return self._checked(lambda: _files(header))

    async def read(self, file: BoxFile) -> AsyncGenerator[bytes, None]:
        """The bytes of a file, at most as many as it was listed with. Raises BoxFailed."""
        at = 0
        while at < file.bytes:
            size = min(CHUNK, file.bytes - at)
            given = {"op": "read", "path": file.path, "start": at, "size": size}
            _, data = await self._asked(given)
            if not data:
                return
            yield data[:size]
            at += len(data)

    async def write(self, path: str, data: bytes, *, first: bool) -> int:
        """Append to a file; with `first` begin it anew. Returns the time of its change. Raises
        BoxFailed.
        """
        given = {"op": "write", "path": path, "first": first}
        header, _ = await self._asked(given, data)
        return self._checked(lambda: int(header["changed"]))

    async def remove(self, path: str) -> None:
        """Raises BoxFailed."""
        await self._asked({"op": "remove", "path": path}, may_fail=True)

    async def freeze(self) -> None:
        """Stop everything that runs inside."""
        if self.alive:
            await asyncio.to_thread(stop_all, self._process.pid)
        await self._end_watching()

    async def thaw(self) -> None:
        if self.alive:
            await asyncio.to_thread(continue_all, self._process.pid)
            self._begin()

    def kill(self, reason: str = "") -> None:
        """End everything immediately."""
        self._reason = reason or self._reason
        if self._process.returncode is None:
            if self._first:
                send_signal(self._first, signal.SIGKILL)
            else:
                self._process.kill()
        self._writer.close()

    async def close(self) -> None:
        """End everything, and return when it has ended."""
        self.kill()
        try:
            await self._end_watching()
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_SECONDS):
                    await self._process.wait()
        finally:
            self._process.close_stderr()

    async def _interruptible(
        self, header: Header, seconds: float
    ) -> tuple[tuple[Header, bytes], bool]:
        """The answer, and whether it came late."""
        ended = False
        answer = asyncio.create_task(self._ask(header, b""))
        try:
            done, _ = await asyncio.wait({answer}, timeout=seconds)
            if not done:
                await self._interrupt(answer, f"It took longer than {seconds:g} seconds")
            ended = True
            return answer.result(), not done
        except asyncio.CancelledError:
            await self._interrupt(answer, "Nobody waits for it any more")
            ended = True
            raise
        finally:
            if not ended:
                self.kill()
            answer.cancel()

    async def _interrupt(self, answer: asyncio.Task[tuple[Header, bytes]], why: str) -> None:
        with suppress(OSError):
            self._send({"op": "interrupt"})
        done, _ = await asyncio.wait({answer}, timeout=_GRACE_SECONDS)
        if not done:
            self.kill(f"{why}, and could not be interrupted: the Python process was ended.")
            await asyncio.wait({answer})
        if not answer.cancelled():
            answer.exception()

    def _begin(self) -> None:
        """Something computes inside from now on."""
        self._files_seconds = self._limits.files_seconds
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    async def _end_watching(self) -> None:
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        """End the box when its processes together take too much."""
        while self.alive:
            await asyncio.sleep(_LOOK_SECONDS)
            if reason := await asyncio.to_thread(excess, self._process.pid, self._limits):
                self.kill(reason)
                return

    async def _asked(
        self, header: Header, body: bytes = b"", *, may_fail: bool = False
    ) -> tuple[Header, bytes]:
        """The answer to a question about files, which does not take long."""
        done, began = False, time.monotonic()
        try:
            async with asyncio.timeout(min(_FILE_SECONDS, self._files_seconds)):
                answer = await self._ask(header, body)
            done = True
        except TimeoutError:
            raise BoxFailed("The Python process does not answer.") from None
        finally:
            self._files_seconds -= time.monotonic() - began
            if not done:  # an answer that comes later would be taken for the next one
                self.kill()
        if "failed" in answer[0] and not may_fail:
            raise BoxFailed(f"A file cannot be used: {str(answer[0]['failed'])[:200]}.")
        return answer

    async def _ask(self, header: Header, body: bytes) -> tuple[Header, bytes]:
        try:
            self._send(header, body)
            await self._writer.drain()
        except OSError:
            raise BoxFailed(self._reason) from None
        return await self._frame()

    def _send(self, header: Header, body: bytes = b"") -> None:
        text = json.dumps(header).encode()
        self._writer.write(struct.pack(">II", len(text), len(body)) + text + body)

    async def _frame(self) -> tuple[Header, bytes]:
        try:
            first, second = struct.unpack(">II", await self._reader.readexactly(8))
            if first > _MOST_HEADER or second > _MOST_BODY:
                raise ValueError
            header = json.loads(await self._reader.readexactly(first))
            body = await self._reader.readexactly(second)
        except (OSError, asyncio.IncompleteReadError, ValueError, RecursionError):
            self.kill()
            raise BoxFailed(self._reason) from None
        if not isinstance(header, dict):
            self.kill()
            raise BoxFailed(self._reason)
        return header, body

    def _checked(self, read: Callable[[], T]) -> T:
        """What `read` makes of an answer; anything that is not a valid answer ends the process."""
        try:
            return read()
        except (KeyError, TypeError, ValueError, OverflowError):
            self.kill()
            raise BoxFailed(self._reason) from None

    async def _last_words(self) -> str:
        """The last line written by bubblewrap, which has ended or is about to."""
        with suppress(TimeoutError, ValueError):
            async with asyncio.timeout(_GRACE_SECONDS):
                written = (await self._process.stderr.read(4096)).decode("utf-8", "replace")
                await self._process.wait()
                return written.strip().rpartition("\n")[2][:300]
        return ""


def _spawn(line: list[str], end: int, filter: bytes) -> subprocess.Popen[bytes]:
    """Start it in its own process group. It ends with the thread that calls this. A server that
    runs as root gives it another user.
    """
    read, write = os.pipe()
    try:
        with os.fdopen(write, "wb") as rules:
            rules.write(filter)
        at = line.index("--")
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            id = random.SystemRandom().choice(_USERS)
            user = {"user": id, "group": id, "extra_groups": []}
        return subprocess.Popen(
            [*line[:at], "--seccomp", str(read), *line[at:]],
            pass_fds=(end, read),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
            cwd="/",
            env={},  # the first process inside keeps it
            **user,
        )
    finally:
        os.close(read)


def _files(header: Header) -> list[BoxFile]:
    listed = header["files"]
    if len(listed) > FILES:
        raise ValueError
    return [BoxFile(str(path), int(size), int(at)) for path, size, at in listed]


def _ran(header: Header, body: bytes, late: bool) -> Ran:
    sizes = [int(size) for size in header["images"]]
    if len(sizes) > FIGURES or not all(0 <= size <= FIGURE_BYTES for size in sizes):
        raise ValueError
    ends = list(itertools.accumulate(sizes))
    value, error = header["value"], header["error"]
    return Ran(
        text=_text(header["text"], KEPT),
        cut=int(header["cut"]),
        value=None if value is None else _text(value, VALUE),
        error=None if error is None else _text(error, VALUE),
        images=tuple(body[end - size : end] for size, end in zip(sizes, ends, strict=True)),
        late=late,
    )


def _text(value: object, most: int) -> str:
    """A text of code, which may have surrogates alone: these are no characters."""
    return str(value)[:most].encode("utf-8", "replace").decode()
