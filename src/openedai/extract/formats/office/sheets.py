"""Spreadsheets of Excel: xlsx."""

from __future__ import annotations

import re

from openedai.extract.formats.flow import Flow
from openedai.extract.formats.office.archive import Archive
from openedai.extract.formats.office.numbers import Shown, number_text, shown
from openedai.extract.formats.xml_events import xml_events
from openedai.extract.writer import TextWriter

_COLUMN = re.compile("[A-Z]+")
_WIDEST_GAP = 20  # cells
_TRUTH = {"1": "TRUE", "0": "FALSE"}


def read_sheets(archive: Archive, main: str, writer: TextWriter) -> None:
    """Write each sheet as a section and each row as a line; formulas are read as their results."""
    flow = Flow(writer)
    reader = _Reader(archive, main)
    for name, path in reader.sheets():
        flow.section(name)
        flow.write(name)
        flow.end_paragraph()
        reader.write(path, flow)
    flow.end()


class _Reader:
    def __init__(self, archive: Archive, main: str) -> None:
        self._archive = archive
        self._main = main
        self._texts = _shared_texts(archive, main)
        self._shown = _shown_by_style(archive, main)
        self._since_1904 = False

    def sheets(self) -> list[tuple[str, str]]:
        """The names and paths of the sheets."""
        relations = self._archive.relations(self._main)
        found = []
        with self._archive.open(self._main) as file:
            for event, element, attributes in xml_events(file):
                if (event, element) == ("start", "workbookPr"):
                    self._since_1904 = attributes.get("date1904") in ("1", "true")
                elif (event, element) == ("start", "sheet"):
                    type_, path = relations.get(attributes.get("r:id", ""), ("", ""))
                    if type_ == "worksheet" and path in self._archive.names:
                        found.append((attributes.get("name", ""), path))
        return found

    def write(self, path: str, flow: Flow) -> None:
        texts: list[str] = []
        attributes: dict[str, str] = {}
        in_text = False
        column = 0
        with self._archive.open(path) as file:
            for event, value, found in xml_events(file):
                if event == "text":
                    texts += [value] * in_text
                elif event == "start":
                    in_text = value in ("v", "t")
                    if value == "row":
                        flow.start_row()
                        column = 0
                    elif value == "c":
                        attributes = found
                        texts.clear()
                        at = _column(found.get("r", "")) or column + 1
                        for _ in range(min(at - column - 1, _WIDEST_GAP)):
                            flow.start_cell()
                            flow.end_cell()
                        column = at
                else:
                    in_text = False
                    if value == "row":
                        flow.end_row()
                    elif value == "c":
                        flow.start_cell()
                        flow.write(self._cell("".join(texts), attributes))
                        flow.end_cell()

    def _cell(self, value: str, attributes: dict[str, str]) -> str:
        match attributes.get("t", "n"):
            case "s":
                index = int(value or -1)
                return self._texts[index] if 0 <= index < len(self._texts) else ""
            case "b":
                return _TRUTH.get(value, value)
            case "n":
                how = self._shown.get(attributes.get("s", "0"), "number")
                return number_text(value, how, self._since_1904)
        return value


def _column(reference: str) -> int:
    """The number of a cell's column, from 1; 0 if it is not given."""
    number = 0
    if letters := _COLUMN.match(reference[:3]):
        for letter in letters[0]:
            number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _shared_texts(archive: Archive, main: str) -> list[str]:
    found: list[str] = []
    texts: list[str] = []
    in_text = phonetic = False
    for part in archive.related(main, "sharedStrings"):
        with archive.open(part) as file:
            for event, value, _ in xml_events(file):
                if event == "text":
                    texts += [value] * (in_text and not phonetic)
                    continue
                in_text = (event, value) == ("start", "t")
                if value == "rPh":  # how it is spoken
                    phonetic = event == "start"
                elif (event, value) == ("end", "si"):
                    found.append("".join(texts))
                    texts.clear()
    return found


def _shown_by_style(archive: Archive, main: str) -> dict[str, Shown]:
    """How numbers are shown, by the index of a cell's style."""
    formats: dict[int, str] = {}
    found: dict[str, Shown] = {}
    in_styles = False
    for part in archive.related(main, "styles"):
        with archive.open(part) as file:
            for event, element, attributes in xml_events(file):
                if element == "cellXfs":
                    in_styles = event == "start"
                elif (event, element) == ("start", "numFmt"):
                    formats[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
                elif (event, element) == ("start", "xf") and in_styles:
                    how = shown(int(attributes.get("numFmtId", "0")), formats)
                    found[str(len(found))] = how
    return found
