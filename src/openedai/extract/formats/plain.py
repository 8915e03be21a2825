"""Files that are text: notes, tables, code."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from openedai.extract.encoding import decode, decode_unicode
from openedai.extract.formats.detect import CONTAINERS, HEAD, detect, suffix
from openedai.extract.result import Limits, NotReadable, Text
from openedai.extract.writer import TextWriter

_BYTES_PER_CHARACTER = 4  # at most


def read_unicode(path: Path, name: str, limits: Limits) -> Text | None:
    """The text of a file that is text in Unicode: reading it needs no process of its own.

    None if it is something else, such as a web page. Blocking. Raises NotReadable.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        if detect(head, name) != "text" or suffix(name) in CONTAINERS:
            return None
        if path.stat().st_size > _BYTES_PER_CHARACTER * limits.characters:
            return None
        text = decode_unicode(head + file.read())
    if text is None:
        return None
    writer = TextWriter(limits.characters)
    writer.write(text)
    return writer.text()


def read_text(file: IO[bytes], writer: TextWriter) -> None:
    """Write the text of a file that is text in any encoding. Raises NotReadable."""
    text = decode(file.read())
    if text is None:
        raise NotReadable("unsupported_file", "The file is neither text nor a known document.")
    writer.write(text)
