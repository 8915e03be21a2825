"""Extracts named members of zip archives, with checks of their sizes and hashes."""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from openedai.errors import Unavailable
from openedai.weights.disk import CHUNK_BYTES, inner_name
from openedai.weights.manifest import File
from openedai.weights.progress import Progress


def extract(archive: Path, members: Mapping[str, File], folder: Path, progress: Progress) -> None:
    """Write each named member to its file's name below `folder`.

    Raises Unavailable if a member is missing, is not a regular file, or has another size or hash
    than its file, and ValueError if a file's name leaves the folder.
    """
    with _open(archive) as source:
        for member, file in members.items():
            target = folder / inner_name(file.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                sha256 = _copy(source, member, file.size, out, progress)
            if sha256 != file.sha256:
                raise _damaged(archive, f"{member} has the wrong SHA-256")


def join(parts: Sequence[tuple[Path, str]], target: Path, progress: Progress) -> None:
    """Write one member of each archive to `target`, one after the other."""
    with target.open("xb") as out:
        for archive, member in parts:
            with _open(archive) as source:
                _copy(source, member, None, out, progress)


def _open(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise _damaged(archive, str(error)) from None


def _copy(
    source: zipfile.ZipFile, member: str, size: int | None, out: BinaryIO, progress: Progress
) -> str:
    """Copy one member. Returns its SHA-256. Its size must be `size`, unless that is None."""
    archive = Path(source.filename or "")
    try:
        info = source.getinfo(member)
    except KeyError:
        raise _damaged(archive, f"it has no {member}") from None
    file_type = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir() or file_type not in (0, stat.S_IFREG):
        raise _damaged(archive, f"{member} is not a plain file")
    if size is not None and info.file_size != size:
        raise _damaged(archive, f"{member} has {info.file_size} bytes instead of {size}")
    sha256 = hashlib.sha256()
    try:
        with source.open(info) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                sha256.update(chunk)
                out.write(chunk)
                progress.advance(len(chunk))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _damaged(archive, f"{member}: {error}") from None
    return sha256.hexdigest()


def _damaged(archive: Path, reason: str) -> Unavailable:
    return Unavailable(f"The downloaded archive {archive.name} cannot be used: {reason}.")
