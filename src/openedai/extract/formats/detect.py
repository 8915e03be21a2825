"""Which format a file has, by its first bytes and its name."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Literal

Format = Literal["pdf", "zip", "ole", "rtf", "html", "xml", "mail", "text"]

HEAD = 1024  # bytes that are needed: a PDF may begin after something else

_SIGNATURES: tuple[tuple[bytes, Format], ...] = (
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty one
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"{\\rtf", "rtf"),
)
_SUFFIXES: dict[str, Format] = {
    ".htm": "html",
    ".html": "html",
    ".xhtml": "html",
    ".xml": "xml",
    ".eml": "mail",
}
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_XHTML = re.compile(rb"<html[\s>]|<!doctype html", re.IGNORECASE)
_UTF8_MARK = b"\xef\xbb\xbf"
# The formats that files with these names must have; anything else is broken.
CONTAINERS = {
    ".pdf": "pdf",
    ".docx": "zip",
    ".pptx": "zip",
    ".xlsx": "zip",
    ".odt": "zip",
    ".ods": "zip",
    ".odp": "zip",
    ".epub": "zip",
}


def suffix(name: str) -> str:
    """The end of a file's name, such as `.pdf`; empty if it has none."""
    return PurePath(name.lower()).suffix


def detect(head: bytes, name: str) -> Format:
    """The format of a file that begins with `head`, at least HEAD bytes if it has them.

    `text` also stands for what may not be text at all.
    """
    if suffix(name) == ".pdf" and b"%PDF-" in head[:HEAD]:
        return "pdf"
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            return found
    if (known := _SUFFIXES.get(suffix(name))) is not None:
        return known
    start = head.removeprefix(_UTF8_MARK)
    if _HTML.match(start):
        return "html"
    if start.startswith(b"<?xml"):
        return "html" if _XHTML.search(start) else "xml"
    return "text"
