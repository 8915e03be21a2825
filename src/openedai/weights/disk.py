"""Files on disk: their names, hashes and links, the free space, and errors."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from openedai.errors import DISK_FULL, Unavailable

CHUNK_BYTES = 1 << 20

FreeSpace = Callable[[Path], int]


def free_space(folder: Path) -> int:
    """Bytes that can still be written below `folder`, which need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_space(folder: Path, needed: int, free: FreeSpace) -> None:
    """Raise Unavailable unless `needed` bytes fit."""
    available = free(folder)
    if available < needed:
        raise Unavailable(
            f"Not enough space on disk: {readable(needed)} are needed in {folder}, "
            f"{readable(available)} are free."
        )


@contextmanager
def naming(subject: str, folder: Path) -> Iterator[None]:
    """Begin every Unavailable with what is not available, and turn OSErrors into Unavailable.

    `subject` is such as "The model `m`"; `folder` is where a full disk would be.
    """
    try:
        yield
    except Unavailable as error:
        raise Unavailable(f"{subject} is not available. {error.message}") from error
    except OSError as error:
        reason = f"The disk is full: {folder}." if error.errno in DISK_FULL else str(error)
        raise Unavailable(f"{subject} is not available. {reason}") from error


def readable(size: int) -> str:
    """`98.4 MB`"""
    if size >= 10**9:
        return f"{size / 10**9:.1f} GB"
    return f"{size / 10**6:.1f} MB"


def inner_name(name: str) -> str:
    """`name`, if it is a plain relative path that stays inside its folder. Raises ValueError."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"the name {name!r} leaves its folder")
    if "\\" in name or "\0" in name or ":" in path.parts[0]:
        raise ValueError(f"the name {name!r} is no plain path")
    return name


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below `folder`: its relative path with slashes, and its path."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a hard link to the file that `source` leads to, or else a copy of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    real = source.resolve(strict=True)
    try:
        os.link(real, target)
    except OSError:
        shutil.copyfile(real, target)


def sync(folder: Path, *, deep: bool = True) -> None:
    """Flush `folder`, and everything below it if `deep`, to the disk."""
    for path in [*(folder.rglob("*") if deep else ()), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
