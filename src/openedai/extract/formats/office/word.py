"""Documents of Word: docx."""

from __future__ import annotations

import re

from openedai.extract.formats.flow import Flow
from openedai.extract.formats.office.archive import Archive
from openedai.extract.formats.xml_events import xml_events
from openedai.extract.writer import TextWriter

# Fallback repeats what was read in another form; deleted and moved text is not part of the
# document.
_SKIPPED = frozenset(("Fallback", "del", "moveFrom", "instrText", "rPr"))
_SIGNS = {"tab": "\t", "noBreakHyphen": "-", "ptab": "\t"}
_NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}
_HEADING = re.compile(r"heading [1-9]$|title$", re.IGNORECASE)


def read_word(archive: Archive, main: str, writer: TextWriter) -> None:
    """Write the text: headers before it, footers after it, and notes after their lines.

    Headings begin sections.
    """
    reader = _Reader(archive, main)
    flow = Flow(writer)
    for part in archive.related(main, "header"):
        reader.write(part, flow)
    reader.write(main, flow)
    for part in archive.related(main, "footer"):
        reader.write(part, flow)
    flow.end()


class _Reader:
    def __init__(self, archive: Archive, main: str) -> None:
        self._archive = archive
        self._headings, self._lists = _styles(archive, main)
        self._marked = False  # the paragraph, as a heading or an item of a list
        self._notes = {
            type_: _notes(archive, main, type_, type_.removesuffix("s"))
            for type_ in _NOTES.values()
        }

    def write(self, part: str, flow: Flow) -> None:
        skipped = ""
        depth = 0
        in_text = False
        with self._archive.open(part) as file:
            for event, value, attributes in xml_events(file):
                if skipped:
                    if value == skipped and event != "text":
                        depth += 1 if event == "start" else -1
                        skipped = skipped if depth else ""
                elif event == "text":
                    if in_text:
                        flow.write(value)
                elif event == "start":
                    if value in _SKIPPED:
                        skipped, depth = value, 1
                    in_text = value == "t"
                    self._start(value, attributes, flow)
                else:
                    in_text = False
                    _end(value, flow)
        flow.end_paragraph()

    def _start(self, element: str, attributes: dict[str, str], flow: Flow) -> None:
        if element == "p":
            self._marked = False
        elif element == "pStyle":
            if attributes.get("val") in self._headings:
                flow.start_heading()
                self._marked = True
            elif attributes.get("val") in self._lists:
                self._mark_item(flow)
        elif element == "numPr":
            self._mark_item(flow)
        elif element in _SIGNS:
            flow.write(_SIGNS[element])
        elif element in ("br", "cr", "txbxContent"):
            flow.end_line()
        elif element == "tr":
            flow.start_row()
        elif element == "tc":
            flow.start_cell()
        elif (type_ := _NOTES.get(element)) and (
            note := self._notes[type_].get(attributes.get("id", ""))
        ):
            number, text = note
            flow.write(f"[{number}]")
            flow.note(f"[{number}] {text}")

    def _mark_item(self, flow: Flow) -> None:
        if not self._marked:
            flow.write("- ")
            self._marked = True


def _end(element: str, flow: Flow) -> None:
    if element == "p":
        flow.end_paragraph()
    elif element == "tc":
        flow.end_cell()
    elif element == "tr":
        flow.end_row()


def _styles(archive: Archive, main: str) -> tuple[set[str], set[str]]:
    """The ids of the styles of headings and of lists; the names of styles are English in every
    language.
    """
    headings, lists = set(), set()
    style = ""
    for part in archive.related(main, "styles"):
        with archive.open(part) as file:
            for event, element, attributes in xml_events(file):
                if event != "start":
                    continue
                if element == "style":
                    style = attributes.get("styleId", "")
                elif element == "name" and _HEADING.match(attributes.get("val", "")):
                    headings.add(style)
                elif element == "numPr":
                    lists.add(style)
    return headings, lists


def _notes(archive: Archive, main: str, type_: str, element: str) -> dict[str, tuple[int, str]]:
    """The number and the text of each note, by its id. Entries with a type are separators, not
    notes.
    """
    notes: dict[str, tuple[int, str]] = {}
    id_, in_text = "", False
    texts: list[str] = []
    for part in archive.related(main, type_):
        with archive.open(part) as file:
            for event, value, attributes in xml_events(file):
                if event == "text":
                    texts += [value] * in_text
                    continue
                in_text = (event, value) == ("start", "t")
                if value == "p":
                    texts.append(" ")
                elif value == element and event == "start":
                    id_ = "" if attributes.get("type") else attributes.get("id", "")
                    texts.clear()
                elif value == element and id_:
                    notes[id_] = (len(notes) + 1, " ".join("".join(texts).split()))
    return notes
