"""Stop strings, found in a text that comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence


class StopText:
    """Cuts an answer in front of the first stop string that becomes whole in it.

    Of several that become whole with the same character, the longest counts. How the text is cut
    into pieces makes no difference. The time taken is linear in the text, for each stop.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.found: str | None = None
        self._searches = [_Search(stop) for stop in stops if stop]
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be said now: all but what may be the beginning of a stop string."""
        if self.found is not None:
            return ""
        ends = [(search.feed(text), search) for search in self._searches]
        whole = [(end, -len(search.stop), search.stop) for end, search in ends if end is not None]
        if whole:
            end, length, self.found = min(whole)
            said = (self._held + text[:end])[:length]
            self._held = ""
            return said
        text = self._held + text
        held = max((search.matched for search in self._searches), default=0)
        said, self._held = text[: len(text) - held], text[len(text) - held :]
        return said

    def flush(self) -> str:
        """What is still held back, when no more text comes."""
        said, self._held = self._held, ""
        return said


class _Search:
    """Knuth, Morris and Pratt's search for one string: no character is looked at again."""

    def __init__(self, stop: str) -> None:
        self.stop = stop
        self.matched = 0
        """How many characters at the end of the text are a beginning of the stop string."""
        self._borders = _borders(stop)

    def feed(self, text: str) -> int | None:
        """The index in `text` behind the stop string, None if it is not whole yet."""
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
    """For each beginning of the word, the length of its longest proper part that both begins and
    ends it.
    """
    borders = [0]
    for character in word[1:]:
        length = borders[-1]
        while length and word[length] != character:
            length = borders[length - 1]
        borders.append(length + (word[length] == character))
    return borders
