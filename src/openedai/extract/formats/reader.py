"""Reads a file with the reader of its format."""

from __future__ import annotations

from typing import IO

from openedai.extract.formats.detect import CONTAINERS, HEAD, Format, detect, suffix
from openedai.extract.formats.html import read_html
from openedai.extract.formats.mail import read_mail
from openedai.extract.formats.office.package import read_package
from openedai.extract.formats.other import read_other
from openedai.extract.formats.pdf import read_pdf
from openedai.extract.formats.plain import read_text
from openedai.extract.formats.xml import read_xml
from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter

_DEEPEST = 3  # mails attached to mails


def read(file: IO[bytes], name: str, writer: TextWriter, depth: int = 0) -> None:
    """Write the text of a seekable file. Raises NotReadable and MemoryError."""
    found = detect(file.read(HEAD), name)
    file.seek(0)
    if found != "ole" and found != CONTAINERS.get(suffix(name), found):
        raise NotReadable("invalid_file", f"The file is not a {suffix(name)} file.")
    try:
        _read(file, name, found, writer, depth)
    except (NotReadable, MemoryError):
        raise
    except Exception as error:
        raise NotReadable("invalid_file", "The file cannot be read: it may be broken.") from error


def _read(file: IO[bytes], name: str, found: Format, writer: TextWriter, depth: int) -> None:
    match found:
        case "text":
            read_text(file, name, writer)
        case "pdf":
            read_pdf(file, writer)
        case "zip":
            read_package(file, writer)
        case "html":
            read_html(file, writer)
        case "xml":
            read_xml(file, writer)
        case "mail":
            if depth > _DEEPEST:
                raise NotReadable("invalid_file", "The mail is attached too deep in others.")
            read_mail(file, writer, lambda part, name: read(part, name, writer, depth + 1))
        case "ole" | "rtf":
            read_other(file, suffix(name), writer)
