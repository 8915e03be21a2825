"""An image maker that is another server, or several equal ones: what these engines have in
common.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from copy import copy
from dataclasses import replace
from typing import Self

import msgspec

from openedai.contract.engine import ImageMaker
from openedai.contract.images import (
    ImageEvent,
    ImageRequest,
    ImagesFinish,
    MadeImage,
    PartialImage,
)
from openedai.engines.image_server.image_files import Size, check_size, finished
from openedai.engines.image_server.job import Job, Preview
from openedai.engines.image_server.jobs import Jobs, Waiting
from openedai.engines.image_server.options import ImageServerOptions
from openedai.engines.image_server.previews import Previews
from openedai.engines.remote.connection import Connections
from openedai.engines.remote.failures import Failures
from openedai.engines.remote.health import HealthChecks
from openedai.engines.remote.replicas import Replica, Replicas
from openedai.errors import InvalidRequest
from openedai.images.bad_image import BadImage
from openedai.images.formats import image_size


class ImageServer(ImageMaker):
    """Makes the images of a request one after another, each as a job on one replica."""

    def __init__(
        self,
        options: ImageServerOptions,
        replicas: Replicas,
        connections: Connections,
        health_path: str,
    ) -> None:
        """`health_path` is the path that health checks of several replicas request."""
        self.slots = len(replicas.all)
        self.replicas = replicas
        self.connections = connections
        waiting = Waiting(options.busy_timeout, options.poll_interval)
        self.jobs = Jobs(replicas, connections.failures, waiting)
        self._max_pixels = options.max_pixels
        self._health_checks = HealthChecks(
            connections.session,
            replicas,
            health_path,
            interval=options.health_interval,
            timeout=options.connect_timeout,
        )

    @property
    def failures(self) -> Failures:
        return self.connections.failures

    def default_size(self) -> Size | None:
        """The size of new images for requests that give none; None leaves it to the server."""
        raise NotImplementedError

    def check(self, request: ImageRequest) -> None:
        """Raise Unsupported or InvalidRequest for what the server cannot do."""

    def job(self, replica: Replica, request: ImageRequest, index: int, *, queued: bool) -> Job:
        """The job for the image at `index`. A request without a size was given `default_size` or
        the size of its first image. With `queued` all replicas are busy; the job may wait in the
        queue of one whose queue is fair.
        """
        raise NotImplementedError

    def within_trace(self, headers: Callable[[], Mapping[str, str]]) -> Self:
        trace = headers()
        if not trace:
            return self
        within = copy(self)
        within.connections = replace(self.connections, trace=trace)
        return within

    async def close(self) -> None:
        await self._health_checks.stop()
        await self.jobs.close()
        await self.connections.session.close()

    async def make_images(self, request: ImageRequest) -> AsyncGenerator[ImageEvent, None]:
        self.check(request)
        size = request.size or self._size(request)
        if size is not None:
            check_size(size, self._max_pixels)
        sized = msgspec.structs.replace(request, size=size)
        for index in range(request.count):
            async with aclosing(self._make(sized, index)) as events:
                async for event in events:
                    yield event
        yield ImagesFinish()

    async def _make(
        self, request: ImageRequest, index: int
    ) -> AsyncGenerator[PartialImage | MadeImage, None]:
        previews = Previews(index, request.partial_images)
        jobs = self.jobs.run(
            lambda replica, queued: self.job(replica, request, index, queued=queued)
        )
        async with aclosing(jobs) as events:
            async for event in events:
                if isinstance(event, Preview):
                    partial = previews.take(event)
                    if partial is not None:
                        yield partial
                else:
                    yield MadeImage(index=index, data=await self._finished(event, request))

    async def _finished(self, data: bytes, request: ImageRequest) -> bytes:
        source = request.images[0] if request.images else None
        try:
            return await asyncio.to_thread(finished, data, request.size, source, request.mask)
        except BadImage as error:
            raise self.failures.broken("answered with something that is no image").error from error

    def _size(self, request: ImageRequest) -> Size | None:
        if not request.images:
            return self.default_size()
        try:
            return image_size(request.images[0])
        except BadImage as error:
            raise InvalidRequest(error.message, code=error.code, param="image") from error
