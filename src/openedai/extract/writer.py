"""The text of a file while it is read."""

from __future__ import annotations

import re
from collections import deque

from openedai.extract.result import NotReadable, Section, Text

# Characters that databases and models do not accept, and those that PDFs have where words are
# hyphenated.
_DROPPED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufeff\ufffe\uffff]")
_LINE_END = re.compile("\r\n?|\x0c|\u2028|\u2029|\x85")


def clean(text: str) -> str:
    """The text with line feeds at the ends of lines, and without characters that are not text."""
    if text.isprintable():
        return text
    return _DROPPED.sub("", _LINE_END.sub("\n", text))


class TextWriter:
    """Collects the text and the sections of a file, up to `limit` characters."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._parts: list[str] = []
        self._length = 0
        self._ends: deque[str] = deque("\n\n", maxlen=2)  # the last characters
        self._sections: list[Section] = []

    def write(self, text: str) -> None:
        """Write text. Raises NotReadable beyond the limit."""
        text = clean(text)
        if not text:
            return
        self._length += len(text)
        if self._length > self.limit:
            raise NotReadable(
                "invalid_file", f"The file has more than {self.limit} characters of text."
            )
        self._parts.append(text)
        self._ends.extend(text[-2:])

    def is_full(self) -> bool:
        """Whether there was more text than the limit."""
        return self._length > self.limit

    def end_line(self) -> None:
        """Begin a new line, unless one has just begun."""
        if self._ends[-1] != "\n":
            self.write("\n")

    def end_paragraph(self) -> None:
        """Leave an empty line, unless there is one already."""
        self.end_line()
        if self._ends[0] != "\n":
            self.write("\n")

    def section(self, name: str) -> None:
        """A section begins here, after an empty line."""
        self.end_paragraph()
        self._sections.append(Section(clean(name).strip(), self._length))

    def text(self) -> Text:
        return Text("".join(self._parts), tuple(self._sections))
