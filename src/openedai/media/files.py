"""The bytes of files that requests contain."""

from __future__ import annotations

import binascii
import re

from openedai.errors import invalid_value
from openedai.images.bad_image import BadImage
from openedai.images.formats import SNIFF_BYTES, media_type

_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)


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
