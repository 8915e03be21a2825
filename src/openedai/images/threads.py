"""Threads for the blocking functions of this package."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_COUNT = 2


class ImageThreads:
    """A few threads only, because each may hold the pixels of a large image."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_COUNT, "image-files")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """The function's result. A call that waits for a thread can be cancelled."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(function, *args, **options))
