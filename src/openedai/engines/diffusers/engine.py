"""Images by diffusers and torch: Stable Diffusion, SDXL, Flux and others. An extra.

engine      requests of the contract, in a thread
painter     the images of one request
plan        what is computed for it: sizes, steps, strength
arguments   what the pipeline is called with
pipelines   the model, loaded, and its pipelines
samplers    the schedulers, by their usual names
previews    images of what there is after some of the steps
brake       ends a computation
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from openedai.contract.engine import ImageMaker
from openedai.contract.images import ImageEvent, ImageRequest, ImagesFinish
from openedai.engines.diffusers.options import DiffusersOptions
from openedai.engines.diffusers.painter import Painter
from openedai.engines.diffusers.pipelines import Pipelines
from openedai.engines.diffusers.plan import check
from openedai.engines.diffusers.samplers import find_sampler
from openedai.engines.machine import usable_cores
from openedai.engines.options import invalid_options, parse_options, weights_path
from openedai.errors import APIError, EngineFailed, InvalidRequest, Unavailable


class Diffusers(ImageMaker):
    """One model. Made by `load`."""

    def __init__(self, model: str, painter: Painter, thread: ThreadPoolExecutor) -> None:
        """`painter` was made in `thread`, and is used there only."""
        self._model = model
        self._painter = painter
        self._thread = thread
        self._closed = False
        self._running: set[threading.Event] = set()

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        weights = weights_path(model, path)
        known = parse_options(DiffusersOptions, model, options)
        if known.sampler is not None:
            try:
                find_sampler(known.sampler)
            except InvalidRequest as error:
                raise invalid_options(model, str(error).rstrip(".")) from None
        thread = ThreadPoolExecutor(1, thread_name_prefix="images")
        work = asyncio.get_running_loop().run_in_executor(thread, _load, weights, known)
        try:
            pipelines = await work
        except BaseException as error:
            thread.shutdown(wait=False)
            if isinstance(error, APIError) or not isinstance(error, Exception):
                raise
            raise EngineFailed(f"The model `{model}` cannot be loaded. {error}") from error
        return cls(model, Painter(model, pipelines, known), thread)

    def memory(self) -> int:
        import psutil

        return int(psutil.Process().memory_info().rss)

    def progress(self) -> int:
        return self._painter.progress()

    async def close(self) -> None:
        """Waits until the current layer is computed. Other requests fail."""
        self._closed = True
        for stop in self._running:
            stop.set()
        await asyncio.to_thread(self._thread.shutdown)

    async def make_images(self, request: ImageRequest) -> AsyncGenerator[ImageEvent, None]:
        check(request)
        if self._closed:
            raise self._unloaded()
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[ImageEvent | None] = asyncio.Queue()
        stop = threading.Event()
        self._running.add(stop)

        def send(event: ImageEvent) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        work = loop.run_in_executor(self._thread, self._painter.paint, request, stop, send)
        work.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            work.result()
            if stop.is_set():
                raise self._unloaded()
            yield ImagesFinish()
        finally:
            stop.set()
            self._running.discard(stop)
            await asyncio.wait({work})
            work.exception()  # nobody waits for it any more

    def _unloaded(self) -> Unavailable:
        return Unavailable(f"The model `{self._model}` is being unloaded.", retry_after=1)


def _load(folder: Path, options: DiffusersOptions) -> Pipelines:
    threads = options.threads or usable_cores()
    return Pipelines(folder, options.device, options.dtype, threads)
