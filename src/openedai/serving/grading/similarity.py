"""How similar a text is to a reference, from 0 to 1, by the words or characters they share."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

# Of the text and of the reference; longer ones would take seconds.
MAX_LENGTH = 100_000  # characters

_ORDERS = range(1, 5)  # of n-grams, in BLEU and similar metrics
_WORDS = re.compile(r"\w+")
_WORDS_AND_SIGNS = re.compile(r"\w+|[^\w\s]")
# The parameters in METEOR's first publication.
_RECALL_WEIGHT, _PENALTY, _PENALTY_POWER = 0.9, 0.5, 3

Words = Sequence[str]


def _fuzzy_match(text: str, reference: str) -> float:
    """The share of the characters that are common to both, in the same order."""
    return _f1(_common(text, reference), len(text), len(reference))


def _rouge(order: int) -> Callable[[str, str], float]:
    def score(text: str, reference: str) -> float:
        ours, theirs = (_ngrams(_folded(one), order) for one in (text, reference))
        return _f1((ours & theirs).total(), ours.total(), theirs.total())

    return score


def _rouge_l(text: str, reference: str) -> float:
    ours, theirs = _folded(text), _folded(reference)
    return _f1(_common(ours, theirs), len(ours), len(theirs))


def _bleu(text: str, reference: str) -> float:
    """BLEU of up to four words; n-grams of more than one word are smoothed, because sentences are
    short.
    """
    ours, theirs = _WORDS_AND_SIGNS.findall(text), _WORDS_AND_SIGNS.findall(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    orders = _ORDERS[: len(ours)]
    logarithms = 0.0
    for order in orders:
        grams = _ngrams(ours, order)
        matched = (grams & _ngrams(theirs, order)).total()
        if matched == 0 and order == 1:
            return 0.0
        extra = int(order > 1)
        logarithms += math.log((matched + extra) / (grams.total() + extra))
    brevity = min(0.0, 1 - len(theirs) / len(ours))
    return math.exp(brevity + logarithms / len(orders))


def _gleu(text: str, reference: str) -> float:
    """The smaller of precision and recall of all sequences of up to four words."""
    ours, theirs = _WORDS_AND_SIGNS.findall(text), _WORDS_AND_SIGNS.findall(reference)
    matched = most = 0
    for order in _ORDERS:
        mine, other = _ngrams(ours, order), _ngrams(theirs, order)
        matched += (mine & other).total()
        most += max(mine.total(), other.total())
    return matched / most if most else 1.0


def _meteor(text: str, reference: str) -> float:
    """METEOR with equal words only: stems and synonyms are not known here."""
    ours, theirs = (_WORDS_AND_SIGNS.findall(one.casefold()) for one in (text, reference))
    matched, runs = _aligned(ours, theirs)
    if not matched:
        return float(ours == theirs)
    precision, recall = matched / len(ours), matched / len(theirs)
    weighted = _RECALL_WEIGHT * precision + (1 - _RECALL_WEIGHT) * recall
    return precision * recall / weighted * (1 - _PENALTY * (runs / matched) ** _PENALTY_POWER)


METRICS: Mapping[str, Callable[[str, str], float]] = {
    "fuzzy_match": _fuzzy_match,
    "bleu": _bleu,
    "gleu": _gleu,
    "meteor": _meteor,
    **{f"rouge_{order}": _rouge(order) for order in range(1, 6)},
    "rouge_l": _rouge_l,
}


def _folded(text: str) -> Words:
    return _WORDS.findall(text.casefold())


def _ngrams(words: Words, order: int) -> Counter[Words]:
    shifted = (words[start:] for start in range(order))
    return Counter(zip(*shifted, strict=False))


def _f1(matched: int, ours: int, theirs: int) -> float:
    """The harmonic mean of precision and recall; 1 if both texts are empty."""
    return 2 * matched / (ours + theirs) if ours + theirs else 1.0


def _common(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The length of the longest common subsequence. A row of the table is held as the bits of a
    number.
    """
    masks: dict[Hashable, int] = {}
    for position, one in enumerate(first):
        masks[one] = masks.get(one, 0) | 1 << position
    whole = (1 << len(first)) - 1
    row = whole
    for one in second:
        matched = row & masks.get(one, 0)
        row = ((row + matched) | (row - matched)) & whole
    return len(first) - row.bit_count()


def _aligned(ours: Words, theirs: Words) -> tuple[int, int]:
    """How many words match, and in how many runs. A word goes on with the run if it can."""
    places: dict[str, list[int]] = {}
    for position in range(len(theirs) - 1, -1, -1):
        places.setdefault(theirs[position], []).append(position)
    used: set[int] = set()
    matched = runs = 0
    last = -2  # the position of the previous word
    for word in ours:
        place = last + 1
        if not (0 <= place < len(theirs) and theirs[place] == word and place not in used):
            waiting = places.get(word, [])
            while waiting and waiting[-1] in used:
                waiting.pop()
            if not waiting:
                last = -2
                continue
            place = waiting.pop()
            runs += 1
        used.add(place)
        matched += 1
        last = place
    return matched, runs
