"""XML files of any kind: a line for each element that has text or attributes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import IO

from openedai.extract.encoding import decode
from openedai.extract.formats.xml_events import xml_events
from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter

_DECLARATION = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")
_SPACE = re.compile(r"\s+")


@dataclass
class _Element:
    """An open element: whether it is part of a text, and whether it contains text itself."""

    inline: bool
    has_text: bool


def read_xml(file: IO[bytes], writer: TextWriter) -> None:
    """Write `name attribute=value: text` for each element; elements in a text are part of it."""
    raw = file.read()
    declared = _DECLARATION.match(raw)
    text = decode(raw, declared and declared[1].decode())
    if text is None:
        raise NotReadable("invalid_file", "The file is not XML.")
    open_: list[_Element] = []
    before = ""  # what has to be written before the next text
    for event, value, attributes in xml_events(text.lstrip("\ufeff\n\r\t ")):
        if event == "start":
            inline = bool(open_) and open_[-1].has_text
            open_.append(_Element(inline, has_text=inline))
            if not inline:
                writer.end_line()
                label = " ".join([value, *(f"{key}={item}" for key, item in attributes.items())])
                before = ": " if attributes else f"{label}: "
                writer.write(label if attributes else "")
        elif event == "end":
            before = ""
            if not open_.pop().inline:
                writer.end_line()
        elif open_[-1].has_text:
            writer.write(_SPACE.sub(" ", value))
        elif value.strip():
            open_[-1].has_text = True
            writer.write(before + _SPACE.sub(" ", value.lstrip()))
