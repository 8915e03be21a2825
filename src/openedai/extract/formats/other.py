"""Older and rarer documents, with an extra: kreuzberg."""

from __future__ import annotations

from typing import IO

from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter

# By the ending of the name, because their first bytes do not tell them apart.
_MEDIA_TYPES = {
    ".doc": "application/msword",
    ".dot": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
    ".msg": "application/vnd.ms-outlook",
    ".rtf": "application/rtf",
}
_RTF = b"{\\rtf"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def read_other(file: IO[bytes], suffix: str, writer: TextWriter) -> None:
    """Write the text of a file in RTF, or in a format of Office before 2007. Raises NotReadable."""
    raw = file.read()
    if _ENCRYPTED in raw:
        raise NotReadable("invalid_file", "The file is encrypted with a password.")
    media_type = _MEDIA_TYPES[".rtf"] if raw.startswith(_RTF) else _MEDIA_TYPES.get(suffix)
    if media_type is None:
        raise NotReadable("unsupported_file", "The file is in a format of Office before 2007.")
    try:
        import kreuzberg
    except ImportError:
        raise NotReadable(
            "unsupported_file",
            f"Files of the type {media_type} need an extra: pip install 'openedai[documents]'.",
        ) from None
    config = kreuzberg.ExtractionConfig(use_cache=False)
    try:
        found = kreuzberg.extract_bytes_sync(raw, media_type, config)
    except kreuzberg.ParsingError:
        raise NotReadable("invalid_file", "The file cannot be read: it may be broken.") from None
    writer.write(found.content)
