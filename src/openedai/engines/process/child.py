"""Start, watch and end one child process, with a connection to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections import deque
from typing import Any, Self

from openedai.engines.process.adopted import AdoptedProcess
from openedai.engines.process.connection import Connection, pack
from openedai.errors import EngineFailed

log = logging.getLogger("openedai.engines")

_KEPT_LINES = 20


class Child:
    """A Python module run as a child process."""

    def __init__(
        self, process: asyncio.subprocess.Process | AdoptedProcess, connection: Connection
    ) -> None:
        self.process = process
        self.connection = connection
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
                connection = await Connection.over(ours)
            except BaseException:
                ours.close()
                raise
            try:
                process = await cls._spawn(module, theirs.fileno())
            except BaseException:
                connection.close()
                raise
        connection.send(pack(hello))
        return cls(process, connection)

    @staticmethod
    async def _spawn(module: str, end: int) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                str(end),
                pass_fds=(end,),
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
            body = await self.connection.frame()
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
        import psutil

        try:
            process = psutil.Process(self.process.pid)
            family = [process, *process.children(recursive=True)]
            return sum(int(member.memory_info().rss) for member in family)
        except psutil.Error:
            return 0

    async def stop(self, timeout: float = 2.0) -> None:
        """Close the connection, which ends the child; kill it after `timeout` seconds."""
        self.connection.close()
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
