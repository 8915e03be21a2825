"""Books: epub."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from openedai.extract.formats.flow import Flow
from openedai.extract.formats.html import write_html
from openedai.extract.formats.office.archive import Archive
from openedai.extract.formats.xml_events import xml_events
from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = frozenset(("application/xhtml+xml", "text/html"))


def read_book(archive: Archive, writer: TextWriter) -> None:
    """Write the chapters in their order; their headings begin sections. Raises NotReadable."""
    flow = Flow(writer)
    chapters = _chapters(archive)
    if not chapters:
        raise NotReadable("invalid_file", "The book has no chapters.")
    encrypted = _encrypted(archive)
    if encrypted.issuperset(chapters):
        raise NotReadable("invalid_file", "The book is encrypted: it is protected against copying.")
    for chapter in chapters:
        if chapter not in encrypted:
            write_html(archive.read(chapter), None, flow)
            flow.end()
    flow.end()


def _chapters(archive: Archive) -> list[str]:
    """The paths of the pages of the book, in the order of its spine."""
    root = ""
    with archive.open(_CONTAINER) as file:
        for event, element, attributes in xml_events(file):
            if (event, element) == ("start", "rootfile"):
                root = root or attributes.get("full-path", "")
    pages: dict[str, str] = {}
    chapters = []
    with archive.open(root) as file:
        for event, element, attributes in xml_events(file):
            if (event, element) == ("start", "item"):
                if attributes.get("media-type") in _PAGES:
                    href = unquote(attributes.get("href", ""))
                    path = posixpath.normpath(posixpath.join(posixpath.dirname(root), href))
                    pages[attributes.get("id", "")] = path
            elif (event, element) == ("start", "itemref"):
                path = pages.get(attributes.get("idref", ""), "")
                if path in archive.names:
                    chapters.append(path)
    return chapters


def _encrypted(archive: Archive) -> set[str]:
    if _ENCRYPTION not in archive.names:
        return set()
    with archive.open(_ENCRYPTION) as file:
        return {
            unquote(attributes.get("URI", ""))
            for event, element, attributes in xml_events(file)
            if (event, element) == ("start", "CipherReference")
        }
