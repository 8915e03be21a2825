"""A public address for a server on this machine, through a program that the user has installed."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import subprocess
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

OPEN_SECONDS = 60.0
RESTART_SECONDS = 5.0
_LONGEST_LINE = 1 << 16
_KEEPER = "openedai.cli.listening.tunnel_process"
_SHOWN_LINES = 8

log = logging.getLogger("openedai.serve")


class TunnelFailed(Exception):
    """The text says why, for people."""


@dataclass(frozen=True)
class Program:
    """`arguments` may contain `{address}` and `{destination}`. The first group of `url` matches the
    public URL in the program's output. `install` says where to get the program.
    """

    arguments: tuple[str, ...]
    url: re.Pattern[str]
    install: str


PROGRAMS = {
    "cloudflared": Program(
        ("tunnel", "--no-autoupdate", "--url", "http://{address}"),
        re.compile(r"(https://[\w-]+\.trycloudflare\.com)"),
        "https://github.com/cloudflare/cloudflared/releases",
    ),
    "ngrok": Program(
        ("http", "{address}", "--log", "stdout", "--log-format", "logfmt"),
        re.compile(r"started tunnel.*\burl=(https://\S+)"),
        "https://ngrok.com/download",
    ),
    "tailscale": Program(
        ("funnel", "http://{address}"),
        re.compile(r"(https://\S+\.ts\.net)"),
        "https://tailscale.com/download",
    ),
    "ssh": Program(
        (
            *("-T", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"),
            *("-o", "ServerAliveInterval=30", "-o", "StrictHostKeyChecking=accept-new"),
            *("-R", "80:{address}", "{destination}"),
        ),
        re.compile(r"(?:tls termination,|traffic from|^)\s*(https://[\w.-]+)/?\s*$"),
        "the package openssh-client",
    ),
}


class Tunnel:
    """A running tunnel program, which ends with this object or with the server's process.

    With `fixed_url`, which the user knows to lead to the tunnel, the program does not have to
    report its own.
    """

    def __init__(
        self, name: str, destination: str, fixed_url: str, on_url: Callable[[str], None]
    ) -> None:
        """`on_url` is called with each public URL. Raises TunnelFailed without the program."""
        self.name = name
        self._program = PROGRAMS[name]
        self._destination = destination
        self._fixed_url = fixed_url
        self._on_url = on_url
        self._process: Process | None = None
        self._watching: asyncio.Task[None] | None = None
        found = shutil.which(name)
        if found is None:
            raise TunnelFailed(f"{name} is not installed: {self._program.install}")
        self._path = found

    async def open(self, address: str) -> None:
        """Open a tunnel to `address` on this machine, such as `127.0.0.1:5001`. Raises
        TunnelFailed.
        """
        lines = await self._start(address)
        self._watching = asyncio.create_task(self._watch(address, lines))

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await self._end()

    async def _start(self, address: str) -> deque[str]:
        """Run the program until it has reported its URL. Returns the last lines that it wrote."""
        values = {"address": address, "destination": self._destination}
        arguments = [argument.format_map(values) for argument in self._program.arguments]
        self._process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                _KEEPER,
                self._path,
                *arguments,
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only the server
            limit=_LONGEST_LINE,
        )
        lines: deque[str] = deque(maxlen=_SHOWN_LINES)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                url = await self._url(self._process, lines)
        except TimeoutError:
            await self._end()
            raise TunnelFailed(self._failure("told no address", lines)) from None
        if url is None:
            await self._end()
            raise TunnelFailed(self._failure("ended", lines))
        self._on_url(url)
        return lines

    async def _url(self, process: Process, lines: deque[str]) -> str | None:
        if self._fixed_url:
            return self._fixed_url
        while line := await _line(process):
            lines.append(line)
            if found := self._program.url.search(line.rstrip()):
                return found[1]
        return None

    async def _watch(self, address: str, lines: deque[str]) -> None:
        """Read the program's output, and start it again when it has ended."""
        while True:
            assert self._process is not None, "the tunnel is not open"
            while line := await _line(self._process):
                lines.append(line)
            log.error("tunnel: %s", self._failure("ended", lines))
            await self._end()
            lines = await self._again(address)

    async def _again(self, address: str) -> deque[str]:
        while True:
            await asyncio.sleep(RESTART_SECONDS)
            try:
                return await self._start(address)
            except TunnelFailed as error:
                log.error("tunnel: %s", error)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None, "it was started with a pipe"
        process.stdin.close()  # the program is ended, then its parent
        await process.wait()

    def _failure(self, what: str, lines: deque[str]) -> str:
        text = "".join(f"\n  {line.rstrip()}" for line in lines)
        return f"{self.name} {what}{', having said:' + text if text else ', and said nothing'}"


async def _line(process: Process) -> str:
    """The next line with its end; empty once the program has ended."""
    assert process.stdout is not None, "it was started with a pipe"
    try:
        return (await process.stdout.readline()).decode(errors="replace")
    except ValueError:  # the line is too long, and is thrown away
        return "\n"
