"""One image that ComfyUI makes: queued, watched, and withdrawn if nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from openedai.contract.images import ImageRequest
from openedai.engines.comfyui.api import Comfy, Ended
from openedai.engines.comfyui.failures import Refused
from openedai.engines.comfyui.options import ComfyOptions
from openedai.engines.comfyui.previews import PreviewReader
from openedai.engines.comfyui.values import image_slots, slot_values
from openedai.engines.comfyui.watch import Watch
from openedai.engines.comfyui.workflow import Workflow
from openedai.engines.image_server.job import Preview, ReplicaBusy
from openedai.engines.remote.connection import Disconnected
from openedai.engines.remote.failures import ReplicaFailed
from openedai.errors import APIError, BadGateway, invalid_value

_STOP_TIMEOUT = 60.0  # seconds in which ComfyUI should obey an interrupt
_IMAGE_BYTES = 16 << 20
_PIXEL_BYTES = 80  # of a file, of an image that was enlarged four times
_FAILURES = (APIError, ReplicaFailed, Disconnected)


@dataclass(frozen=True)
class Work:
    """The work to do: the image at `index` of a request, by a workflow. With `queued` it may wait
    in ComfyUI's queue.
    """

    request: ImageRequest
    workflow: Workflow
    options: ComfyOptions
    index: int
    queued: bool


class ComfyJob:
    def __init__(self, comfy: Comfy, work: Work) -> None:
        self._comfy = comfy
        self._work = work
        self._options = work.options
        self._client = uuid4().hex
        self._id = str(uuid4())
        self._submitted = False
        self._ended = False
        self._latest: Preview | None = None

    async def run(self) -> AsyncGenerator[Preview | bytes, None]:
        if (await self._comfy.queue()).length and not self._work.queued:
            raise ReplicaBusy
        files = await self._upload()
        listening = asyncio.create_task(self._listen()) if self._wants_previews else None
        try:
            await self._submit(files)
            async for preview in self._wait():
                yield preview
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        ended = await self._end()
        yield await self._image(ended)

    async def stop(self) -> None:
        if not self._submitted or self._ended:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT):
                while True:
                    if await self._taken_back():
                        return
                    await asyncio.sleep(self._options.poll_interval)

    @property
    def _wants_previews(self) -> bool:
        return self._work.request.partial_images > 0

    async def _upload(self) -> dict[str, str]:
        """The names of the request's images and of its mask, by slot."""
        request = self._work.request
        files = dict(zip(image_slots(len(request.images)), request.images, strict=True))
        if request.mask is not None:
            files["mask"] = request.mask
        seconds = self._options.idle_timeout
        return {slot: await self._comfy.upload(data, seconds) for slot, data in files.items()}

    async def _submit(self, files: Mapping[str, str]) -> None:
        work = self._work
        values = slot_values(work.request, self._options, work.index, files)
        nodes = work.workflow.filled(values)
        self._submitted = True
        try:
            self._id = await self._comfy.submit(nodes, self._id, self._client)
        except Refused as refused:
            self._ended = True
            raise self._refusal(refused) from refused

    def _refusal(self, refused: Refused) -> APIError | ReplicaFailed:
        """The error for a refusal. ComfyUI names the inputs: if these are slots, a parameter is
        wrong.
        """
        slots = {
            slot for place in refused.inputs for slot in self._work.workflow.places.get(place, ())
        }
        request = self._work.request
        given = {name for name in ("sampler",) if getattr(request, name) is not None}
        for name in sorted(slots & (given | set(request.extra))):
            return invalid_value(name, refused.details)
        if "checkpoint" in slots:
            message = f"{self._comfy.failures.name} does not have the checkpoint."
        else:
            message = f"{self._comfy.failures.name} refused the workflow: {refused.details}"
        return ReplicaFailed(BadGateway(message), down=False)

    async def _wait(self) -> AsyncGenerator[Preview, None]:
        """Yield previews until the workflow has ended."""
        watch = Watch(self._comfy.failures, self._options)
        while True:
            await asyncio.sleep(self._options.poll_interval)
            preview, self._latest = self._latest, None
            if preview is not None:
                yield preview
            try:
                if await self._comfy.ended(self._id) is not None:
                    return
                watch.answered(await self._comfy.queue(), self._id)
            except _FAILURES as error:
                watch.failed(error)
            self._ended = watch.lost
            watch.check()

    async def _end(self) -> Ended:
        ended = await self._comfy.ended(self._id)
        self._ended = True
        if ended is None:
            raise self._comfy.failures.broken("has lost the request")
        with suppress(*_FAILURES):
            await self._comfy.forget(self._id)
        if ended.status is not None and ended.status.status_str == "error":
            raise self._comfy.failures.of_run(ended.status.messages)
        return ended

    async def _image(self, ended: Ended) -> bytes:
        images = [image for one in ended.outputs.values() for image in one.images or ()]
        # Nodes that save an image come before those that only display one.
        image = next((one for one in images if one.type == "output"), None)
        image = image or next(iter(images), None)
        if image is None:
            raise self._comfy.failures.broken("ran the workflow and made no image").error
        width, height = self._work.request.size or (0, 0)
        limit = _IMAGE_BYTES + _PIXEL_BYTES * width * height
        return await self._comfy.view(image, self._options.idle_timeout, limit)

    async def _listen(self) -> None:
        """Keep the latest preview. Without a connection there are no previews."""
        import aiohttp

        reader = PreviewReader()
        with suppress(aiohttp.ClientError, OSError):
            async with self._comfy.messages(self._client) as messages:
                async for message in messages:
                    if message.type == aiohttp.WSMsgType.TEXT:
                        reader.text(message.data)
                    elif message.type == aiohttp.WSMsgType.BINARY:
                        self._latest = reader.binary(message.data) or self._latest

    async def _taken_back(self) -> bool:
        """Withdraw the job. Returns whether ComfyUI has nothing left to do."""
        with suppress(*_FAILURES):
            await self._comfy.cancel_pending(self._id)
            if not (await self._comfy.queue()).running(self._id):
                await self._comfy.forget(self._id)
                return True
            await self._comfy.interrupt(self._id)
        return False
