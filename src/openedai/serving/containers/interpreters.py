"""The Python processes of containers: each container has one while it is used."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from openedai.sandbox.box import Box, BoxFailed
from openedai.sandbox.command import Limits
from openedai.sandbox.confinement import Confinement, NotConfined
from openedai.serving.containers.outcome import CodeOutcome
from openedai.serving.containers.syncing import Synced, Syncing
from openedai.serving.tools.failed import ToolFailed
from openedai.store.containers import Container, Containers

MEMORY = {"1g": 1 << 30, "4g": 4 << 30, "16g": 16 << 30, "64g": 64 << 30}
_RESTARTED = "Python was started again: the variables of earlier calls are gone."


@dataclass
class _Interpreter:
    """The process of one container. `users` is how many wait for it or use it; a box that is
    `starting` counts as a process.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    box: Box | None = None
    starting: bool = False
    synced: Synced = field(default_factory=Synced)
    used_at: float = 0.0
    had_one: bool = False

    @property
    def alive(self) -> bool:
        return self.box is not None and self.box.alive


class Interpreters:
    """At most `count` processes. A call may take `seconds`, a container `disk` bytes."""

    def __init__(
        self,
        confinement: Confinement,
        containers: Containers,
        syncing: Syncing,
        *,
        count: int,
        seconds: float,
        disk: int,
    ) -> None:
        self._confinement = confinement
        self._containers = containers
        self._syncing = syncing
        self._count = count
        self._seconds = seconds
        self._disk = disk
        self._running = asyncio.Semaphore(count)
        self._of: dict[str, _Interpreter] = {}

    @property
    def processes(self) -> int:
        return sum(one.alive for one in self._of.values())

    async def run(self, container: Container, code: str) -> CodeOutcome:
        """Run code in a container: one call after the other.

        Errors of the code are part of the outcome. Raises ToolFailed, and APIError if the container
        has just ended or the store fails.
        """
        one = self._of.setdefault(container.id, _Interpreter())
        one.users += 1
        try:
            async with one.lock, self._running:
                return await self._run(one, container, code)
        finally:
            one.users -= 1
            one.used_at = time.monotonic()
            if not one.users and not one.alive:
                self._forget(container.id, one)

    async def end(self, id: str) -> None:
        """End the process of a container, whatever runs in it."""
        one = self._of.get(id)
        if one is not None and one.box is not None:
            one.box.kill("The container was deleted.")
            if not one.users:
                self._forget(id, one)
            await one.box.close()

    async def sweep(self) -> None:
        """End the processes of containers that no longer exist. Another server may have ended
        one.
        """
        for id, one in list(self._of.items()):
            if not one.users and not await self._containers.is_running(id):
                await self.end(id)

    async def close(self) -> None:
        boxes = [one.box for one in self._of.values() if one.box is not None]
        await asyncio.gather(*(box.close() for box in boxes))
        self._of.clear()

    async def _run(self, one: _Interpreter, container: Container, code: str) -> CodeOutcome:
        notes = [_RESTARTED] if one.had_one and not one.alive else []
        try:
            box = await self._box(one, container)
            await self._syncing.into(box, one.synced, container)
            ran = await box.run(code, self._seconds)
            changes = await self._syncing.out_of(box, one.synced, container)
        except BoxFailed as error:
            await self._stop(one)
            return CodeOutcome(notes=notes, failed=str(error))
        finally:
            if one.box is not None and one.box.alive:
                await one.box.freeze()
            else:
                await self._stop(one)
        late = f"It took longer than {self._seconds:g} seconds." if ran.late else None
        return CodeOutcome(ran, changes.files, [*notes, *changes.notes], late)

    async def _box(self, one: _Interpreter, container: Container) -> Box:
        """The container's process, resumed."""
        if one.box is not None and one.box.alive:
            await one.box.thaw()
            return one.box
        await self._stop(one)
        while sum(other.box is not None or other.starting for other in self._of.values()) >= (
            self._count
        ):
            idle = [other for other in self._of.values() if other.box and not other.users]
            if not idle:  # one is being started or ended
                break
            await self._stop(min(idle, key=lambda other: other.used_at))
        one.starting = True
        try:
            confined = await self._confinement.confined()
            limits = Limits(memory=MEMORY[container.fields.memory], disk=self._disk)
            one.box = await confined.start(limits)
        except NotConfined as error:
            raise ToolFailed(f"Code cannot be run: {error}.") from None
        finally:
            one.starting = False
        one.had_one = True
        return one.box

    async def _stop(self, one: _Interpreter) -> None:
        box, one.box, one.synced = one.box, None, Synced()
        if box is not None:
            await box.close()

    def _forget(self, id: str, one: _Interpreter) -> None:
        if self._of.get(id) is one:
            del self._of[id]
