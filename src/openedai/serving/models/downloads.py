"""Downloads of models' weights that people begin, pause and resume; they outlast no request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import Literal

from openedai.catalog.models import adapter_specs
from openedai.config import ModelSpec
from openedai.errors import APIError
from openedai.weights.library import Library
from openedai.weights.progress import Stopped

log = logging.getLogger("openedai.serving")

_AT_ONCE = 2
State = Literal["waiting", "running", "paused", "failed", "done"]


@dataclass
class Download:
    """A download and how far it is: it is the `Progress` of its pulls.

    `done` and `total` are the bytes of the present step; `total` is None where it is unknown.
    """

    model: str
    state: State = "waiting"
    step: str = ""
    done: int = 0
    total: int | None = None
    error: str | None = None
    stopped: Event = field(default_factory=Event)

    def start(self, description: str, total: int | None) -> None:
        self._check()
        self.step, self.done, self.total = description, 0, total

    def advance(self, n: int) -> None:
        self._check()
        self.done += n

    def begin(self) -> None:
        """Its turn has come."""
        self._check()
        self.state = "running"

    def _check(self) -> None:
        if self.stopped.is_set():
            raise Stopped


class Downloads:
    """At most two run at once; others wait for their turn."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._downloads: dict[str, Download] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, "downloads")

    def all(self) -> Sequence[Download]:
        """The last download of each model, those that have ended included."""
        return tuple(self._downloads.values())

    def start(self, spec: ModelSpec) -> Download:
        """Download what is missing of the model's weights and its adapters', or go on with it."""
        if spec.id not in self._tasks:
            download = self._downloads[spec.id] = Download(spec.id)
            self._tasks[spec.id] = asyncio.create_task(self._run(spec, download))
        return self._downloads[spec.id]

    async def pause(self, model: str) -> Download | None:
        """Stop the download of the model, if one runs, and return it once it has stopped.

        What was received is kept, and the next download goes on from there.
        """
        download, task = self._downloads.get(model), self._tasks.get(model)
        if download is not None and task is not None:
            self._stop(download, task)
            await asyncio.wait({task})
        return download

    async def forget(self, model: str) -> None:
        """Stop the download of the model, and keep nothing of its state."""
        await self.pause(model)
        self._downloads.pop(model, None)

    async def close(self) -> None:
        """Stop all."""
        tasks = dict(self._tasks)
        for model, task in tasks.items():
            self._stop(self._downloads[model], task)
        if tasks:
            await asyncio.wait(tasks.values())
        self._threads.shutdown(wait=False)

    def _stop(self, download: Download, task: asyncio.Task[None]) -> None:
        download.stopped.set()
        if download.state == "waiting":
            task.cancel()

    async def _run(self, spec: ModelSpec, download: Download) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._pull, spec, download)
            download.state = "done"
        except (Stopped, asyncio.CancelledError):
            download.state = "paused"
        except APIError as error:
            download.state, download.error = "failed", error.message
        except Exception:
            log.exception("the download of %s failed", spec.id)
            download.state = "failed"
            download.error = "The download failed. The server's log has the cause."
        finally:
            del self._tasks[spec.id]

    def _pull(self, spec: ModelSpec, download: Download) -> None:
        download.begin()
        for one in (spec, *adapter_specs(spec)):
            self._library.pull(one, download)
