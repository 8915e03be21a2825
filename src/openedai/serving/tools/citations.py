"""Finds where an answer relies on parts of files, for responses and for assistants.

A model is asked to write a mark such as 【0†notes.txt】 after what it takes from a part. A sentence
without a mark is compared with the parts, and the server cites the part that says the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from openedai.serving.tools.support import Supports

ASKED_FOR_MARKS = (
    "Each result begins with a mark such as 【0†notes.txt】: copy the mark after every sentence "
    "that relies on the result."
)

_LONGEST_NAME = 300  # characters
_LONGEST_MARK = _LONGEST_NAME + 16
_MARK = re.compile(rf"【(\d{{1,4}})†[^】\n]{{0,{_LONGEST_NAME}}}】")
_RUN = re.compile(r"(?P<space>\s+)|(?P<text>[^\s【]+)|【")
# What ends a sentence if a space follows, with closing quotes and brackets; and what always ends
# one, in scripts that are written without spaces.
_END = re.compile(r"[.!?…][\"'”’»)\]*_]*$")
_UNSPACED = re.compile(r"[^。！？]*[。！？]+[」』）]*|[^。！？]+")
_UNSPACED_END = re.compile(r"[。！？][」』）]*$")
_NO_SPACE_BEFORE = ".,;:!?)]…"


@dataclass(frozen=True)
class Part:
    """A part of a file that a search has found."""

    file: str
    name: str
    text: str


@dataclass(frozen=True)
class Mark:
    """A mark in the text for the part with this number."""

    text: str
    number: int


@dataclass(frozen=True)
class Cited:
    """A sentence relies on the part with this number. It ends `at` this character of the text
    without marks.
    """

    number: int
    at: int


Piece = str | Mark | Cited


def parts_text(parts: Sequence[Part], first: int) -> str:
    """What the model reads of parts, which are numbered from `first` onwards.

    Their own texts and names are changed so that they contain no marks.
    """
    if not parts:
        return "Nothing was found."
    return "\n\n".join(
        f"{mark(number, part.name)}\n{_unmarked(part.text)}"
        for number, part in enumerate(parts, first)
    )


def mark(number: int, name: str) -> str:
    """The mark for a part of the file with this name."""
    clean = re.sub(r"[【】†\s]+", " ", name)[:_LONGEST_NAME]
    return f"【{number}†{clean}】"


def _unmarked(text: str) -> str:
    return text.replace("【", "[").replace("】", "]")


class Citer:
    """Reads an answer while it is being written, and reports what it cites.

    `parts` may grow meanwhile; their numbers are their positions. With `keeps_marks` the text keeps
    the marks of the model and gets those of the server, otherwise it has none. With `places` the
    server adds the citations that the model left out.
    """

    def __init__(self, parts: Sequence[Part], *, keeps_marks: bool, places: bool = True) -> None:
        self._parts = parts
        self._supports = Supports()
        self._keeps_marks = keeps_marks
        self._places = places
        self._rest = ""  # may be the beginning of a mark
        self._length = 0  # of the text without marks
        self._before: str | None = None  # the space before a mark that was taken out
        self._space = ""  # the last, which may be before a mark
        self._sentence = ""
        self._end: int | None = None  # of the sentence, if it has ended
        self._last_end = 0
        self._marked: list[int] = []  # by the model, for the sentence

    def feed(self, text: str) -> list[Piece]:
        """The part of the answer that is certain after this text."""
        if not self._parts:
            self._length += len(text)
            return [text] if text else []
        self._rest += text
        return _joined(self._read(last=False))

    def end(self) -> list[Piece]:
        """The rest of the answer."""
        return _joined(self._finish())

    def _finish(self) -> Iterator[Piece]:
        yield from self._read(last=True)
        if self._end is None:
            self._end = self._length if self._sentence else self._last_end
        yield from self._cite()
        yield from self._write(self._space)

    def _read(self, *, last: bool) -> Iterator[Piece]:
        while rest := self._rest:
            found, run = _MARK.match(rest), _RUN.match(rest)
            assert run is not None
            if found is not None and int(found[1]) < len(self._parts):
                self._rest = rest[found.end() :]
                yield from self._add_mark(Mark(found[0], int(found[1])))
                continue
            if found is None and rest[0] == "【" and not last and _may_become_mark(rest):
                return
            self._rest = rest[run.end() :]
            if run["space"]:
                self._add_space(run[0])
            else:
                yield from self._add_text(run[0])

    def _add_space(self, space: str) -> None:
        self._space += space
        if not self._sentence or self._end is not None:
            return
        if "\n" in self._space or _END.search(self._sentence):
            self._end = self._length

    def _add_mark(self, mark: Mark) -> Iterator[Piece]:
        """A mark at the beginning of a line belongs to the next sentence."""
        if self._end is not None and "\n" in self._space:
            yield from self._cite()
        if mark.number not in self._marked:
            self._marked.append(mark.number)
        if self._keeps_marks:
            yield from self._write(self._take_space(mark.text))
            yield mark
        else:
            self._before = _wider(self._before or "", self._space)
            self._space = ""

    def _add_text(self, run: str) -> Iterator[Piece]:
        for text in _UNSPACED.findall(run):
            if self._end is not None:
                yield from self._cite()
            yield from self._write(self._take_space(text))
            yield from self._write(text)
            if _UNSPACED_END.search(text):
                self._end = self._length

    def _take_space(self, next: str) -> str:
        """The white space before what comes next; around a removed mark only one of the two is
        kept.
        """
        space, before = self._space, self._before
        self._space, self._before = "", None
        if before is None:
            return space
        if not self._length or (next[0] in _NO_SPACE_BEFORE and "\n" not in before + space):
            return ""
        return _wider(before, space)

    def _write(self, text: str) -> Iterator[Piece]:
        if text:
            self._length += len(text)
            if self._sentence or not text.isspace():
                self._sentence += text
            yield text

    def _cite(self) -> Iterator[Piece]:
        """The citations of the sentence that has ended."""
        numbers, sentence, end = self._marked, self._sentence, self._end or 0
        self._marked, self._sentence, self._end, self._last_end = [], "", None, end
        if not numbers and self._places and sentence:
            best = self._supports.best(sentence, [part.text for part in self._parts])
            if best is not None:
                numbers = [best]
                if self._keeps_marks:
                    yield Mark(mark(best, self._parts[best].name), best)
        if end:
            for number in numbers:
                yield Cited(number, end)


def _may_become_mark(text: str) -> bool:
    return len(text) <= _LONGEST_MARK and "】" not in text and "\n" not in text


def _wider(first: str, second: str) -> str:
    """Of two runs of white space the one with more line breaks; the second one if they have equally
    many.
    """
    if not second or first.count("\n") > second.count("\n"):
        return first
    return second


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same, with neighbouring texts joined."""
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] += piece
        else:
            found.append(piece)
    return found
