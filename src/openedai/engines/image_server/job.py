"""What a server of images must be able to do, for the class that runs its jobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from openedai.engines.remote.failures import ReplicaFailed
from openedai.errors import Unavailable


@dataclass(frozen=True)
class Preview:
    """The image as it is so far; `progress` is from 0 to 1."""

    progress: float
    data: bytes


class ReplicaBusy(ReplicaFailed):
    """The replica is working on something else; the job may be offered to it again later."""

    def __init__(self) -> None:
        super().__init__(Unavailable("The server is busy."), down=False)


class Job(Protocol):
    """One image on one replica."""

    def run(self) -> AsyncGenerator[Preview | bytes, None]:
        """Yield previews, then the image file. Raises ReplicaBusy before the work has begun, an
        APIError or ReplicaFailed.
        """
        ...

    async def stop(self) -> None:
        """End the work at the server, if there is any left. Called once, after `run` has ended in
        any way; it may take a while, and raises nothing.
        """
        ...
