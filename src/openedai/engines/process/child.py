"""Start, watch and end one child process, with a connection to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from openedai.engines.process.connection import Connection, pack
from openedai.engines.process.running import RunningProcess
from openedai.engines.process.spawn import spawn
from openedai.engines.process.watchdog import LoadWatch, VitalSigns
from openedai.errors import EngineFailed

if TYPE_CHECKING:
    import psutil

log = logging.getLogger("openedai.engines")

_KEPT_LINES = 20
# Seconds. A process that waits for a broken disk cannot be killed at all.
_KILL_TIMEOUT = 5.0


class Child:
    """A Python module run as a child process."""

    def __init__(self, process: RunningProcess, connection: Connection) -> None:
        self.process = process
        self.connection = connection
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._log_task = asyncio.create_task(self._read_stderr())

    @classmethod
    async def start(cls, module: str, hello: Any) -> Self:
        """Run `python -m module FD` and send it `hello` as its first frame.

        Ctrl-C in a terminal does not reach it: the parent ends its children in order. Raises
        EngineFailed.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise _not_started(error) from error
        with theirs:
            try:
                connection = await Connection.over(ours)
            except BaseException:
                ours.close()
                raise
            try:
                process = await RunningProcess.of(spawn(module, theirs.fileno()))
            except OSError as error:
                connection.close()
                raise _not_started(error) from error
            except BaseException:
                connection.close()
                raise
        connection.send(pack(hello))
        return cls(process, connection)

    async def first_frame(self, model: str, silence: float) -> bytes:
        """The body of the child's first frame.

        Raises EngineFailed if the child dies first, or does nothing for `silence` seconds.
        """
        watch = LoadWatch(silence, self.vital_signs)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(watch.tick):
                        body = await self.connection.frame()
                        break
                if watch.hung():
                    log.error("the worker of %s did nothing for %g s: killed", model, silence)
                    self.kill()
                    body = None
                    break
        except asyncio.CancelledError:
            await self.stop()
            raise
        if body is None:
            await self.stop()
            log.error("the worker of %s ended while it loaded: %s", model, self.last_output())
            raise EngineFailed(
                f"The worker of model `{model}` ended while it loaded. The server's log has more.",
                code="engine_crashed",
            )
        return body

    def last_output(self) -> str:
        """The end of what it has written to standard error."""
        return " ".join(self.last_lines)[-500:] or "it said nothing"

    async def wait(self) -> None:
        """Return when the process has ended."""
        await self.process.wait()

    def resident_bytes(self) -> int:
        """The resident memory of the process and of those that it started, in bytes; 0 if it has
        ended.
        """
        import psutil

        try:
            return sum(int(member.memory_info().rss) for member in self._family())
        except psutil.Error:
            return 0

    def vital_signs(self) -> VitalSigns | None:
        """What the process and those that it started have done; None if it has ended."""
        import psutil

        computed, transferred = 0.0, 0
        try:
            for member in self._family():
                computed += sum(member.cpu_times()[:2])
                with contextlib.suppress(AttributeError, psutil.AccessDenied):
                    transferred += sum(member.io_counters()[2:])  # not on every system
        except psutil.Error:
            return None
        return VitalSigns(computed, transferred, self.resident_bytes())

    def _family(self) -> list[psutil.Process]:
        import psutil

        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    async def stop(self, timeout: float = 2.0) -> None:
        """Close the connection, which ends the child; kill it after `timeout` seconds."""
        self.connection.close()
        try:
            async with asyncio.timeout(timeout):
                await self.process.wait()
        except TimeoutError:
            self.kill()
        except asyncio.CancelledError:
            self.kill()
            raise
        try:
            async with asyncio.timeout(_KILL_TIMEOUT):
                await self.process.wait()
                await self._log_task
        except TimeoutError:
            log.error("worker %d, or a process that it started, does not end", self.process.pid)

    def kill(self) -> None:
        """Kill the process and those that it started, and close the connection at once."""
        if self.process.returncode is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:  # not the leader of its group
                self.process.kill()
        self.connection.abort()

    async def _read_stderr(self) -> None:
        try:
            while True:
                try:
                    line = await self.process.stderr.readline()
                except ValueError:  # a line longer than the reader's limit
                    continue
                if not line:
                    return
                text = line.decode("utf-8", "replace").rstrip()
                self.last_lines.append(text)
                log.debug("worker %d: %s", self.process.pid, text)
        finally:
            self.process.close_stderr()


def _not_started(error: OSError) -> EngineFailed:
    return EngineFailed(f"A worker process could not be started: {error.strerror}.")
