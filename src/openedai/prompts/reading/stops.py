"""Finds stop strings in a text that comes in chunks."""

from __future__ import annotations

from collections.abc import Collection, Sequence


class StopFilter:
    """Ends an answer before the first stop string in it, which is then in `found`.

    Of several that are complete at the same character, the longest counts. How the text is split
    into chunks makes no difference. The time per stop string is linear in the text. A stop string
    that is among the `kept` is the end of the text.
    """

    def __init__(self, stops: Sequence[str], kept: Collection[str] = ()) -> None:
        self.found: str | None = None
        self._kept = kept
        self._searches = [_Search(stop) for stop in stops if stop]
        self._held = ""

    def feed(self, text: str) -> str:
        """The text that is certain now: all except what may be the start of a stop string."""
        if self.found is not None:
            return ""
        ends = [(search.feed(text), search) for search in self._searches]
        matches = [(end, -len(search.stop), search.stop) for end, search in ends if end is not None]
        if matches:
            end, length, self.found = min(matches)
            released = self._held + text[:end]
            if self.found not in self._kept:
                released = released[:length]
            self._held = ""
            return released
        text = self._held + text
        held = max((search.matched for search in self._searches), default=0)
        released, self._held = text[: len(text) - held], text[len(text) - held :]
        return released

    def flush(self) -> str:
        """The text that was held back. Call this when no more text comes."""
        released, self._held = self._held, ""
        return released


class _Search:
    """Knuth, Morris and Pratt's search for one string: no character is visited twice."""

    def __init__(self, stop: str) -> None:
        self.stop = stop
        self.matched = 0
        """How many characters at the end of the text are a prefix of the stop string."""
        self._borders = _borders(stop)

    def feed(self, text: str) -> int | None:
        """The index in `text` after the stop string; None if it is not complete yet."""
        if self.matched == 0 and self.stop[0] not in text:
            return None
        for index, character in enumerate(text):
            while self.matched and self.stop[self.matched] != character:
                self.matched = self._borders[self.matched - 1]
            if self.stop[self.matched] == character:
                self.matched += 1
            if self.matched == len(self.stop):
                return index + 1
        return None


def _borders(word: str) -> list[int]:
    """For each prefix of the word, the length of its longest proper prefix that is a suffix too."""
    borders = [0]
    for character in word[1:]:
        length = borders[-1]
        while length and word[length] != character:
            length = borders[length - 1]
        borders.append(length + (word[length] == character))
    return borders
