"""Turns lookaheads at the start of a pattern into separate patterns that must also match."""

from __future__ import annotations

import re

_NOT_A_CHARACTER = re.compile(r"(\\[^\w\s]|[\w\s@])")
_NO_PAIR = re.compile(r"\.\*(\\[^\w\s]|[\w\s@])\1")
_TOKEN = re.compile(r"\\.|\[(?:\\.|[^\]\\])+\]|.", re.DOTALL)


def without_lookaheads(pattern: str) -> list[str]:
    """Patterns that all match exactly when the pattern does. Lookaheads that cannot be rewritten
    stay in the last one.
    """
    found: list[str] = []
    while pattern.startswith(("^(?=", "^(?!")):
        end = _end_of_group(pattern)
        inside, rest = pattern[4 : end - 1], pattern[end:]
        same = _without(inside) if pattern[3] == "!" else f"^(?:{inside})"
        if same is None or not end or _has_alternatives(rest):
            break
        found.append(same)
        pattern = f"^{rest}"
    return [*found, pattern]


def _without(inside: str) -> str | None:
    """A pattern for texts that do not begin with a match of another pattern."""
    if found := _NOT_A_CHARACTER.fullmatch(inside):
        return f"^(?:[^{found[1]}]|$)"
    if found := _NO_PAIR.fullmatch(inside):
        return f"^(?:[^{found[1]}]|{found[1]}[^{found[1]}])*{found[1]}?$"
    return None


def _end_of_group(pattern: str) -> int:
    """The position after the first group; 0 if it does not end."""
    depth = at = 0
    for token in _TOKEN.findall(pattern):
        at += len(token)
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == ")" and depth == 0:
            return at
    return 0


def _has_alternatives(pattern: str) -> bool:
    depth = 0
    for token in _TOKEN.findall(pattern):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "|" and depth <= 0:
            return True
    return False
