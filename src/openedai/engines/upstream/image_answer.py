"""One replica's answer to a request for images. The generators raise ReplicaFailed, also between
events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from openedai.contract.images import (
    ImageEvent,
    ImageRequest,
    ImagesFinish,
    ImageUsage,
    MadeImage,
    PartialImage,
)
from openedai.engines.remote.connection import RemoteRequest, Timeout
from openedai.engines.remote.replicas import Replica
from openedai.engines.upstream.answers.images import (
    MAX_IMAGE,
    ImageChunk,
    ImageItem,
    ImagesBody,
    added,
    checked_image,
    image_in,
    requested_images,
)
from openedai.engines.upstream.answers.problems import MalformedAnswer
from openedai.engines.upstream.connection import Streams, is_stream


async def images(
    streams: Streams, replica: Replica, outgoing: RemoteRequest, request: ImageRequest
) -> AsyncGenerator[ImageEvent, None]:
    """The images. A server may answer with all of them at once, whether or not a stream was
    requested.
    """
    timeout = Timeout(streams.first_byte_timeout)
    async with streams.send(replica, outgoing, timeout) as response:
        if is_stream(response):
            chunks = streams.chunks(response, timeout, ImageChunk, outgoing.param, MAX_IMAGE)
            async with aclosing(_streamed(streams, replica, chunks, request)) as events:
                async for event in events:
                    yield event
            return
        body = await streams.body(response, timeout, request.count * MAX_IMAGE)
    answer = streams.decode(body, ImagesBody, outgoing.param)
    with streams.reading():
        items = requested_images(answer, request.count)
    for index, item in enumerate(items):
        data = await _image(streams, replica, item)
        yield MadeImage(index=index, data=data, revised_prompt=item.revised_prompt)
    yield ImagesFinish(usage=added(None, answer.usage))


async def _streamed(
    streams: Streams,
    replica: Replica,
    chunks: AsyncGenerator[ImageChunk, None],
    request: ImageRequest,
) -> AsyncGenerator[ImageEvent, None]:
    """The images of a stream. Its events have no index: those before an image are its previews."""
    made, previews = 0, 0
    usage: ImageUsage | None = None
    async with aclosing(chunks):
        async for chunk in chunks:
            if chunk.type.endswith(".partial_image"):
                data = await _image(streams, replica, chunk)
                yield PartialImage(index=made, number=previews, data=data)
                previews += 1
            elif chunk.type.endswith(".completed"):
                data = await _image(streams, replica, chunk)
                usage = added(usage, chunk.usage)
                yield MadeImage(index=made, data=data, revised_prompt=chunk.revised_prompt)
                made, previews = made + 1, 0
    with streams.reading():
        if made < request.count:
            raise MalformedAnswer("ended its answer too early")
    yield ImagesFinish(usage=usage)


async def _image(streams: Streams, replica: Replica, item: ImageItem) -> bytes:
    """The file, which may have to be fetched."""
    with streams.reading():
        data = image_in(item)
    if data is not None:
        return data
    timeout = Timeout(streams.first_byte_timeout)
    data = await streams.download(replica, item.url or "", timeout, MAX_IMAGE)
    with streams.reading():
        return checked_image(data)
