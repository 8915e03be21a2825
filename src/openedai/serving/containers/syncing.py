"""Copies the files of a container from the store into its process, and what code has changed
back.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

from openedai.errors import APIError
from openedai.sandbox.box import CHUNK, Box, BoxFailed, BoxFile
from openedai.sandbox.command import DATA
from openedai.store.containers import Container, ContainerFile, Containers
from openedai.store.store import Store

_LONGEST_PATH = 1024


@dataclass(frozen=True)
class _Known:
    """A file that is the same in both places: its content in the store, and its state in the
    box.
    """

    id: str
    content: str
    bytes: int
    changed: int


@dataclass
class Synced:
    """What is known about the files of one box."""

    files: dict[str, _Known] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """Files that were made or changed, and why others could not be stored."""

    files: tuple[ContainerFile, ...]
    notes: tuple[str, ...]


class Syncing:
    """`disk` is the most bytes of the files of a container."""

    def __init__(self, store: Store, containers: Containers, disk: int) -> None:
        self._store = store
        self._containers = containers
        self._disk = disk

    async def into(self, box: Box, synced: Synced, container: Container) -> None:
        """Give the box the files of the store that it lacks. Raises BoxFailed and APIError."""
        stored = {file.path: file for file in await self._containers.files(container.id)}
        for path in synced.files.keys() - stored.keys():
            await box.remove(path)
            del synced.files[path]
        for path, file in stored.items():
            known = synced.files.get(path)
            if known is None or known.content != file.content:
                changed = await self._write(box, file)
                synced.files[path] = _Known(file.id, file.content, file.bytes, changed)

    async def out_of(self, box: Box, synced: Synced, container: Container) -> Changes:
        """Store what code has changed. Raises BoxFailed, and APIError if the container no longer
        exists.
        """
        found = {file.path: file for file in await box.files() if _is_valid(file)}
        for path in synced.files.keys() - found.keys():
            await self._containers.remove(container, synced.files.pop(path).id)
        made: list[ContainerFile] = []
        notes: list[str] = []
        room = self._disk
        for file in _smallest_first(found.values()):
            known = synced.files.get(file.path)
            room -= file.bytes
            if known is not None and (known.changed, known.bytes) == (file.changed, file.bytes):
                continue
            if room < 0:
                notes.append(f"The file {file.path} was not kept: the files are too large.")
                continue
            try:
                kept = await self._keep(box, container, file)
            except (BoxFailed, APIError) as error:
                if not box.alive:
                    raise
                reason = error.message if isinstance(error, APIError) else str(error)
                notes.append(f"The file {file.path} was not kept: {reason}")
                continue
            synced.files[file.path] = _Known(kept.id, kept.content, file.bytes, file.changed)
            made.append(kept)
        return Changes(tuple(sorted(made, key=lambda one: one.path)), tuple(notes))

    async def _write(self, box: Box, file: ContainerFile) -> int:
        first, changed = True, 0
        async with aclosing(self._containers.read(file)) as chunks:
            async for chunk in chunks:
                for at in range(0, len(chunk), CHUNK):
                    changed = await box.write(file.path, chunk[at : at + CHUNK], first=first)
                    first = False
        return await box.write(file.path, b"", first=True) if first else changed

    async def _keep(self, box: Box, container: Container, file: BoxFile) -> ContainerFile:
        async with self._store.contents.writing() as writing:
            async with aclosing(box.read(file)) as chunks:
                async for chunk in chunks:
                    await writing.add(chunk)
            return await self._containers.put(container, file.path, "assistant", writing)


def _smallest_first(files: Iterable[BoxFile]) -> list[BoxFile]:
    return sorted(files, key=lambda file: (file.bytes, file.path))


def _is_valid(file: BoxFile) -> bool:
    """Whether a file with this path may be stored: the path comes from code."""
    path = file.path
    parts = path.removeprefix(f"{DATA}/").split("/")
    return (
        path.startswith(f"{DATA}/")
        and len(path) <= _LONGEST_PATH
        and path.isprintable()
        and not any(part in ("", ".", "..") for part in parts)
        and 0 <= file.bytes < 1 << 62
        and 0 <= file.changed < 1 << 62
    )
