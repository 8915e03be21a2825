"""A child process that answers JSON lines: one answer for each question."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from bench.load.client import LoadError
from bench.servers import stop

ANSWER_TIMEOUT = 300.0  # seconds for one answer


class Child:
    def __init__(self, name: str, process: asyncio.subprocess.Process, log: IO[bytes]) -> None:
        self.pid = process.pid
        self._name = name
        self._process = process
        self._log = log

    async def ask(self, question: object, timeout: float = ANSWER_TIMEOUT) -> dict[str, Any]:
        """Raises LoadError with the end of its output, or TimeoutError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), timeout)
        if not line:
            self._log.seek(0)
            output = self._log.read().decode("utf-8", "replace")[-2000:]
            raise LoadError(f"{self._name} ended: {output}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def child(
    name: str, command: Sequence[str | Path], environment: Mapping[str, str]
) -> AsyncIterator[Child]:
    """Run it with these variables in addition to our own, and end it."""
    ours = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with tempfile.TemporaryFile() as log:
        running = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**ours, **environment},
            limit=1 << 20,
        )
        try:
            yield Child(name, running, log)
        finally:
            await stop(running)
