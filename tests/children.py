"""The child processes that a test starts, without those of servers that tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil


class Children:
    """The child processes started since this was made."""

    def __init__(self) -> None:
        self._before = set(psutil.Process().children())

    def new(self) -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if child not in self._before]


async def until(check: Callable[[], bool]) -> None:
    """Wait for a state of another process, which nothing else reports."""
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
