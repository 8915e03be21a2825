"""The HTTP API of one ComfyUI."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from openedai.engines.comfyui.failures import ComfyFailures, refusal
from openedai.engines.comfyui.workflow import Nodes
from openedai.engines.remote.connection import Connections, RemoteRequest, Timeout
from openedai.engines.remote.form import Form, FormFile
from openedai.engines.remote.replicas import Replica

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

_ANSWER_BYTES = 16 << 20
_MESSAGE_BYTES = 16 << 20


class StoredImage(msgspec.Struct):
    """Where ComfyUI keeps an image. `type` is input, output or temp."""

    filename: str = ""
    subfolder: str = ""
    type: str = "output"


class Output(msgspec.Struct):
    """What a node has made."""

    images: list[StoredImage] | None = None


class Status(msgspec.Struct):
    """How a workflow has ended."""

    status_str: str = "success"
    messages: list[Any] = []


class Ended(msgspec.Struct):
    """The entry of the history for a workflow that has ended."""

    outputs: dict[str, Output] = {}
    status: Status | None = None


class Queue(msgspec.Struct):
    """The workflows that run and wait: lists whose second item is the id."""

    queue_running: list[list[Any]] = []
    queue_pending: list[list[Any]] = []

    @property
    def length(self) -> int:
        return len(self.queue_running) + len(self.queue_pending)

    def running(self, id: str) -> bool:
        return any(len(item) > 1 and item[1] == id for item in self.queue_running)

    def pending(self, id: str) -> bool:
        return any(len(item) > 1 and item[1] == id for item in self.queue_pending)


class _Accepted(msgspec.Struct):
    prompt_id: str


class _Uploaded(msgspec.Struct):
    name: str
    subfolder: str = ""


@dataclass(frozen=True)
class Comfy:
    """Calls of one replica. They raise APIError, ReplicaFailed and Disconnected."""

    connections: Connections
    replica: Replica

    @property
    def failures(self) -> ComfyFailures:
        assert isinstance(self.connections.failures, ComfyFailures)
        return self.connections.failures

    async def queue(self) -> Queue:
        return await self._call(RemoteRequest("queue", None, "model"), Queue)

    async def submit(self, nodes: Nodes, id: str, client: str) -> str:
        """Put a workflow into the queue; returns its id, which is `id` with newer versions. Raises
        Refused.
        """
        fields = {"prompt": nodes, "prompt_id": id, "client_id": client}
        request = RemoteRequest("prompt", fields, "prompt")
        timeout = Timeout(self.connections.connect_timeout)
        async with self.connections.send(
            self.replica, request, timeout, accepted=(200, 400)
        ) as response:
            body = await self.connections.body(response, timeout, _ANSWER_BYTES)
        if response.status == 400:
            raise refusal(body)
        return self._decoded(body, _Accepted).prompt_id

    async def ended(self, id: str) -> Ended | None:
        """The entry of the history; None for a workflow that has not ended."""
        request = RemoteRequest(f"history/{id}", None, "model")
        return (await self._call(request, dict[str, Ended])).get(id)

    async def forget(self, id: str) -> None:
        """Delete a workflow from the history, with the prompt that is in it."""
        await self._send(RemoteRequest("history", {"delete": [id]}, "model"))

    async def cancel_pending(self, id: str) -> None:
        await self._send(RemoteRequest("queue", {"delete": [id]}, "model"))

    async def interrupt(self, id: str) -> None:
        """End the workflow that runs. Older versions end it whatever its id is."""
        await self._send(RemoteRequest("interrupt", {"prompt_id": id}, "model"))

    async def upload(self, data: bytes, seconds: float) -> str:
        """Store a PNG until ComfyUI is started again; returns its name for a node."""
        name = f"{hashlib.sha256(data).hexdigest()}.png"
        values = {"type": "temp", "subfolder": "openedai", "overwrite": "true"}
        form = Form(values, (FormFile("image", name, data),))
        request = RemoteRequest("upload/image", None, "image", form=form)
        stored = await self._call(request, _Uploaded, seconds)
        return f"{stored.subfolder}/{stored.name}".lstrip("/") + " [temp]"

    async def view(self, image: StoredImage, seconds: float, limit: int) -> bytes:
        """The file of an image."""
        query = {"filename": image.filename, "subfolder": image.subfolder, "type": image.type}
        request = RemoteRequest("view", None, "model", query=query)
        timeout = Timeout(seconds)
        async with self.connections.send(self.replica, request, timeout) as response:
            return await self.connections.body(response, timeout, limit)

    async def checkpoints(self) -> list[str]:
        """The files of checkpoints."""
        return await self._call(RemoteRequest("models/checkpoints", None, "model"), list[str])

    @asynccontextmanager
    async def messages(self, client: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """The messages for the client with this id. Raises what aiohttp raises."""
        url = self.replica.url / "ws"
        async with self.connections.session.ws_connect(
            url.with_query(clientId=client),
            headers=self.connections.trace,
            max_msg_size=_MESSAGE_BYTES,
        ) as socket:
            yield socket

    async def _call(
        self, request: RemoteRequest, answer: type[T], seconds: float | None = None
    ) -> T:
        return self._decoded(await self._send(request, seconds), answer)

    async def _send(self, request: RemoteRequest, seconds: float | None = None) -> bytes:
        timeout = Timeout(seconds or self.connections.connect_timeout)
        async with self.connections.send(self.replica, request, timeout) as response:
            return await self.connections.body(response, timeout, _ANSWER_BYTES)

    def _decoded(self, body: bytes, answer: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            what = "answered with something that cannot be read"
            raise self.failures.broken(what) from error
