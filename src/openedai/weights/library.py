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
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from openedai.config import ModelSpec, Settings, WeightFormat
from openedai.engines.machine import processor_features
from openedai.engines.registry import engine_entry
from openedai.errors import Unavailable
from openedai.gguf.header import TensorType
from openedai.gguf.kernels import fast_types
from openedai.weights import manifest, requantise
from openedai.weights.disk import link_or_copy, sync
from openedai.weights.manifest import Manifest
from openedai.weights.packages import builtin_packages
from openedai.weights.progress import NoProgress, Progress
from openedai.weights.sources import source_of
from openedai.weights.sources.base import Access, Source, Staged, beside

WORTH_OFFERING = 0.2  # of the weights
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


logger = logging.getLogger(__name__)


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

    def __init__(
        self,
        settings: Settings,
        access: Access | None = None,
        fast: frozenset[TensorType] | None = None,
    ) -> None:
        """`access` None reaches what the settings and the environment say.

        `fast` are the types with fast kernels; None for those of this processor.
        """
        self._cache = settings.cache_dir.expanduser()
        self._access = access or Access(offline=settings.offline, packages=builtin_packages())
        self._fast = fast_types(processor_features()) if fast is None else fast

    def ready(self, spec: ModelSpec) -> bool:
        """Whether the model can be loaded without a download."""
        return source_of(spec, self._access) is None or self.find(spec) is not None

    def find(self, spec: ModelSpec) -> Path | None:
        """The weights that the engine takes, if all their files are here in full size.

        A GGUF file (the first, if it is split), or a sentence-transformers folder.
        None too for an engine without weights.
        """
        source = source_of(spec, self._access)
        if source is None:
            return None
        used_there = source.in_place() if self._weight_format(spec) == "none" else None
        return used_there or self._installed_at(self._folder(spec, source))

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
                self._offer(spec)
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

    def note(self, spec: ModelSpec) -> Manifest | None:
        """What is known of the files that were pulled for the model; None if none were."""
        source = source_of(spec, self._access)
        return manifest.read(self._folder(spec, source)) if source else None

    def size(self, spec: ModelSpec) -> int | None:
        """Bytes of the model's files on the disk; None if it is not here."""
        path = self.find(spec)
        if path is None:
            return None
        note = self.note(spec)
        if note and beside(spec):
            return note.size
        return (note.size if note else _bytes_below(path)) + _projector_bytes(spec, path)

    def download_size(self, spec: ModelSpec) -> int | None:
        """Bytes that a pull from nothing downloads; None where only the hub knows."""
        source = source_of(spec, self._access)
        return 0 if source is None else source.download_size()

    def slow_share(self, spec: ModelSpec) -> float:
        """The share of the weights, from 0 to 1, that this processor has no fast kernels for and
        that `requantise` would bring into another weight format. 0 too if the model is not here.
        """
        path = self.find(spec)
        if path is None or engine_entry(spec.engine).weight_files != "gguf":
            return 0.0
        return requantise.slow_share(path, self._fast)

    def _offer(self, spec: ModelSpec) -> None:
        share = self.slow_share(spec)
        if share >= WORTH_OFFERING:
            logger.info(
                "%s of the weights of %s are slow on this processor; `requantise` makes them fast",
                f"{share:.0%}",
                spec.id,
            )

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
            staged = self._stage(spec, source, staging, downloads, progress)
            progress.start(f"Preparing {spec.id}", None)
            self._prepare(spec, staging)
            files = manifest.inventory(staging, staged.files)
            license = spec.license or staged.license
            note = Manifest(
                spec.id,
                spec.engine,
                spec.source,
                license,
                staged.main,
                files,
                self._weight_format(spec),
            )
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

    def _stage(
        self, spec: ModelSpec, source: Source, staging: Path, downloads: Path, progress: Progress
    ) -> Staged:
        """Put the weights into `staging`, in the weight format of the model."""
        weight_format = self._weight_format(spec)
        if weight_format == "none":
            return source.stage(staging, downloads, progress)
        there = self._original(spec, source)
        staged = there or source.stage(staging, downloads, progress)
        original = staging / staged.main  # an absolute path stays what it is
        if there and (projector := beside(spec)):
            link_or_copy(original.parent / projector, staging / projector)
        name = f"{original.stem}.{weight_format}.gguf"
        free = self._access.free_space
        if requantise.requantise(
            original, staging / name, weight_format, self._fast, progress, free
        ):
            if there is None:
                original.unlink()
            return Staged(name, staged.license)
        if there is None:
            return staged
        link_or_copy(original, staging / original.name)
        return Staged(original.name, staged.license)

    def _original(self, spec: ModelSpec, source: Source) -> Staged | None:
        """The weights as their source has them, if they are here; `main` is an absolute path."""
        used_there = source.in_place()
        if used_there is not None:
            return Staged(str(used_there.absolute()))
        folder = self._named(spec, source.key)
        note = manifest.read(folder)
        if note is None or not manifest.intact(folder, note):
            return None
        return Staged(str((folder / note.main).absolute()), note.license)

    def _weight_format(self, spec: ModelSpec) -> WeightFormat:
        """Nothing is gained on a processor without fast kernels."""
        return spec.requantise if self._fast else "none"

    def _prepare(self, spec: ModelSpec, staging: Path) -> None:
        """Make the ONNX graph of packaged weights, which come as safetensors only."""
        takes_onnx = engine_entry(spec.engine).weight_files == "onnx"
        if takes_onnx and not (staging / "model.onnx").exists():
            from openedai.weights.onnx_graph import write_onnx

            write_onnx(staging)

    def _drop_superseded(self, folder: Path, note: Manifest) -> None:
        """Delete older weights of the same source: its pins, or the files there, have changed.

        Those in another weight format stay, unless they were this very model's.
        """
        for other, its in self._notes():
            same = (its.source, its.engine) == (note.source, note.engine)
            if (
                other != folder
                and same
                and (its.weight_format == note.weight_format or its.model == note.model)
            ):
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
        weight_format = self._weight_format(spec)
        if weight_format == "none":
            return self._named(spec, source.key)
        fast = " ".join(sorted(type.name for type in self._fast))
        return self._named(spec, f"{source.key} {weight_format} {requantise.VERSION} {fast}")

    def _named(self, spec: ModelSpec, key: str) -> Path:
        name = re.sub(r"[^A-Za-z0-9._]+", "-", spec.source).strip("-.")[-60:]
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        return self._cache / "models" / f"{name}-{digest}"

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


def _projector_bytes(spec: ModelSpec, weights: Path) -> int:
    """Of one that lies where the user keeps it."""
    named = spec.options.get("mmproj")
    file = weights.parent / Path(named).expanduser() if isinstance(named, str) else weights.parent
    return file.stat().st_size if file.is_file() else 0


def _freed(path: Path) -> int:
    """Bytes that deleting `path` gives back: not those that other folders hold too."""
    files = [file.lstat() for file in path.rglob("*") if file.is_file()]
    return sum(file.st_size for file in files if file.st_nlink == 1)
