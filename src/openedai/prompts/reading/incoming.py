"""A text that comes in chunks, for readers that are written as if it were complete.

Such a reader is a generator. It yields where it needs text that has not arrived yet; the caller
adds the next chunk and resumes it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator
from typing import TypeVar

T = TypeVar("T")
Reading = Generator[None, None, T]
"""A reader that returns a T, and yields whenever it has to wait for text."""


class IncomingText:
    """The text that has arrived, and the position up to which it was read.

    A reader can set the position back until `take` removes what was read.
    """

    def __init__(self) -> None:
        self.text = ""
        self.position = 0
        self._ended = False

    def add(self, text: str) -> None:
        self.text += text

    def end(self) -> None:
        """No more text comes: from now on nothing waits."""
        self._ended = True

    def take(self) -> str:
        """Remove and return what was read."""
        taken, self.text = self.text[: self.position], self.text[self.position :]
        self.position = 0
        return taken

    def take_some(self) -> str:
        """Like `take`, but at least one character if there is one."""
        self.position = max(self.position, min(1, len(self.text)))
        return self.take()

    def more(self) -> Reading[bool]:
        """Wait for a character to read. False if the text has ended."""
        while self.position == len(self.text) and not self._ended:
            yield
        return self.position < len(self.text)

    def peek(self) -> Reading[str]:
        """The next character, without reading it; empty at the end."""
        yield from self.more()
        return self.text[self.position : self.position + 1]

    def skip(self, characters: str) -> Reading[None]:
        """Read as many of these characters as there are."""
        while (character := (yield from self.peek())) and character in characters:
            self.position += 1

    def skip_to(self, pattern: re.Pattern[str]) -> bool:
        """Read up to the first match of the pattern. If there is none, read all and return False.

        Never waits.
        """
        found = pattern.search(self.text, self.position)
        self.position = found.start() if found else len(self.text)
        return found is not None

    def word(self, words: Collection[str]) -> Reading[str]:
        """Read and return the word that comes next; empty, with nothing read, if none of them does.

        Waits only as long as that is undecided. No word may begin with another one.
        """
        longest = max(map(len, words), default=0)
        while True:
            rest = self.text[self.position : self.position + longest]
            for word in words:
                if rest.startswith(word):
                    self.position += len(word)
                    return word
            if self._ended or not any(word.startswith(rest) for word in words):
                return ""
            yield

    def until(self, end: str) -> Reading[str | None]:
        """Read up to and including `end`; returns the text before it.

        None, with everything read, if the text ends without it.
        """
        while (found := self.text.find(end, self.position)) < 0:
            if self._ended:
                self.position = len(self.text)
                return None
            yield
        before = self.text[self.position : found]
        self.position = found + len(end)
        return before
