"""The weights on this machine: found, pulled, removed.

    <cache_dir>/models/<name>-<key>/     one model's files and their manifest
    <cache_dir>/models/.<name>-<key>/    the same while it is being made
    <cache_dir>/downloads/<name>-<key>/  what was downloaded for it so far
    <cache_dir>/locks/<name>-<key>.lock  held by the process that makes or removes it

A folder gets its final name in one step, when everything in it is written and checked. So what
is there is whole, and what a killed process leaves is resumed or cleared by the next pull.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from openedai.config import ModelSpec, Settings
from openedai.errors import Unavailable
from openedai.models import manifest
from openedai.models.disk import sync
from openedai.models.manifest import Manifest
from openedai.models.packages import builtin_packages
from openedai.models.progress import NoProgress, Progress
from openedai.models.sources import source_of
from openedai.models.sources.base import Access, Source

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class Installed:
    """A model's folder on the disk; `size` in bytes."""

    folder: Path
    model: str
    engine: str
    source: str
    license: str
    size: int


class Library:
    """Blocking, and safe to use from several threads and processes at once."""

    def __init__(self, settings: Settings, access: Access | None = None) -> None:
        """`access` None reaches what the settings and the environment say."""
        self._cache = settings.cache_dir.expanduser()
        self._access = access or Access(offline=settings.offline, packages=builtin_packages())

    def ready(self, spec: ModelSpec) -> bool:
        """Whether the model can be loaded without a download."""
        return source_of(spec, self._access) is None or self.find(spec) is not None

    def find(self, spec: ModelSpec) -> Path | None:
        """The weights that the engine takes, if all their files are here in full size.

        A GGUF file (the first, if it is split) for `llama_cpp`, a folder for embeddings.
        None too for an engine without weights.
        """
        source = source_of(spec, self._access)
        if source is None:
            return None
        return source.in_place() or self._installed_at(self._folder(spec, source))

    def pull(self, spec: ModelSpec, progress: Progress | None = None) -> Path | None:
        """What `find` gives, downloaded first if need be. Raises Unavailable."""
        source = source_of(spec, self._access)
        found = self.find(spec)
        if source is None or found is not None:
            return found
        folder = self._folder(spec, source)
        told = progress or NoProgress()
        with self._explained(spec), self._locked(folder, spec, told):
            found = self._installed_at(folder)
            if found is None:
                found = self._install(spec, source, folder, told)
            return found

    def remove(self, spec: ModelSpec) -> int:
        """Delete what was pulled for the model; the bytes that this frees.

        Files that the user keeps elsewhere, and the hub's own cache, stay.
        """
        source = source_of(spec, self._access)
        if source is None:
            return 0
        folder = self._folder(spec, source)
        ours = (folder, self._staging(folder), self._downloads(folder))
        if not any(path.exists() for path in ours):
            return 0
        with self._explained(spec), self._locked(folder, spec, NoProgress()):
            freed = sum(_freed(path) for path in ours)
            if folder.exists():
                # Gone in one step: half a model must not be found.
                shutil.rmtree(self._staging(folder), ignore_errors=True)
                folder.rename(self._staging(folder))
            for path in ours:
                shutil.rmtree(path, ignore_errors=True)
            return freed

    def size(self, spec: ModelSpec) -> int | None:
        """Bytes of the model's files on the disk; None if it is not here."""
        path = self.find(spec)
        if path is None:
            return None
        source = source_of(spec, self._access)
        note = manifest.read(self._folder(spec, source)) if source else None
        return note.size if note else _bytes_below(path)

    def download_size(self, spec: ModelSpec) -> int | None:
        """Bytes that a pull from nothing downloads; None where only the hub knows."""
        source = source_of(spec, self._access)
        return 0 if source is None else source.download_size()

    def installed(self) -> tuple[Installed, ...]:
        """Every whole model that was pulled, also those that the catalogue no longer has."""
        return tuple(
            Installed(folder, note.model, note.engine, note.source, note.license, note.size)
            for folder, note in self._notes()
            if manifest.whole(folder, note)
        )

    def _install(self, spec: ModelSpec, source: Source, folder: Path, progress: Progress) -> Path:
        staging, downloads = self._staging(folder), self._downloads(folder)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        downloads.mkdir(parents=True, exist_ok=True)
        try:
            staged = source.stage(staging, downloads, progress)
            progress.start(f"Preparing {spec.id}", None)
            self._prepare(spec, staging)
            files = manifest.inventory(staging, staged.files)
            license = spec.license or staged.license
            note = Manifest(spec.id, spec.engine, spec.source, license, staged.main, files)
            manifest.write(staging, note)
            sync(staging)
            shutil.rmtree(folder, ignore_errors=True)
            staging.rename(folder)
            sync(folder.parent, deep=False)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(downloads, ignore_errors=True)
        self._drop_superseded(folder, note)
        return folder / staged.main

    def _prepare(self, spec: ModelSpec, staging: Path) -> None:
        """Make the ONNX graph of packaged weights, which come as safetensors only."""
        if spec.engine == "onnx_embeddings" and not (staging / "model.onnx").exists():
            from openedai.models.onnx_graph import write_onnx

            write_onnx(staging)

    def _drop_superseded(self, folder: Path, note: Manifest) -> None:
        """Delete older weights of the same source: its pins, or the files there, have changed."""
        for other, its in self._notes():
            if other != folder and (its.source, its.engine) == (note.source, note.engine):
                shutil.rmtree(other, ignore_errors=True)

    def _notes(self) -> Iterator[tuple[Path, Manifest]]:
        for folder in sorted((self._cache / "models").glob("[!.]*")):
            note = manifest.read(folder)
            if note is not None:
                yield folder, note

    def _installed_at(self, folder: Path) -> Path | None:
        note = manifest.read(folder)
        if note is None or not manifest.whole(folder, note):
            return None
        return folder / note.main

    def _folder(self, spec: ModelSpec, source: Source) -> Path:
        name = re.sub(r"[^A-Za-z0-9._]+", "-", spec.source).strip("-.")[-60:]
        key = hashlib.sha256(source.key.encode()).hexdigest()[:12]
        return self._cache / "models" / f"{name}-{key}"

    def _staging(self, folder: Path) -> Path:
        return folder.with_name(f".{folder.name}")

    def _downloads(self, folder: Path) -> Path:
        return self._cache / "downloads" / folder.name

    @contextmanager
    def _locked(self, folder: Path, spec: ModelSpec, progress: Progress) -> Iterator[None]:
        path = self._cache / "locks" / f"{folder.name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.start(f"Waiting for another process that pulls {spec.id}", None)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _explained(self, spec: ModelSpec) -> Iterator[None]:
        """Say which model a failure is about, and turn those of the disk into Unavailable."""
        try:
            yield
        except Unavailable as error:
            raise Unavailable(f"The model `{spec.id}` cannot be had. {error.message}") from error
        except OSError as error:
            if error.errno in NO_SPACE:
                raise Unavailable(
                    f"The model `{spec.id}` cannot be had. The disk is full: {self._cache}."
                ) from error
            raise Unavailable(f"The model `{spec.id}` cannot be had. {error}") from error


def _bytes_below(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _freed(path: Path) -> int:
    """Bytes that deleting `path` gives back: not those that other folders hold too."""
    files = [file.lstat() for file in path.rglob("*") if file.is_file()]
    return sum(file.st_size for file in files if file.st_nlink == 1)
