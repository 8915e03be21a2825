"""The bytes of files that requests contain, and the texts in them."""

from __future__ import annotations

import binascii
import codecs
import re

from openedai.errors import invalid_value
from openedai.images.bad_image import BadImage
from openedai.images.formats import SNIFF_BYTES, media_type

_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)
_TEXT_ENCODINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What is not text, though its bytes may be.
_FORMATS = {
    b"%PDF-": "a PDF document",
    b"{\\rtf": "an RTF document",
    b"PK\x03\x04": "an archive or an Office document",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Office document",
    b"\x1f\x8b": "an archive",
}


def decode_file_data(data: str, param: str) -> bytes:
    """The bytes of base64, or of a data URL with it. Raises InvalidRequest about `param`."""
    head = _DATA_URL.match(data)
    if head is None and data[:5].lower() == "data:":
        raise invalid_value(param, "expected 'data:…;base64,' and the file in base64")
    encoded = data if head is None else data[head.end() :]
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        raise invalid_value(param, "it is not valid base64") from None


def is_image(raw: bytes) -> bool:
    """Whether the bytes begin like an image of a supported format."""
    try:
        media_type(raw[:SNIFF_BYTES])
    except BadImage:
        return False
    return True


def file_text(raw: bytes) -> str | None:
    """The text that a file consists of; None if it is something else."""
    if _known_format(raw) is not None:
        return None
    encoding = next(
        (name for mark, name in _TEXT_ENCODINGS.items() if raw.startswith(mark)), "utf-8"
    )
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def format_name(raw: bytes) -> str:
    """What a file is that is neither text nor an image, in words."""
    return _known_format(raw) or "neither text in UTF-8 nor an image"


def _known_format(raw: bytes) -> str | None:
    return next((name for mark, name in _FORMATS.items() if raw.startswith(mark)), None)
