"""This server's downloads of weights: those that people begin, pause and resume in the console, and
those that loads and requests begin, which end with them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Literal

from openedai.catalog.models import adapter_specs
from openedai.config import ModelSpec
from openedai.errors import APIError, Unavailable
from openedai.weights.library import Library
from openedai.weights.progress import LoggedProgress, NoProgress, Progress, Stopped

log = logging.getLogger("openedai.serving")

_AT_ONCE = 2
State = Literal["waiting", "running", "paused", "failed", "done"]


@dataclass
class Download:
    """A download and its progress: it is the `Progress` of its pulls.

    `done` and `total` are the bytes of the present step; `total` is None where it is unknown.
    `also` gets the same steps, and `begun` the download before each.
    """

    model: str
    state: State = "waiting"
    step: str = ""
    done: int = 0
    total: int | None = None
    error: str | None = None
    stopped: Event = field(default_factory=Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    also: Progress = field(default_factory=NoProgress)
    begun: Callable[[Download], None] | None = None

    def start(self, description: str, total: int | None) -> None:
        self._check()
        self.state = "running"
        if self.begun is not None:
            self.begun(self)
        self.step, self.done, self.total = description, 0, total
        self.also.start(description, total)

    def advance(self, n: int) -> None:
        self._check()
        self.done += n
        self.also.advance(n)

    def end(self, state: State, error: str | None = None) -> None:
        """Note that nothing more will be downloaded. Call this in the event loop."""
        self.state, self.error = state, error
        self.stopped.set()
        self.ended.set()

    def begin(self) -> None:
        """Begin: its turn has come."""
        self._check()
        self.state = "running"

    def _check(self) -> None:
        if self.stopped.is_set():
            raise Stopped


class Downloads:
    """At most two of the downloads that people begin run at once; others wait for their turn."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._downloads: dict[str, Download] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, "downloads")

    def all(self) -> Sequence[Download]:
        """The last download of each model, including those that have ended."""
        return tuple(self._downloads.values())

    def start(self, spec: ModelSpec) -> Download:
        """Download what is missing of the weights of the model and its adapters, or resume this."""
        known = self._downloads.get(spec.id)
        if known is None or known.ended.is_set():
            download = self._downloads[spec.id] = Download(spec.id)
            task = self._tasks[spec.id] = asyncio.create_task(self._run(spec, download))
            task.add_done_callback(partial(self._ended, download))
        return self._downloads[spec.id]

    async def pause(self, model: str) -> Download | None:
        """Stop the download of the model, if one runs, and return it once it has stopped.

        What was received is kept, and the next download resumes from there.
        """
        download = self._downloads.get(model)
        if download is not None:
            self._stop(download)
            await download.ended.wait()
        return download

    @contextmanager
    def pulling(self, model: str) -> Iterator[Progress]:
        """The progress of pulls that a load or a request waits for. It becomes a download with its
        first step, unless another one of the model is running, and it writes log lines.

        It ends with the block, even if that is cancelled. Raises Unavailable if it is paused.
        """
        download = Download(model, also=LoggedProgress(), begun=self._begun)
        try:
            yield download
        except Stopped:
            download.end("paused")
            raise Unavailable(
                f"The download of the model `{model}` was paused.", code="download_paused"
            ) from None
        except APIError as error:
            download.end("failed", error.message)
            raise
        except BaseException:
            download.end("paused")
            raise
        download.end("done")

    async def forget(self, model: str) -> None:
        """Stop the download of the model, and forget its state."""
        await self.pause(model)
        self._downloads.pop(model, None)

    async def close(self) -> None:
        """Stop all."""
        for model in tuple(self._tasks):
            self._stop(self._downloads[model])
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._threads.shutdown(wait=False)

    def _begun(self, download: Download) -> None:
        known = self._downloads.get(download.model)
        if known is None or known.ended.is_set():
            self._downloads[download.model] = download

    def _stop(self, download: Download) -> None:
        download.stopped.set()
        task = self._tasks.get(download.model)
        if download.state == "waiting" and task is not None:
            task.cancel()

    async def _run(self, spec: ModelSpec, download: Download) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._pull, spec, download)
            download.end("done")
        except (Stopped, asyncio.CancelledError):
            download.end("paused")
        except APIError as error:
            download.end("failed", error.message)
        except Exception:
            log.exception("the download of %s failed", spec.id)
            download.end("failed", "The download failed. The server's log has the cause.")

    def _ended(self, download: Download, task: asyncio.Task[None]) -> None:
        if not download.ended.is_set():
            download.end("paused")  # before it had begun
        if self._tasks.get(download.model) is task:
            del self._tasks[download.model]

    def _pull(self, spec: ModelSpec, download: Download) -> None:
        download.begin()
        for one in (spec, *adapter_specs(spec)):
            self._library.pull(one, download)
