"""Containers: places with files, in which code runs."""

from __future__ import annotations

from collections.abc import AsyncIterable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import PurePosixPath

from openedai.config import Settings
from openedai.errors import NotFound, PayloadTooLarge, invalid_value
from openedai.http.exchange import Exchange
from openedai.http.upload import file_name
from openedai.sandbox.command import DATA
from openedai.sandbox.confinement import Confinement, NotConfined
from openedai.serving.containers.interpreters import MEMORY, Interpreters
from openedai.serving.containers.outcome import CodeOutcome
from openedai.serving.containers.syncing import Syncing
from openedai.store.containers import (
    Container,
    ContainerFields,
    ContainerFile,
    Containers,
    new_container,
)
from openedai.store.contents import Writing
from openedai.store.files import FileRecord, Files, new_file
from openedai.store.store import Store


class ContainerService:
    def __init__(self, settings: Settings, store: Store, files: Files) -> None:
        hidden = [settings.data, settings.cache_dir]
        self.containers = Containers(store, files.quotas)
        self._confinement = Confinement(settings.code_python, hidden)
        self._enabled = settings.code_interpreter
        self._memory = settings.code_memory
        self._disk = settings.code_disk
        self._store = store
        self._files = files
        self._interpreters = Interpreters(
            self._confinement,
            self.containers,
            Syncing(store, self.containers, settings.code_disk),
            count=settings.code_containers,
            seconds=settings.tool_timeout,
            disk=settings.code_disk,
        )

    async def unavailable(self) -> str | None:
        """Why code cannot be run; None if it can."""
        if not self._enabled:
            return "the setting 'code_interpreter' is off"
        try:
            await self._confinement.confined()
        except NotConfined as error:
            return str(error)
        return None

    def check_memory(self, limit: str | None, param: str) -> None:
        """Raise InvalidRequest for more memory than the settings allow."""
        if limit is not None and MEMORY[limit] > self._memory:
            raise invalid_value(
                param, f"this server allows {self._memory >> 30}g (its setting 'code_memory')"
            )

    async def kept_file(self, owner: str, id: str, param: str) -> FileRecord:
        """A stored file that is to be copied into a container. Raises NotFound."""
        try:
            return await self._files.find(owner, id)
        except NotFound as error:
            raise NotFound(error.message, param=param) from None

    async def kept_files(self, owner: str, ids: Sequence[str], param: str) -> list[FileRecord]:
        """Several such files, which the parameter lists."""
        return [
            await self.kept_file(owner, id, f"{param}[{index}]") for index, id in enumerate(ids)
        ]

    def writing(self) -> AbstractAsyncContextManager[Writing]:
        """The bytes of a new file, for `add`. They are deleted if an exception leaves the block."""
        return self._store.contents.writing()

    async def create(
        self,
        exchange: Exchange,
        name: str,
        fields: ContainerFields,
        files: Sequence[FileRecord] = (),
        id: str = "",
    ) -> Container:
        """A container with copies of these files, which the exchange notes. Raises InvalidRequest
        if there is no room.
        """
        owner = exchange.owner
        made = new_container(owner, name, fields, id)
        await self.containers.create(made)
        try:
            for record in files:
                await self.copy(made, record)
        except BaseException:
            await self.containers.delete(owner, made.id)
            raise
        exchange.containers.append(made.id)
        return made

    async def ready(
        self,
        exchange: Exchange,
        name: str,
        fields: ContainerFields,
        files: Sequence[FileRecord],
        id: str,
    ) -> Container:
        """The container with this id, made now if it does not exist, with copies of these files.
        Raises InvalidRequest if there is no room.
        """
        try:
            found = await self.running(exchange.owner, id)
        except NotFound:
            return await self.create(exchange, name, fields, files, id)
        there = {file.path for file in await self.containers.files(found.id)}
        for path, record in paths_of(files).items():
            if path not in there:
                await self.copy(found, record)
        return found

    async def keep(self, owner: str, path: str, source: AsyncIterable[bytes]) -> FileRecord:
        """Store what code has made as a file of the owner. Raises InvalidRequest if there is no
        room.
        """
        async with self._files.writing(owner) as writing:
            async for chunk in source:
                await writing.add(chunk)
            name = PurePosixPath(path).name
            made = new_file("assistants_output", name, writing.content.size, owner)
            await self._files.create(made, writing)
        return made

    async def find(self, owner: str, id: str) -> Container:
        """A container, even an expired one. This counts as activity. Raises NotFound."""
        found = await self.containers.find(owner, id)
        return found if found.expired else await self.containers.touch(found)

    async def running(self, owner: str, id: str) -> Container:
        """The same, but only a container that has not expired. Raises NotFound."""
        found = await self.find(owner, id)
        if found.expired:
            raise NotFound(f"Container with id '{id}' has expired.", param="container_id")
        return found

    async def delete(self, owner: str, id: str) -> None:
        """Delete a container with its files, and end what runs in it. Raises NotFound."""
        await self.containers.find(owner, id)
        await self.containers.delete(owner, id)
        await self._interpreters.end(id)

    async def copy(self, container: Container, record: FileRecord) -> ContainerFile:
        """Put a copy of a stored file into a container. Raises InvalidRequest if there is no
        room.
        """
        room = await self.room(container)
        if record.bytes > room:
            raise self.too_large()
        taken = {file.path for file in await self.containers.files(container.id)}
        path = _free_path(record, taken)
        async with self._store.contents.writing() as writing:
            async with aclosing(self._files.read(record)) as chunks:
                async for chunk in chunks:
                    await writing.add(chunk)
            return await self.containers.put(container, path, "user", writing)

    async def add(self, container: Container, name: str, writing: Writing) -> ContainerFile:
        """Put what was written into a container. Raises InvalidRequest if there is no room."""
        return await self.containers.put(container, path_of(name), "user", writing)

    async def room(self, container: Container) -> int:
        """How many bytes of files a container may still get. Raises InvalidRequest if the owner has
        no room left.
        """
        quota = await self._files.quotas.room(await self._store.database(), container.owner)
        used = sum(file.bytes for file in await self.containers.files(container.id))
        return max(0, min(quota, self._disk - used))

    def too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"The files of a container may have {self._disk} bytes together.",
            code="file_too_large",
            param="file",
        )

    async def remove(self, container: Container, id: str) -> None:
        """Raises NotFound."""
        await self.containers.file(container.id, id)
        if not await self.containers.remove(container, id):
            raise NotFound(f"Container file '{id}' not found.", param="file_id")

    async def run(self, container: Container, code: str) -> CodeOutcome:
        """Run code in a container. Raises ToolFailed and APIError."""
        await self.containers.touch(container)
        return await self._interpreters.run(container, code)

    @property
    def processes(self) -> int:
        """How many containers have a process on this server."""
        return self._interpreters.processes

    async def sweep(self) -> None:
        """End the containers that have expired."""
        await self.containers.sweep()
        await self._interpreters.sweep()

    async def close(self) -> None:
        await self._interpreters.close()


def paths_of(files: Iterable[FileRecord]) -> dict[str, FileRecord]:
    """The paths of copies of these files, in a container without other files."""
    paths: dict[str, FileRecord] = {}
    for record in files:
        paths[_free_path(record, paths)] = record
    return paths


def _free_path(record: FileRecord, taken: Collection[str]) -> str:
    path = path_of(record.filename)
    return path_of(f"{record.id}-{record.filename}") if path in taken else path


def path_of(name: str) -> str:
    """The path in the container of a file with the name that a client gave it."""
    clean = file_name(name)
    return f"{DATA}/{'file' if clean in ('', '.', '..') else clean}"
