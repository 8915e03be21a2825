"""One image that a web UI makes: requested, watched, and interrupted if nobody waits for it any
more.

A web UI makes one image at a time, for all its users. It does not notice that a client has left,
and an interrupt ends whatever it works on. So the request stays open until it is answered, and the
image is interrupted only while it is the one that the web UI works on: it tells that of a task with
the name that the request gave it. Where it does not know such names (SD.Next, `--nowebui`), the job
that began on an idle web UI is taken for this one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from uuid import uuid4

import msgspec

from openedai.contract.images import ImageRequest
from openedai.engines.a1111.api import WebUI
from openedai.engines.a1111.choices import check_choices, chosen_checkpoint
from openedai.engines.a1111.options import A1111Options
from openedai.engines.a1111.request import image_request
from openedai.engines.image_server.image_files import decode
from openedai.engines.image_server.job import Preview, ReplicaBusy
from openedai.engines.remote.connection import Disconnected
from openedai.engines.remote.failures import ReplicaFailed
from openedai.errors import APIError, Unavailable
from openedai.images.bad_image import BadImage

_STOP_TIMEOUT = 60.0  # seconds in which a web UI should obey an interrupt
_ANSWER_BYTES = 16 << 20  # that are not of the image
_PIXEL_BYTES = 100  # in base64, of an image that was enlarged four times
_FAILURES = (APIError, ReplicaFailed, Disconnected)


class WebUIJob:
    """The image at `index` of a request."""

    def __init__(
        self, webui: WebUI, request: ImageRequest, options: A1111Options, index: int
    ) -> None:
        self._webui = webui
        self._request = request
        self._options = options
        self._index = index
        self._failures = webui.connections.failures
        self._task = f"task(openedai-{uuid4().hex})"
        self._tasks_known = True
        self._last_preview = -1
        self._making: asyncio.Task[bytes | None] | None = None

    async def run(self) -> AsyncGenerator[Preview | bytes, None]:
        before = await self._webui.progress(preview=False)
        if before.state.busy:
            raise ReplicaBusy
        self._tasks_known = before.id is msgspec.UNSET
        await check_choices(self._webui, self._request, self._options)
        making = self._begin()
        now = asyncio.get_running_loop().time
        end, last_answer = now() + self._options.timeout, now()
        while not (await asyncio.wait({making}, timeout=self._options.poll_interval))[0]:
            preview = None
            with suppress(*_FAILURES, BadImage):
                preview = await self._look()
                last_answer = now()
            if preview is not None:
                yield preview
            if now() >= end:
                raise self._too_slow()
            if now() - last_answer >= self._options.idle_timeout:
                raise self._silent()
        image = making.result()
        if image is None:
            raise self._failures.broken("was interrupted before there was an image").error
        yield image

    async def stop(self) -> None:
        making = self._making
        if making is None:
            return
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                while not making.done():
                    with suppress(*_FAILURES):
                        if await self._works_on_it():
                            await self._webui.interrupt()
                    await asyncio.wait({making}, timeout=self._options.poll_interval)
        except TimeoutError:
            pass
        finally:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)

    def _begin(self) -> asyncio.Task[bytes | None]:
        checkpoint = chosen_checkpoint(self._request, self._options)
        request = image_request(self._request, self._options, checkpoint, self._index, self._task)
        seconds = self._options.timeout + 2 * _STOP_TIMEOUT
        width, height = self._request.size or (0, 0)
        limit = _ANSWER_BYTES + _PIXEL_BYTES * width * height
        self._making = asyncio.create_task(self._webui.make(request, seconds, limit))
        return self._making

    async def _look(self) -> Preview | None:
        """A new preview. If the request wants no previews, this only checks that the web UI
        responds.
        """
        with_preview = self._request.partial_images > 0
        if self._tasks_known:
            return await self._look_at_task(preview=with_preview)
        found = await self._webui.progress(preview=with_preview)
        if not (with_preview and found.state.busy and found.current_image):
            return None
        return Preview(found.progress, decode(found.current_image))

    async def _look_at_task(self, *, preview: bool) -> Preview | None:
        try:
            found = await self._webui.task_progress(self._task, self._last_preview, preview=preview)
        except ReplicaFailed as failure:
            self._tasks_known = failure.down  # otherwise the web UI responds, but lacks this URL
            raise
        if not (preview and found.active and found.live_preview):
            return None
        self._last_preview = found.id_live_preview or 0
        return Preview(found.progress or 0.0, decode(found.live_preview))

    async def _works_on_it(self) -> bool:
        """Whether an interrupt would hit this image."""
        if self._tasks_known:
            try:
                return (await self._webui.task_progress(self._task, -1, preview=False)).active
            except ReplicaFailed as failure:
                self._tasks_known = failure.down
        return (await self._webui.progress(preview=False)).state.busy

    def _too_slow(self) -> Unavailable:
        seconds = self._options.timeout
        return Unavailable(f"{self._failures.name} made no image within {seconds:g} seconds.")

    def _silent(self) -> ReplicaFailed:
        return self._failures.broken(f"sent nothing for {self._options.idle_timeout:g} seconds")
