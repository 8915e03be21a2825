"""The HTTP API of one web UI: AUTOMATIC1111's, Forge's or SD.Next's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from openedai.engines.image_server.image_files import decode
from openedai.engines.remote.connection import Connections, Disconnected, RemoteRequest, Timeout
from openedai.engines.remote.replicas import Replica
from openedai.images.bad_image import BadImage

T = TypeVar("T")

_PROGRESS_BYTES = 64 << 20
_LIST_BYTES = 16 << 20


class State(msgspec.Struct):
    """What a web UI is working on, for anyone. `job_count` is 0 if it is idle."""

    job: str = ""
    job_count: int = 0
    interrupted: bool = False

    @property
    def busy(self) -> bool:
        return bool(self.job) or self.job_count != 0


class Progress(msgspec.Struct):
    """The answer of `/sdapi/v1/progress`. Only SD.Next has an `id` in it."""

    progress: float = 0.0
    state: State = msgspec.field(default_factory=State)
    current_image: str | None = None
    id: str | int | msgspec.UnsetType | None = msgspec.UNSET


class TaskProgress(msgspec.Struct):
    """The answer of `/internal/progress`, for one task."""

    active: bool = False
    queued: bool = False
    completed: bool = False
    progress: float | None = None
    live_preview: str | None = None
    id_live_preview: int | None = None

    @property
    def known(self) -> bool:
        return self.active or self.queued or self.completed


class Made(msgspec.Struct):
    """The answer of `txt2img` and `img2img`; `info` is JSON."""

    images: list[str] | None = None
    info: str = ""

    def image(self) -> bytes | None:
        """The first image that is not a grid; None without one. Raises BadImage."""
        try:
            info: Any = msgspec.json.decode(self.info or "{}")
        except msgspec.DecodeError:
            info = {}
        first = info.get("index_of_first_image", 0) if isinstance(info, dict) else 0
        images = (self.images or [])[first if isinstance(first, int) else 0 :]
        return decode(images[0]) if images else None


class Named(msgspec.Struct):
    """An entry of the lists of samplers and checkpoints."""

    name: str = ""
    aliases: tuple[str, ...] | None = None
    title: str = ""
    model_name: str = ""


@dataclass(frozen=True)
class WebUI:
    """Calls of one replica. They raise APIError, ReplicaFailed and Disconnected."""

    connections: Connections
    replica: Replica

    async def make(self, request: RemoteRequest, seconds: float, limit: int) -> bytes | None:
        """The image that the web UI makes, in an answer of at most `limit` bytes; None if it was
        interrupted before there was an image.
        """
        failures = self.connections.failures
        try:
            return (await self._call(request, Made, seconds, limit)).image()
        except BadImage as error:
            raise failures.broken("answered with a damaged image") from error
        except Disconnected as error:
            # The connection was used a moment ago: either the web UI has ended, or this request has
            # ended it.
            raise failures.broken("closed the connection without an answer") from error

    async def progress(self, *, preview: bool) -> Progress:
        skip = "false" if preview else "true"
        request = RemoteRequest(
            "sdapi/v1/progress", None, "model", query={"skip_current_image": skip}
        )
        return await self._call(request, Progress, self._short, _PROGRESS_BYTES)

    async def task_progress(self, task: str, last_preview: int, *, preview: bool) -> TaskProgress:
        fields = {"id_task": task, "id_live_preview": last_preview, "live_preview": preview}
        request = RemoteRequest("internal/progress", fields, "model")
        return await self._call(request, TaskProgress, self._short, _PROGRESS_BYTES)

    async def interrupt(self) -> None:
        """End the running job, whoever it belongs to."""
        await self._call(RemoteRequest("sdapi/v1/interrupt", {}, "model"), Any, self._short, 1024)

    async def list(self, name: str) -> list[Named]:
        """The names in a list such as `samplers` or `sd-models`."""
        request = RemoteRequest(f"sdapi/v1/{name}", None, "model")
        return await self._call(request, list[Named], self._short, _LIST_BYTES)

    @property
    def _short(self) -> float:
        return self.connections.connect_timeout

    async def _call(self, request: RemoteRequest, answer: type[T], seconds: float, limit: int) -> T:
        timeout = Timeout(seconds)
        async with self.connections.send(self.replica, request, timeout) as response:
            body = await self.connections.body(response, timeout, limit)
        try:
            return msgspec.json.decode(body, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            what = "answered with something that cannot be read"
            raise self.connections.failures.broken(what) from error
