"""The text of a document while it is read: paragraphs, headings, tables and notes."""

from __future__ import annotations

from dataclasses import dataclass, field

from openedai.extract.writer import TextWriter

_BETWEEN_CELLS = " | "


@dataclass
class _Row:
    """An open row of a table, with its finished cells and the texts of the open one."""

    cells: list[str] = field(default_factory=list)
    open: list[str] | None = None
    has_table: bool = False


class Flow:
    """Writes paragraphs as lines, and each row of a table as one line.

    Rows that only serve the layout of a page, because they have one cell or contain tables, are
    written as paragraphs. Headings outside tables begin sections.
    """

    def __init__(self, writer: TextWriter) -> None:
        self._writer = writer
        self._heading: list[str] | None = None
        self._rows: list[_Row] = []  # the open ones, the innermost last
        self._notes: list[str] = []

    def write(self, text: str) -> None:
        """Add to the paragraph."""
        if (cell := self._cell()) is not None:
            cell.append(text)
        elif self._heading is not None:
            self._heading.append(text)
        else:
            self._writer.write(text)

    def end_line(self) -> None:
        if self._heading is not None:
            self._heading.append(" ")
        elif (cell := self._cell()) is not None:
            cell.append("\n")
        else:
            self._writer.end_line()

    def end_paragraph(self) -> None:
        """End the paragraph, or the heading, and write the notes to it."""
        if self._heading is not None:
            heading, self._heading = _one_line("".join(self._heading)), None
            if heading:
                self._writer.section(heading)
                self._writer.write(heading)
                self._writer.end_paragraph()
        self.end_line()
        if self._cell() is None:
            for note in self._notes:
                self._writer.write(note)
                self._writer.end_line()
            self._notes.clear()

    def start_heading(self) -> None:
        self.end_paragraph()
        if self._cell() is None:
            self._heading = []

    def section(self, name: str) -> None:
        """A part with a name begins here. The name is not written."""
        self.end_paragraph()
        self._writer.section(name)

    def note(self, text: str) -> None:
        """Add a line that follows this paragraph, or this row of a table."""
        self._notes.append(text)

    def start_row(self) -> None:
        self.end_paragraph()
        if self._rows:
            self._rows[-1].has_table = True
        self._rows.append(_Row())

    def end_row(self) -> None:
        """End the row and its open cell."""
        if not self._rows:
            return
        self.end_cell()
        row = self._rows.pop()
        while row.cells and not row.cells[-1]:
            row.cells.pop()
        if row.has_table or sum(map(bool, row.cells)) == 1:
            self.write("\n".join(filter(None, row.cells)))
        else:
            self.write(_BETWEEN_CELLS.join(map(_one_line, row.cells)))
        self.end_paragraph()

    def start_cell(self) -> None:
        """Start a cell of the row, and end the open one."""
        self.end_cell()
        if self._rows:
            self._rows[-1].open = []

    def end_cell(self) -> None:
        if self._rows and (texts := self._rows[-1].open) is not None:
            self._rows[-1].open = None
            lines = map(_one_line, "".join(texts).split("\n"))
            self._rows[-1].cells.append("\n".join(filter(None, lines)))

    def repeat_cell(self, times: int) -> None:
        """Write the row's last cell again."""
        if self._rows:
            self._rows[-1].cells += self._rows[-1].cells[-1:] * times

    def end(self) -> None:
        """Write what has not been written yet."""
        while self._rows:
            self.end_row()
        self.end_paragraph()

    def _cell(self) -> list[str] | None:
        """The texts of the open cell."""
        return self._rows[-1].open if self._rows else None


def _one_line(text: str) -> str:
    return " ".join(text.split())
