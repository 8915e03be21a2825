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

# A larger one is read in a process, so that it delays nothing in the server.
_READ_HERE = 1 << 20  # bytes
_WRITTEN = ("text", "html", "xml", "mail")
_JSON = frozenset((".json", ".jsonl", ".ndjson", ".ipynb", ".geojson"))
_ESCAPES = re.compile(r"(?<!\\)(?:\\u(?!00[0-7])[0-9A-Fa-f]{4})+")  # of what is not ASCII


def source_text(raw: bytes, name: str) -> str | None:
    """A text in Unicode as it is written, with its marks if it is a web page or XML.

    None if it is a document, something else, or in another encoding.
    """
    if detect(raw[:HEAD], name) not in _WRITTEN or suffix(name) in CONTAINERS:
        return None
    return decode_unicode(raw)


def read_unicode(path: Path, name: str, limits: Limits) -> Text | None:
    """The text of a file that is a short text in Unicode, which needs no process of its own.

    None if it is something else, such as a web page. Blocking. Raises NotReadable.
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
    """Write the text of a file that is text in any encoding. Raises NotReadable."""
    text = decode(file.read())
    if text is None:
        raise NotReadable("unsupported_file", "The file is neither text nor a known document.")
    writer.write(_readable(text, name))


def _readable(text: str, name: str) -> str:
    """The text; in JSON letters instead of the numbers that many programs write for them."""
    if suffix(name) not in _JSON or "\\u" not in text:
        return text
    return _ESCAPES.sub(lambda found: str(json.loads(f'"{found[0]}"')), text)
