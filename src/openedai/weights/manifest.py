"""The manifest in a model's folder: which files belong in it. It is written last."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from openedai.config import WeightFormat
from openedai.weights.disk import digest, files_below

NAME = ".manifest.json"


class File(msgspec.Struct, frozen=True):
    """`name` is relative to the folder, `size` in bytes, `sha256` in hexadecimal."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """`main` is the file or folder that the engine loads, relative to the model's folder.

    `weight_format` is what the weights were requantised to; its key in the file is `form`, as in
    the manifests of earlier versions.
    """

    model: str
    engine: str
    source: str
    license: str
    main: str
    files: tuple[File, ...]
    weight_format: WeightFormat = msgspec.field(default="none", name="form")

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None if it is missing or cannot be read."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))


def sizes_match(folder: Path, manifest: Manifest) -> bool:
    """Whether every file exists with its full size. Contents are not read."""
    try:
        return all((folder / file.name).stat().st_size == file.size for file in manifest.files)
    except OSError:
        return False


def hashes_match(folder: Path, manifest: Manifest) -> bool:
    """Whether every file exists with its recorded contents. They are read."""
    return sizes_match(folder, manifest) and all(
        digest(folder / file.name) == file.sha256 for file in manifest.files
    )


def inventory(folder: Path, known: Iterable[File]) -> tuple[File, ...]:
    """Every file below `folder`; those that are not `known` are hashed."""
    hashes = {file.name: file.sha256 for file in known}
    return tuple(
        File(name, path.stat().st_size, hashes.get(name) or digest(path))
        for name, path in files_below(folder)
    )
