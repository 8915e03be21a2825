"""Reads a file with the reader of its format."""

from __future__ import annotations

from typing import IO

from openedai.extract.formats.detect import CONTAINERS, HEAD, detect, suffix
from openedai.extract.formats.plain import read_text
from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter


def read(file: IO[bytes], name: str, writer: TextWriter) -> None:
    """Write the text of a file, which can seek. Raises NotReadable; anything if it is broken."""
    found = detect(file.read(HEAD), name)
    file.seek(0)
    expected = CONTAINERS.get(suffix(name), found)
    if found != expected:
        raise NotReadable("invalid_file", f"The file is not a {suffix(name)} file.")
    match found:
        case "text":
            read_text(file, writer)
        case _:
            raise NotReadable("unsupported_file", f"Files of the type {found} are not read.")
