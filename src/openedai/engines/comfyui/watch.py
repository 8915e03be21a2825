"""The time limits of a workflow that waits in ComfyUI's queue, and then runs."""

from __future__ import annotations

import asyncio

from openedai.engines.comfyui.api import Queue
from openedai.engines.comfyui.failures import ComfyFailures
from openedai.engines.comfyui.options import ComfyOptions
from openedai.engines.remote.failures import Unreachable
from openedai.errors import Unavailable

_MOST_REFUSALS = 3  # in succession


class Watch:
    """`lost` says that ComfyUI no longer knows the workflow."""

    def __init__(self, failures: ComfyFailures, options: ComfyOptions) -> None:
        self.lost = False
        self._failures = failures
        self._options = options
        self._now = asyncio.get_running_loop().time
        self._last_answer = self._submitted = self._now()
        self._started: float | None = None
        self._missing = False
        self._unreachable = 0

    def answered(self, queue: Queue, id: str) -> None:
        """ComfyUI answered that the workflow has not ended, and then sent this queue."""
        self._last_answer = self._now()
        self._unreachable = 0
        if queue.running(id):
            self._started = self._started or self._now()
        unknown = not queue.running(id) and not queue.pending(id)
        # It may have ended between the two answers.
        self.lost, self._missing = unknown and self._missing, unknown

    def failed(self, error: Exception) -> None:
        """ComfyUI did not answer. Raises the error if nothing is listening there any more."""
        self._unreachable += isinstance(error, Unreachable)
        if self._unreachable >= _MOST_REFUSALS:
            raise error

    def check(self) -> None:
        """Raise an APIError or ReplicaFailed if a limit has passed."""
        options, now, name = self._options, self._now(), self._failures.name
        if self.lost:
            raise self._failures.broken("has lost the request")
        if now - self._last_answer >= options.idle_timeout:
            raise self._failures.broken(f"sent nothing for {options.idle_timeout:g} seconds")
        if self._started is None:
            if now - self._submitted >= options.busy_timeout:
                raise Unavailable(
                    f"{name} was busy for {options.busy_timeout:g} seconds.",
                    retry_after=options.busy_timeout,
                )
        elif now - self._started >= options.timeout:
            raise Unavailable(f"{name} made no image within {options.timeout:g} seconds.")
