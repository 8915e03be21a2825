"""The folders below `cache_dir`, and the locks that guard them.

    models/<name>-<key>/     one model's files and their manifest
    models/.<name>-<key>/    the same while it is being written
    downloads/<name>-<key>/  what has been downloaded for it so far
    locks/<name>-<key>.lock  held by the process that writes or removes it

A folder gets its final name in one step, when everything in it is written and checked. So a folder
with a final name is complete, and the next pull resumes or deletes what a killed process left
behind.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openedai.weights.disk import sync
from openedai.weights.manifest import Manifest, read_manifest
from openedai.weights.progress import Progress


class Cache:
    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, source: str, key: str) -> Path:
        """The final folder for weights. Its name contains `source`, for people, and `key`, which
        identifies it.
        """
        name = re.sub(r"[^A-Za-z0-9._]+", "-", source).strip("-.")[-60:]
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        return self.root / "models" / f"{name}-{digest}"

    def staging(self, folder: Path) -> Path:
        """The folder where the contents of a final folder are written first."""
        return folder.with_name(f".{folder.name}")

    def downloads(self, folder: Path) -> Path:
        return self.root / "downloads" / folder.name

    @contextmanager
    def installing(self, folder: Path) -> Iterator[tuple[Path, Path]]:
        """An empty folder that becomes the final one unless this fails, and the folder of its
        downloads, which stay if this fails.
        """
        staging, downloads = self.staging(folder), self.downloads(folder)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            yield staging, downloads
            sync(staging)
            shutil.rmtree(folder, ignore_errors=True)
            staging.rename(folder)
            sync(folder.parent, deep=False)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(downloads, ignore_errors=True)

    def changed_at(self) -> int | None:
        """When a folder was last added or removed, in nanoseconds since 1970; None without any."""
        try:
            return (self.root / "models").stat().st_mtime_ns
        except OSError:
            return None

    def manifests(self) -> Iterator[tuple[Path, Manifest]]:
        """Every final folder with its manifest."""
        for folder in sorted((self.root / "models").glob("[!.]*")):
            manifest = read_manifest(folder)
            if manifest is not None:
                yield folder, manifest

    @contextmanager
    def locked(self, folder: Path, model: str, progress: Progress) -> Iterator[None]:
        """Hold the lock of a final folder. Waiting for it is reported to `progress`."""
        from filelock import FileLock, Timeout  # here, because a server may never take a lock

        path = self.root / "locks" / f"{folder.name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.start(f"Waiting for another process that pulls {model}", None)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
