"""Files that are text: notes, tables, code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import IO

from openedai.extract.encoding import decode, decode_unicode
from openedai.extract.formats.detect import CONTAINERS, HEAD, detect, suffix
from openedai.extract.result import Limits, NotReadable, Text
from openedai.extract.writer import TextWriter

# A larger one is read in a separate process, so that it does not delay the server.
_READ_HERE = 1 << 20  # bytes
_WRITTEN = ("text", "html", "xml", "mail")
_JSON = frozenset((".json", ".jsonl", ".ndjson", ".ipynb", ".geojson"))
_ESCAPES = re.compile(r"(?<!\\)(?:\\u(?!00[0-7])[0-9A-Fa-f]{4})+")  # of non-ASCII characters


def source_text(raw: bytes, name: str) -> str | None:
    """A Unicode text as it is written; a web page or XML keeps its markup.

    None if it is a document, not text, or in another encoding.
    """
    if detect(raw[:HEAD], name) not in _WRITTEN or suffix(name) in CONTAINERS:
        return None
    return decode_unicode(raw)


def read_unicode(path: Path, name: str, limits: Limits) -> Text | None:
    """The text of a file that is a short Unicode text, which needs no separate process.

    None for other files, such as web pages. Blocking. Raises NotReadable.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        if detect(head, name) != "text" or suffix(name) in CONTAINERS:
            return None
        if path.stat().st_size > _READ_HERE:
            return None
        text = decode_unicode(head + file.read())
    if text is None:
        return None
    writer = TextWriter(limits.characters)
    writer.write(_readable(text, name))
    return writer.text()


def read_text(file: IO[bytes], name: str, writer: TextWriter) -> None:
    """Write the text of a text file in any encoding. Raises NotReadable."""
    text = decode(file.read())
    if text is None:
        raise NotReadable("unsupported_file", "The file is neither text nor a known document.")
    writer.write(_readable(text, name))


def _readable(text: str, name: str) -> str:
    """The text; in JSON, with letters in place of the escapes that many programs write."""
    if suffix(name) not in _JSON or "\\u" not in text:
        return text
    return _ESCAPES.sub(lambda found: str(json.loads(f'"{found[0]}"')), text)
