"""Finds which of several texts says what a sentence says, by the words that they share."""

from __future__ import annotations

import re
from collections.abc import Sequence

# A word, or a letter of a script that is written without spaces.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_]+|\d+")
_SENTENCE = re.compile(r"[^.!?…\n。！？]+(?:[.!?…。！？]+|\n|$)")
_LEAST_WORDS = 3  # of a sentence that can be compared
_SHARE = 0.6  # of the weight of a sentence's words that the text must have in one place
_NEIGHBOURS = 2  # sentences of the text that count as one place
_HEAVIEST = 8  # letters: a longer word weighs no more
_UNSPACED = 3  # letters that one letter of a script without spaces counts as


class Supports:
    """Compares sentences with texts, whose words it remembers."""

    def __init__(self) -> None:
        self._places: dict[str, list[set[str]]] = {}

    def best(self, sentence: str, texts: Sequence[str]) -> int | None:
        """The index of the text that supports the sentence best; None if none does.

        It does if two neighbouring sentences of it have most of the words and all of the numbers.
        Long words count more than short ones.
        """
        words = words_of(sentence)
        if len(words) < _LEAST_WORDS:
            return None
        numbers = {word for word in words if word.isdigit()}
        weights = {word: _weight(word) for word in words}
        most, best = _SHARE * sum(weights.values()), None
        for index, text in enumerate(texts):
            for place in self._places_of(text):
                if numbers <= place:
                    shared = sum(weight for word, weight in weights.items() if word in place)
                    if shared > most or (best is None and shared == most):
                        most, best = shared, index
        return best

    def _places_of(self, text: str) -> list[set[str]]:
        found = self._places.get(text)
        if found is None:
            sentences = [set(words_of(one[0])) for one in _SENTENCE.finditer(text)]
            starts = range(max(1, len(sentences) - _NEIGHBOURS + 1))
            found = [set().union(*sentences[at : at + _NEIGHBOURS]) for at in starts]
            self._places[text] = found
        return found


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, letters of scripts without spaces one by one."""
    return _WORD.findall(text.lower())


def _weight(word: str) -> int:
    if len(word) == 1 and word > "\u3000":
        return _UNSPACED
    return min(len(word), _HEAVIEST)
