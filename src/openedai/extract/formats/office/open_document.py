"""Documents, spreadsheets and presentations in OpenDocument: odt, ods, odp."""

from __future__ import annotations

from openedai.extract.formats.flow import Flow
from openedai.extract.formats.office.archive import Archive
from openedai.extract.formats.xml_events import xml_events
from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter

_CONTENT = "content.xml"
_MANIFEST = "META-INF/manifest.xml"
_SKIPPED = frozenset(("annotation", "tracked-changes", "scripts", "automatic-styles", "forms"))
_MOST_REPEATED = 1000  # cells; the empty ones up to the end of a sheet count too


def read_open_document(archive: Archive, writer: TextWriter) -> None:
    """Write the text; headings, sheets and slides begin sections. Raises NotReadable."""
    _refuse_encrypted(archive)
    flow = Flow(writer)
    reader = _Reader(flow)
    with archive.open(_CONTENT) as file:
        for event, value, attributes in xml_events(file):
            if event == "text":
                reader.text(value)
            elif event == "start":
                reader.start(value, attributes)
            else:
                reader.end(value)
    flow.end()


def _refuse_encrypted(archive: Archive) -> None:
    if _MANIFEST in archive.names:
        with archive.open(_MANIFEST) as file:
            for _, element, _ in xml_events(file):
                if element == "encryption-data":
                    raise NotReadable("invalid_file", "The file is encrypted with a password.")


class _Reader:
    """Reads the events of the content; an open note is kept aside."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._skipped = ""
        self._depth = 0  # of elements with the name of the one that is skipped
        self._paragraphs = 0  # that are open; text elsewhere is ignored
        self._slides = 0
        self._sheets = False
        self._note: list[str] | None = None
        self._number = ""  # of that note
        self._citation: list[str] | None = None
        self._repeated: list[int] = []  # how often the open cells are repeated

    def text(self, value: str) -> None:
        if self._paragraphs and not self._skipped:
            self._write(" ".join(value.split("\n")))

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if self._skipped:
            self._depth += element == self._skipped
        elif element in _SKIPPED:
            self._skipped, self._depth = element, 1
        elif element in ("p", "h"):
            self._paragraphs += 1
            if element == "h" and self._note is None:
                self._flow.start_heading()
        elif element == "note-citation":
            self._paragraphs += 1
            self._citation = []
        elif element == "note-body":
            self._note = []
        elif element == "s":
            self._write(" " * min(int(attributes.get("c", "1")), 100))
        elif element == "tab":
            self._write("\t")
        elif element == "line-break":
            self._flow.end_line()
        elif element == "list-item":
            self._flow.end_paragraph()
            self._flow.write("- ")
        else:
            self._start_part(element, attributes)

    def _start_part(self, element: str, attributes: dict[str, str]) -> None:
        if element == "spreadsheet":
            self._sheets = True
        elif element == "table" and self._sheets:
            name = attributes.get("name", "")
            self._flow.section(name)
            self._flow.write(name)
            self._flow.end_paragraph()
        elif element == "page":
            self._slides += 1
            self._flow.section(f"Slide {self._slides}")
        elif element == "table-row":
            self._flow.start_row()
        elif element in ("table-cell", "covered-table-cell"):
            self._repeated.append(int(attributes.get("number-columns-repeated", "1")))
            self._flow.start_cell()

    def end(self, element: str) -> None:
        if self._skipped:
            self._depth -= element == self._skipped
            if not self._depth:
                self._skipped = ""
        elif element in ("p", "h"):
            self._paragraphs -= 1
            if self._note is None:
                self._flow.end_paragraph()
            else:
                self._note.append(" ")
        elif element == "note-citation" and self._citation is not None:
            self._paragraphs -= 1
            number, self._citation = "".join(self._citation), None
            self._write(f"[{number}]")
            self._number = number
        elif element == "note-body" and self._note is not None:
            note, self._note = " ".join("".join(self._note).split()), None
            self._flow.note(f"[{self._number}] {note}")
        elif element in ("table-cell", "covered-table-cell"):
            self._flow.end_cell()
            self._flow.repeat_cell(min(self._repeated.pop(), _MOST_REPEATED) - 1)
        elif element == "table-row":
            self._flow.end_row()

    def _write(self, text: str) -> None:
        if self._citation is not None:
            self._citation.append(text)
        elif self._note is not None:
            self._note.append(text)
        else:
            self._flow.write(text)
