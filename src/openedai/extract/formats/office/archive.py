"""The files in a zip archive, unpacked within limits."""

from __future__ import annotations

import io
import posixpath
import zipfile
from typing import IO

from openedai.extract.formats.xml_events import xml_events
from openedai.extract.result import NotReadable

_FILES = 100_000
_ENCRYPTED = 1  # the flag of a file


class Archive:
    """A zip archive that is open for reading; at most `limit` bytes of it are unpacked.

    Raises NotReadable if it is broken.
    """

    def __init__(self, file: IO[bytes], limit: int) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError):
            raise _broken() from None
        self.names = {info.filename: info for info in self._zip.infolist()}
        if len(self.names) > _FILES:
            raise NotReadable("invalid_file", f"The file has more than {_FILES} files in it.")
        self._limit = self._remaining = limit

    def open(self, name: str) -> IO[bytes]:
        """The contents of a file. Raises NotReadable, now or when it is read."""
        info = self.names.get(name)
        if info is None:
            raise NotReadable("invalid_file", f"The file is broken: it has no '{name[:100]}'.")
        if info.flag_bits & _ENCRYPTED:
            raise NotReadable("invalid_file", "The file is encrypted with a password.")
        try:
            return io.BufferedReader(_Bounded(self, self._zip.open(info)))
        except (zipfile.BadZipFile, NotImplementedError, EOFError):
            raise _broken() from None

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """Which files a part of an Office file refers to: (the end of the type, path) by id."""
        folder, base = posixpath.split(name)
        path = posixpath.join(folder, "_rels", f"{base}.rels")
        if path not in self.names:
            return {}
        found = {}
        with self.open(path) as file:
            for event, element, attributes in xml_events(file):
                if (event, element) == ("start", "Relationship"):
                    target = posixpath.normpath(
                        posixpath.join("/", folder, attributes.get("Target", ""))
                    )
                    type_ = attributes.get("Type", "").rpartition("/")[2]
                    found[attributes.get("Id", "")] = (type_, target.lstrip("/"))
        return found

    def related(self, name: str, type_: str) -> list[str]:
        """The files of one type that a part refers to, if they are in the archive."""
        relations = self.relations(name).values()
        return [path for kind, path in relations if kind == type_ and path in self.names]

    def spend(self, size: int) -> None:
        self._remaining -= size
        if self._remaining < 0:
            raise NotReadable(
                "invalid_file", f"The file is larger than {self._limit >> 20} MiB unpacked."
            )


class _Bounded(io.RawIOBase):
    """The unpacked contents of a file; they count towards the limit of the archive."""

    def __init__(self, archive: Archive, file: IO[bytes]) -> None:
        self._archive = archive
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._file.read(len(buffer))
        except (zipfile.BadZipFile, EOFError, OSError):
            raise _broken() from None
        except Exception as error:  # the errors of zlib, bz2 and lzma have no common base class
            if type(error).__name__ in ("error", "LZMAError"):
                raise _broken() from None
            raise
        self._archive.spend(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _broken() -> NotReadable:
    return NotReadable("invalid_file", "The file is broken: it cannot be unpacked.")
