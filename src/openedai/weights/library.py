"""Finds, pulls and removes the weights on this machine. `cache.py` has the folders."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

from openedai.config import ModelSpec, Settings, WeightFormat
from openedai.contract.engine import Embedder
from openedai.engines.machine import processor_features
from openedai.engines.registry import engine_entry
from openedai.gguf.header import TensorType
from openedai.gguf.kernels import fast_types
from openedai.weights import requantise
from openedai.weights.cache import Cache
from openedai.weights.disk import link_or_copy, naming
from openedai.weights.manifest import (
    Manifest,
    hashes_match,
    inventory,
    read_manifest,
    sizes_match,
    write_manifest,
)
from openedai.weights.packages import builtin_packages
from openedai.weights.progress import NoProgress, Progress
from openedai.weights.sources import source_of
from openedai.weights.sources.base import Access, Source, Staged, named_projector, projector_path

WORTH_OFFERING = 0.2  # of the weights

log = logging.getLogger("openedai.weights")


class Library:
    """Blocking, and safe to use from several threads and processes at once."""

    def __init__(
        self,
        settings: Settings,
        access: Access | None = None,
        fast: frozenset[TensorType] | None = None,
    ) -> None:
        """With `access` None the settings and the environment decide.

        `fast` are the types with fast kernels; None means those of this processor.
        """
        self.cache_dir = settings.cache_dir.expanduser()
        self._cache = Cache(self.cache_dir)
        self._access = access or Access(offline=settings.offline, packages=builtin_packages())
        self._fast = fast_types(processor_features()) if fast is None else fast

    def ready(self, spec: ModelSpec) -> bool:
        """Whether the model can be loaded without a download."""
        return source_of(spec, self._access) is None or self.find(spec) is not None

    def find(self, spec: ModelSpec) -> Path | None:
        """The weights that the engine loads, if all their files are on disk in full size.

        A GGUF file (the first, if it is split), or a sentence-transformers folder.
        None too for an engine without weights.
        """
        source = source_of(spec, self._access)
        if source is None:
            return None
        in_place = source.in_place() if self._weight_format(spec) == "none" else None
        return in_place or _installed_at(self._folder(spec, source))

    def changed_at(self) -> int | None:
        """When models were last added to the cache or removed, in nanoseconds since 1970, by the
        file system's clock. None if there is no cache.
        """
        return self._cache.changed_at()

    def pull(self, spec: ModelSpec, progress: Progress | None = None) -> Path | None:
        """The path that `find` returns, after a download if necessary. Raises Unavailable."""
        source = source_of(spec, self._access)
        found = self.find(spec)
        if source is None or found is not None:
            return found
        folder = self._folder(spec, source)
        progress = progress or NoProgress()
        with (
            naming(f"The model `{spec.id}`", self._cache.root),
            self._cache.locked(folder, spec.id, progress),
        ):
            found = _installed_at(folder)
            if found is None:
                found = self._install(spec, source, folder, progress)
                self._log_slow_weights(spec)
            return found

    def remove(self, spec: ModelSpec) -> int:
        """Delete what was pulled for the model. Returns how many bytes this frees.

        Files that the user keeps elsewhere, and the hub's own cache, stay.
        """
        source = source_of(spec, self._access)
        if source is None:
            return 0
        folder = self._folder(spec, source)
        staging = self._cache.staging(folder)
        paths = (folder, staging, self._cache.downloads(folder))
        if not any(path.exists() for path in paths):
            return 0
        with (
            naming(f"The model `{spec.id}`", self._cache.root),
            self._cache.locked(folder, spec.id, NoProgress()),
        ):
            freed = sum(_freed_bytes(path) for path in paths)
            if folder.exists():
                # Removed in one step: half a model must not be found.
                shutil.rmtree(staging, ignore_errors=True)
                folder.rename(staging)
            for path in paths:
                shutil.rmtree(path, ignore_errors=True)
            return freed

    def manifest(self, spec: ModelSpec) -> Manifest | None:
        """The manifest of the files that were pulled for the model; None if none were."""
        source = source_of(spec, self._access)
        return read_manifest(self._folder(spec, source)) if source else None

    def size(self, spec: ModelSpec) -> int | None:
        """The size of the model's files on disk, in bytes; None if they are missing."""
        path = self.find(spec)
        if path is None:
            return None
        manifest = self.manifest(spec)
        if manifest and projector_path(spec):
            return manifest.size
        return (manifest.size if manifest else _bytes_below(path)) + _projector_bytes(spec, path)

    def download_size(self, spec: ModelSpec) -> int | None:
        """The size of a complete download, in bytes; None if only the hub knows it."""
        source = source_of(spec, self._access)
        return 0 if source is None else source.download_size()

    def downloaded(self, spec: ModelSpec) -> int:
        """How many bytes of an unfinished download there are; 0 if there is none, or if the hub's
        cache has it.
        """
        source = source_of(spec, self._access)
        folder = None if source is None else self._cache.downloads(self._folder(spec, source))
        return 0 if folder is None or not folder.is_dir() else _bytes_below(folder)

    def slow_share(self, spec: ModelSpec) -> float:
        """The share of the weights, from 0 to 1, that this processor has no fast kernels for and
        that `requantise` would convert. 0 too if the model is not on disk.
        """
        path = self.find(spec)
        if path is None or engine_entry(spec.engine).weight_files != "gguf":
            return 0.0
        return requantise.slow_share(path, self._fast)

    def _log_slow_weights(self, spec: ModelSpec) -> None:
        share = self.slow_share(spec)
        if share >= WORTH_OFFERING:
            log.info(
                "%s of the weights of %s are slow on this processor; `requantise` makes them fast",
                f"{share:.0%}",
                spec.id,
            )

    def _install(self, spec: ModelSpec, source: Source, folder: Path, progress: Progress) -> Path:
        """Write the model's folder. Returns what the engine loads."""
        with self._cache.installing(folder) as (staging, downloads):
            downloads.mkdir(parents=True, exist_ok=True)
            staged = self._stage(spec, source, staging, downloads, progress)
            progress.start(f"Preparing {spec.id}", None)
            _prepare(spec, staging)
            manifest = Manifest(
                model=spec.id,
                engine=spec.engine,
                source=spec.source,
                license=spec.license or staged.license,
                main=staged.main,
                files=inventory(staging, staged.files),
                weight_format=self._weight_format(spec),
            )
            write_manifest(staging, manifest)
        self._delete_superseded(folder, manifest)
        return folder / manifest.main

    def _stage(
        self, spec: ModelSpec, source: Source, staging: Path, downloads: Path, progress: Progress
    ) -> Staged:
        """Put the weights into `staging`, in the weight format of the model."""
        target = self._weight_format(spec)
        if target == "none":
            return source.stage(staging, downloads, progress)
        existing = self._existing_original(spec, source)
        staged = existing or source.stage(staging, downloads, progress)
        original = staging / staged.main  # that of existing weights is an absolute path
        if existing and (projector := projector_path(spec)):
            link_or_copy(original.parent / projector, staging / projector)
        name = f"{original.stem}.{target}.gguf"
        free = self._access.free_space
        if requantise.requantise(original, staging / name, target, self._fast, progress, free):
            if not existing:
                original.unlink()
            return Staged(name, staged.license)
        if not existing:
            return staged
        link_or_copy(original, staging / original.name)
        return Staged(original.name, staged.license)

    def _existing_original(self, spec: ModelSpec, source: Source) -> Staged | None:
        """The weights in their source's weight format, if they are on disk; `main` is an absolute
        path."""
        in_place = source.in_place()
        if in_place is not None:
            return Staged(str(in_place.absolute()))
        folder = self._cache.folder(spec.source, source.key)
        manifest = read_manifest(folder)
        if manifest is None or not hashes_match(folder, manifest):
            return None
        return Staged(str((folder / manifest.main).absolute()), manifest.license)

    def _delete_superseded(self, folder: Path, manifest: Manifest) -> None:
        """Delete older weights of the same source, whose pins or files have changed.

        Those in another weight format stay, unless they belong to the same model.
        """
        for other_folder, other in self._cache.manifests():
            if other_folder == folder:
                continue
            if (other.source, other.engine) != (manifest.source, manifest.engine):
                continue
            if other.weight_format == manifest.weight_format or other.model == manifest.model:
                shutil.rmtree(other_folder, ignore_errors=True)

    def _folder(self, spec: ModelSpec, source: Source) -> Path:
        target = self._weight_format(spec)
        if target == "none":
            return self._cache.folder(spec.source, source.key)
        fast = " ".join(sorted(type.name for type in self._fast))
        return self._cache.folder(spec.source, f"{source.key} {target} {requantise.VERSION} {fast}")

    def _weight_format(self, spec: ModelSpec) -> WeightFormat:
        """The weight format to use: requantising gains nothing on a processor without fast
        kernels.
        """
        return spec.requantise if self._fast else "none"


def _installed_at(folder: Path) -> Path | None:
    manifest = read_manifest(folder)
    if manifest is None or not sizes_match(folder, manifest):
        return None
    return folder / manifest.main


def _prepare(spec: ModelSpec, staging: Path) -> None:
    """Make the ONNX graph of packaged weights, which come as safetensors only."""
    takes_onnx = engine_entry(spec.engine).weight_files == "onnx"
    if takes_onnx and not (staging / "model.onnx").exists():
        from openedai.weights.onnx_graph.write import write_classifier, write_graph

        embeds = Embedder in engine_entry(spec.engine).capabilities
        (write_graph if embeds else write_classifier)(staging)


def _bytes_below(path: Path) -> int:
    """The size of a file or of the files in a folder, in bytes, without files that vanish
    meanwhile.
    """
    walked = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    found = 0
    for file in [path] if path.is_file() else walked:
        with suppress(FileNotFoundError):
            found += file.stat().st_size
    return found


def _projector_bytes(spec: ModelSpec, weights: Path) -> int:
    """The size of a projector that is not in the cache, in bytes; 0 if there is none."""
    path = named_projector(spec)
    if path is None:
        return 0
    file = weights.parent / Path(path).expanduser()
    return file.stat().st_size if file.is_file() else 0


def _freed_bytes(path: Path) -> int:
    """How many bytes deleting `path` frees: files to which other folders link do not count."""
    files = [file.lstat() for file in path.rglob("*") if file.is_file()]
    return sum(file.st_size for file in files if file.st_nlink == 1)
