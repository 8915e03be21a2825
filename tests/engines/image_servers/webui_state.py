"""What a Stable Diffusion web UI is doing: one job at a time, in steps, as its API shows it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image


@dataclass
class Steps:
    """The pace of the jobs. With `hold`, every job waits before that step until `resume()`."""

    hold: int | None = None
    seconds: float = 0.0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def resume(self) -> None:
        """Let the job that waits, and all later ones, go on."""
        self.hold = None
        self.wake()

    def wake(self) -> None:
        """Let a job that waits look again whether it was interrupted."""
        self._wake.set()

    async def before(self, step: int, job: JobState) -> None:
        await asyncio.sleep(self.seconds)
        while step == self.hold and not job.interrupted:
            self.held.set()
            self._wake.clear()
            await self._wake.wait()


@dataclass
class JobState:
    """The job of the moment. `job_count` is 0 without one, and -1 until its size is known."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = ""
    job_count: int = 0
    job_timestamp: str = "0"
    job_no: int = 0
    sampling_step: int = 0
    sampling_steps: int = 0

    def fields(self) -> dict[str, Any]:
        return dict(vars(self))


class Jobs:
    """The queue lock, the state, and the tasks by the names that their clients gave them."""

    def __init__(self) -> None:
        self.state = JobState()
        self.steps = Steps()
        self.preview: Image.Image | None = None
        self.preview_number = 0
        self.current_task: str | None = None
        self.pending: list[str] = []
        self.finished: deque[str] = deque(maxlen=16)
        self.done = 0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, job: str, task: str) -> AsyncIterator[JobState]:
        """Wait for the lock, in the order of arrival, and run one job."""
        self.pending.append(task)
        async with self._lock:
            self.state = JobState(job=job, job_count=-1, job_timestamp=f"2026{self.done:010}")
            self.preview, self.preview_number = None, 0
            self.current_task = task
            self.pending.remove(task)
            try:
                yield self.state
                self.current_task = None
                self.finished.append(task)
            finally:
                self.state.job, self.state.job_count = "", 0
                self.done += 1

    def interrupt(self) -> None:
        """It is forgotten when the next job begins."""
        self.state.interrupted = True
        self.steps.wake()

    def skip(self) -> None:
        self.state.skipped = True

    def progress(self) -> float:
        state = self.state
        if state.job_count == 0:
            return 0.0
        done = 0.01 + (state.job_no / state.job_count if state.job_count > 0 else 0)
        if state.sampling_steps > 0:
            done += state.sampling_step / state.sampling_steps / state.job_count
        return min(done, 1.0)

    def show(self, image: Image.Image) -> None:
        self.preview = image
        self.preview_number += 1
