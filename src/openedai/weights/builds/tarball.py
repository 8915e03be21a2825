"""Extracts the libraries and the licence from an npm package. None of its code is run."""

from __future__ import annotations

import re
import shutil
import zlib
from pathlib import Path

from openedai.errors import Unavailable
from openedai.weights.disk import CHUNK_BYTES
from openedai.weights.progress import Progress

# Shared objects and the description of the build, without what only Node needs.
_LIBRARY = re.compile(r"package/bins/[\w.-]+/((?!llama-addon|(?:lib)?llama-common)[\w.-]+)")
_ENDINGS = (".so", ".dylib", ".json")
_LICENSE = "package/LICENSE"


def unpack(tarball: Path, folder: Path, limit: int, progress: Progress) -> None:
    """Write the files into the empty `folder`, at most `limit` bytes. Raises Unavailable."""
    import tarfile  # imported here, because a server may never unpack one

    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for member in archive:
                if (name := _kept(member.name)) is None:
                    continue
                limit -= member.size
                if not member.isreg() or limit < 0:
                    raise _damaged(tarball, f"{member.name} is not a plain file of its size")
                source = archive.extractfile(member)
                assert source is not None
                with source, (folder / name).open("xb") as target:
                    shutil.copyfileobj(source, target, CHUNK_BYTES)
                progress.advance(member.size)
    except (tarfile.TarError, zlib.error, EOFError, FileExistsError) as error:
        raise _damaged(tarball, str(error)) from None


def _kept(member: str) -> str | None:
    """The name of the file that a member becomes; None if it is not needed."""
    if member == _LICENSE:
        return "LICENSE"
    found = _LIBRARY.fullmatch(member)
    return found[1] if found and found[1].endswith(_ENDINGS) else None


def _damaged(tarball: Path, reason: str) -> Unavailable:
    return Unavailable(f"The downloaded package {tarball.name} cannot be used: {reason}.")
