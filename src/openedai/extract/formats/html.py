"""Web pages, and the parts of books and mails that are written like them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import IO

from openedai.extract.encoding import decode
from openedai.extract.formats.flow import Flow
from openedai.extract.result import NotReadable
from openedai.extract.writer import TextWriter

_META = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_DECLARATION = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")
_HEAD = 4096  # bytes in which a page names its encoding
_SPACE = re.compile(r"[ \t\n\r\f]+")
# fmt: off
_SKIPPED = frozenset(
    (
        "script", "style", "template", "noscript", "svg", "math", "object", "iframe", "select",
    )
)
_BLOCKS = frozenset(
    (
        "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog",
        "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header",
        "hr", "li", "main", "menu", "nav", "ol", "p", "section", "summary", "tbody", "tfoot",
        "thead", "caption", "title", "ul",
    )
)
# fmt: on
_TABLE = frozenset(["table", "tr", "td", "th"])
_HEADINGS = frozenset(["h1", "h2", "h3", "h4", "h5", "h6"])


def read_html(file: IO[bytes], writer: TextWriter) -> None:
    """Write the text of a page. Raises NotReadable."""
    flow = Flow(writer)
    write_html(file.read(), None, flow)
    flow.end()


def write_html(raw: bytes, declared: str | None, flow: Flow) -> None:
    """Write the text of a page to `flow`; `declared` is the encoding that its envelope names."""
    named = _DECLARATION.match(raw) or _META.search(raw[:_HEAD])
    if declared is None and named is not None:
        declared = named[1].decode()
    text = decode(raw, declared)
    if text is None:
        raise NotReadable("invalid_file", "The file is not a web page.")
    page = _Page(flow)
    page.feed(text)
    page.close()


class _Page(HTMLParser):
    def __init__(self, flow: Flow) -> None:
        super().__init__(convert_charrefs=True)
        self._flow = flow
        self._skipped = ""  # the open element that is skipped
        self._depth = 0  # of elements of that name
        self._pre = 0
        self._has_row: list[bool] = []  # for each open table, whether a row is open
        self._start = True  # of a paragraph
        self._space = False  # before the next word

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped:
            self._depth += tag == self._skipped
        elif tag in _SKIPPED:
            self._skipped, self._depth = tag, 1
        elif tag in _HEADINGS:
            self._end_block()
            self._flow.start_heading()
        elif tag in _TABLE:
            self._start_of_table(tag)
        elif tag == "br":
            self._break()
        elif tag == "pre":
            self._end_block()
            self._pre += 1
        elif tag in _BLOCKS:
            self._end_block()
            if tag == "li":
                self._flow.write("- ")
        elif tag == "img" and (text := dict(attrs).get("alt")):
            self.handle_data(text)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("br", "img", "hr"):
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            self._depth -= tag == self._skipped
            if not self._depth:
                self._skipped = ""
        elif tag in _TABLE:
            self._end_of_table(tag)
        elif tag == "pre":
            self._pre = max(0, self._pre - 1)
            self._end_block()
        elif tag in _HEADINGS or tag in _BLOCKS:
            self._end_block()

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        if self._pre:
            self._flow.write(data)
            self._start = self._space = False
            return
        text = _SPACE.sub(" ", data)
        space = self._space or text.startswith(" ")
        if words := text.strip(" "):
            self._flow.write(words if self._start or not space else f" {words}")
            self._start = False
            space = text.endswith(" ")
        self._space = space

    def _start_of_table(self, tag: str) -> None:
        self._end_block()
        if tag == "table":
            self._has_row.append(False)
        elif self._has_row and tag == "tr":
            if self._has_row[-1]:
                self._flow.end_row()
            self._flow.start_row()
            self._has_row[-1] = True
        elif self._has_row and self._has_row[-1]:
            self._flow.start_cell()

    def _end_of_table(self, tag: str) -> None:
        if self._has_row and self._has_row[-1]:
            if tag in ("td", "th"):
                self._flow.end_cell()
            else:
                self._flow.end_row()
                self._has_row[-1] = False
        if self._has_row and tag == "table":
            self._has_row.pop()
        self._start, self._space = True, False

    def _break(self) -> None:
        self._flow.end_line()
        self._start, self._space = True, False

    def _end_block(self) -> None:
        self._flow.end_paragraph()
        self._start, self._space = True, False
