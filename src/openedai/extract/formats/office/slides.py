"""Presentations of PowerPoint: pptx."""

from __future__ import annotations

from openedai.extract.formats.flow import Flow
from openedai.extract.formats.office.archive import Archive
from openedai.extract.formats.xml_events import xml_events
from openedai.extract.writer import TextWriter

# Placeholders that have a number, a date or a picture of the slide.
_NO_TEXT = frozenset(("sldNum", "dt", "sldImg", "hdr"))


def read_slides(archive: Archive, main: str, writer: TextWriter) -> None:
    """Write each slide with the texts of its diagrams and the speaker's notes, as a section."""
    flow = Flow(writer)
    for number, slide in enumerate(_slides(archive, main), 1):
        flow.section(f"Slide {number}")
        _write(archive, slide, flow)
        for part in archive.related(slide, "diagramData") + archive.related(slide, "notesSlide"):
            _write(archive, part, flow)
    flow.end()


def _slides(archive: Archive, main: str) -> list[str]:
    relations = archive.relations(main)
    slides = []
    with archive.open(main) as file:
        for event, element, attributes in xml_events(file):
            if (event, element) == ("start", "sldId"):
                _, path = relations.get(attributes.get("r:id", ""), ("", ""))
                if path in archive.names:
                    slides.append(path)
    return slides


def _write(archive: Archive, part: str, flow: Flow) -> None:
    in_text = skipped = False
    with archive.open(part) as file:
        for event, value, attributes in xml_events(file):
            if event == "text":
                if in_text and not skipped:
                    flow.write(value)
            elif event == "start":
                in_text = value == "t"
                if value in ("sp", "Fallback"):
                    skipped = value == "Fallback"
                elif value == "ph":
                    skipped = skipped or attributes.get("type") in _NO_TEXT
                elif value == "br":
                    flow.end_line()
                elif value == "tr":
                    flow.start_row()
                elif value == "tc":
                    flow.start_cell()
            else:
                in_text = False
                if value in ("p", "pt"):
                    flow.end_paragraph()
                elif value == "tc":
                    flow.end_cell()
                elif value == "tr":
                    flow.end_row()
                elif value in ("sp", "Fallback"):
                    skipped = False
    flow.end_paragraph()
