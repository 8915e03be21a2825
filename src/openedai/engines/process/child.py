"""Start, watch and end one child process, and exchange frames with it.

A frame is a length (4 bytes, big endian) and a msgpack body. Frames go over a socket pair: it has
no file, and when either side ends, the other reads the end of the stream. That is how the child
learns that its parent is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections import deque
from typing import Any, Self

import msgspec
import psutil

from openedai.contract.struct import Struct
from openedai.errors import APIError, EngineFailed

log = logging.getLogger("openedai.engines")

_LENGTH = 4
_KEPT_LINES = 20
_READ_AHEAD = 1 << 20


class Failure(Struct, frozen=True, tag="failure"):
    """An APIError as it is sent in a frame; `kind` is the name of its class."""

    kind: str
    message: str
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Of any exception; those that are not APIErrors become EngineFailed."""
        if not isinstance(error, APIError):
            error = EngineFailed(f"{type(error).__name__}: {error}")
        return cls(
            kind=type(error).__name__,
            message=error.template,
            code=error.code,
            param=error.param,
            retry_after=error.retry_after,
        )

    def error(self) -> APIError:
        """An error of the same class as the original."""
        found = next((c for c in _error_classes(APIError) if c.__name__ == self.kind), EngineFailed)
        error = found.__new__(found)
        APIError.__init__(
            error, self.message, code=self.code, param=self.param, retry_after=self.retry_after
        )
        return error


def _error_classes(root: type[APIError]) -> list[type[APIError]]:
    return [root, *(c for sub in root.__subclasses__() for c in _error_classes(sub))]


def pack(value: Any) -> bytes:
    """The frame of a value that msgspec can encode."""
    body = msgspec.msgpack.encode(value)
    return len(body).to_bytes(_LENGTH, "big") + body


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The body of the next frame; None when the other side is gone."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError, OSError):
        return None


class Child:
    """A Python module run as a child process, with a framed connection to it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.process = process
        self.reader = reader
        self.writer = writer
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._log_task = asyncio.create_task(self._read_stderr())

    @classmethod
    async def start(cls, module: str, hello: Any) -> Self:
        """Run `python -m module FD` and send it `hello` as its first frame.

        The child is in a session of its own, so that Ctrl-C in a terminal reaches only the
        parent, which then ends its children in order. Raises EngineFailed.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                reader, writer = await asyncio.open_unix_connection(sock=ours, limit=_READ_AHEAD)
            except BaseException:
                ours.close()
                raise
            try:
                process = await cls._spawn(module, theirs.fileno())
            except BaseException:
                writer.close()
                raise
        child = cls(process, reader, writer)
        child.writer.write(pack(hello))
        return child

    @staticmethod
    async def _spawn(module: str, connection: int) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                str(connection),
                pass_fds=(connection,),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineFailed(f"A worker process could not be started: {error}.") from error

    async def first_frame(self, model: str) -> bytes:
        """The body of the child's first frame. Raises EngineFailed if the child dies instead."""
        try:
            body = await read_frame(self.reader)
        except asyncio.CancelledError:
            await self.stop()
            raise
        if body is None:
            await self.stop()
            output = " ".join(self.last_lines)[-500:] or "it said nothing"
            raise EngineFailed(f"The worker of model `{model}` ended while it loaded: {output}.")
        return body

    async def wait(self) -> None:
        """Return when the process has ended."""
        await self.process.wait()

    def resident_bytes(self) -> int:
        """Resident memory of the process and of those that it started."""
        try:
            process = psutil.Process(self.process.pid)
            family = [process, *process.children(recursive=True)]
            return sum(int(member.memory_info().rss) for member in family)
        except psutil.Error:
            return 0

    async def stop(self, timeout: float = 2.0) -> None:
        """Close the connection, which ends the child; kill it after `timeout` seconds."""
        self.writer.close()
        try:
            async with asyncio.timeout(timeout):
                await self.process.wait()
        except TimeoutError:
            self._kill()
        except asyncio.CancelledError:
            self._kill()
            raise
        await self.process.wait()
        await self._log_task

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def _read_stderr(self) -> None:
        stream = self.process.stderr
        if stream is None:
            return
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # a line longer than the reader's limit
                continue
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip()
            self.last_lines.append(text)
            log.debug("worker %d: %s", self.process.pid, text)
