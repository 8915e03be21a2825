"""A process that was started before the event loop."""

from __future__ import annotations

import asyncio
import subprocess


class AdoptedProcess:
    """The part of `asyncio.subprocess.Process` that `Child` uses."""

    def __init__(self, process: subprocess.Popen[bytes], stderr: asyncio.StreamReader) -> None:
        self.stdin = None
        self.stderr: asyncio.StreamReader | None = stderr
        self._process = process

    @classmethod
    async def of(cls, process: subprocess.Popen[bytes]) -> AdoptedProcess:
        """The process, which has a pipe for its standard error."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), process.stderr
        )
        return cls(process, reader)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    async def wait(self) -> int:
        return await asyncio.to_thread(self._process.wait)

    def kill(self) -> None:
        self._process.kill()
