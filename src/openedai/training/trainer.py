"""The server's side of a process that trains."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from importlib.util import find_spec
from typing import Self

import msgspec

from openedai.engines.process.child import Child
from openedai.engines.process.connection import pack
from openedai.errors import EngineFailed, Unsupported
from openedai.training.messages import Failed, Finished, Pause, Paused, Report, Task

log = logging.getLogger("openedai.training")

_MODULE = "openedai.training.worker.main"


def check_installed() -> None:
    """Raise Unsupported if torch is missing; the message says how to install it."""
    if find_spec("torch") is None:
        raise Unsupported(
            "Fine-tuning needs PyTorch, which is not installed: "
            "pip install 'openedai[training]', and restart the server.",
            code="training_not_installed",
        )


class Trainer:
    """A process that trains. Made by `start`; `close` ends it, and whatever was not saved is
    lost.
    """

    def __init__(self, task: Task, child: Child) -> None:
        self._task = task
        self._child = child
        self._decode = msgspec.msgpack.Decoder[Report](Report).decode

    @classmethod
    async def start(cls, task: Task) -> Self:
        """Raises Unsupported without torch, and EngineFailed if there can be no process."""
        check_installed()
        return cls(task, await Child.start(_MODULE, task))

    async def reports(self) -> AsyncGenerator[Report, None]:
        """What the process reports, up to a Finished or a Paused.

        Raises the APIError for which it failed, and EngineFailed if it died.
        """
        while (body := await self._child.connection.frame()) is not None:
            report = self._decode(body)
            if isinstance(report, Failed):
                raise report.failure.error()
            yield report
            if isinstance(report, Finished | Paused):
                return
        log.error("the training of %s died: %s", self._task.model, self._child.last_output())
        raise EngineFailed(
            f"The process that trains the model `{self._task.model}` stopped unexpectedly.",
            code="engine_crashed",
        )

    def pause(self) -> None:
        """Have it save a checkpoint and end."""
        self._child.connection.send(pack(Pause()))

    @property
    def process_id(self) -> int:
        return self._child.process.pid

    def memory(self) -> int:
        """The memory that it takes now, in bytes; 0 if it has ended."""
        return self._child.resident_bytes()

    async def close(self) -> None:
        """May be called several times."""
        await self._child.stop()
