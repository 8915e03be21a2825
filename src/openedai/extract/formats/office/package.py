"""Documents that are zip archives: Office and OpenDocument files, and books."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from openedai.extract.formats.office.archive import Archive
from openedai.extract.formats.office.book import read_book
from openedai.extract.formats.office.open_document import read_open_document
from openedai.extract.formats.office.sheets import read_sheets
from openedai.extract.formats.office.slides import read_slides
from openedai.extract.formats.office.word import read_word
from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter

_READERS: dict[str, Callable[[Archive, str, TextWriter], None]] = {
    "word": read_word,
    "xl": read_sheets,
    "ppt": read_slides,
}
_BYTES_PER_CHARACTER = 25  # times the limit of the text, at most, for the XML around it
_MIME_TYPE = "mimetype"
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument."
_MAIN_PARTS = ("word/document.xml", "xl/workbook.xml", "ppt/presentation.xml")


def read_package(file: IO[bytes], writer: TextWriter) -> None:
    """Write the text of a document that is a zip archive. Raises NotReadable."""
    archive = Archive(file, _BYTES_PER_CHARACTER * writer.limit)
    if _MIME_TYPE in archive.names:
        type_ = archive.read(_MIME_TYPE).strip()
        if type_ == b"application/epub+zip":
            return read_book(archive, writer)
        if type_.startswith(_OPEN_DOCUMENT):
            return read_open_document(archive, writer)
    if "META-INF/container.xml" in archive.names:
        return read_book(archive, writer)
    main = next(iter(archive.related("", "officeDocument")), None)
    main = main or next((name for name in _MAIN_PARTS if name in archive.names), None)
    reader = _READERS.get(main.partition("/")[0]) if main else None
    if main is None or reader is None:
        raise NotReadable(
            "unsupported_file",
            "The file is an archive or a document of an unknown type. Add the files in it instead.",
        )
    return reader(archive, main, writer)
