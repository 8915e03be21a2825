"""Reads bytes as a file, by the process that the server reads files with."""

from __future__ import annotations

import asyncio
import io
import tempfile
from pathlib import Path

from openedai.extract.formats import reader
from openedai.extract.text import Limits, NotReadable, Text, extract
from openedai.extract.writer import TextWriter

LIMITS = Limits(seconds=20.0, memory=1 << 30, characters=5_000_000)


def read(raw: bytes, name: str, limits: Limits = LIMITS) -> Text:
    """Raises NotReadable."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(raw)
        return asyncio.run(extract(path, name, limits))


def read_here(raw: bytes, name: str, limit: int = LIMITS.characters) -> Text:
    """The same without a process, which takes time to start. Raises NotReadable."""
    writer = TextWriter(limit)
    reader.read(io.BytesIO(raw), name, writer)
    return writer.text()


def text(raw: bytes, name: str) -> str:
    return read(raw, name).text


def refusal(raw: bytes, name: str, limits: Limits = LIMITS) -> NotReadable:
    """The error of a file that must not be readable."""
    try:
        found = read(raw, name, limits)
    except NotReadable as error:
        return error
    raise AssertionError(f"it was read: {found.text[:200]!r}")
