"""What the echo engine decides: the more often the input contains a label, the likelier it is."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_MASS = 0.8


def label_logprobs(text: str, labels: Sequence[str]) -> tuple[float, ...]:
    """The log probabilities of labels; a fifth of the probability goes to no label."""
    weights = [1 + 2 * _occurrences(text, label) for label in labels]
    return tuple(math.log(_MASS * weight / sum(weights)) for weight in weights)


def _occurrences(text: str, label: str) -> int:
    """How often a text has a label as a whole word."""
    return len(re.findall(rf"(?<!\w){re.escape(label)}(?!\w)", text, re.IGNORECASE))
