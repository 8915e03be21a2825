"""A process that is watched from an event loop."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import suppress
from threading import Thread
from typing import Self


class _StderrProtocol(asyncio.StreamReaderProtocol):
    def eof_received(self) -> bool:
        """False, so that uvloop closes the pipe at its end, as asyncio's loop does."""
        super().eof_received()
        return False


class RunningProcess:
    """A process that has a pipe for its standard error, which `stderr` reads.

    The pipe is closed at its end. That may never come, if a process that this one started also
    holds it.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stderr: asyncio.StreamReader,
        pipe: asyncio.ReadTransport,
    ) -> None:
        self.stderr = stderr
        self._process = process
        self._pipe = pipe
        self._ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        Thread(target=self._watch, args=(loop,), name="process-end", daemon=True).start()

    @classmethod
    async def of(cls, process: subprocess.Popen[bytes]) -> Self:
        """Watch a process. If this fails, the process is killed."""
        try:
            reader = asyncio.StreamReader()
            pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: _StderrProtocol(reader), process.stderr
            )
            try:
                return cls(process, reader, pipe)
            except BaseException:
                pipe.close()
                raise
        except BaseException:
            with process:  # waits, and closes the pipe
                process.kill()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    async def wait(self) -> None:
        """Return when it has ended."""
        await self._ended.wait()

    def kill(self) -> None:
        self._process.kill()

    def close_stderr(self) -> None:
        """Close the pipe, whether it has ended or not."""
        self._pipe.close()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._process.wait()
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._ended.set)
