"""The tokens of a grammar in Lark."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>[ \t\f\r]+|(?://|\#)[^\n]*)
    | (?P<newline>\n(?:[ \t\f\r\n]|//[^\n]*|\#[^\n]*)*)
    | (?P<directive>%[a-z]+)
    | (?P<rule>[!?]{0,2}_?[a-z][_a-z0-9]*)
    | (?P<terminal>_?[A-Z][_A-Z0-9]*)
    | (?P<text>"(?:[^"\\\n]|\\[^\n])*"i?)
    | (?P<regex>/(?![/*+?])(?:[^/\\\n]|\\[^\n])+/[imslux]*)
    | (?P<count>\{[0-9]*,?[0-9]*\})
    | (?P<number>-?[0-9]+)
    | (?P<sign>->|\.\.|[:|()\[\]?*+~.,])""",
    re.VERBOSE,
)
_SHOWN = 20  # characters of a text that cannot be read


@dataclass(frozen=True)
class Token:
    """`type` is `newline`, `directive`, `rule`, `terminal`, `text`, `regex`, `count`, `number` or
    `sign`. A rule's name is without the signs before it.
    """

    type: str
    text: str
    line: int


def tokens(source: str) -> list[Token]:
    """All tokens. Raises ValueError, worded for the author of the grammar."""
    found: list[Token] = []
    at, line = 0, 1
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise ValueError(f"line {line} cannot be read at {source[at : at + _SHOWN]!r}")
        type, text = str(match.lastgroup), match[0]
        if type == "rule":
            text = text.lstrip("!?")
        if type != "space":
            found.append(Token(type, text, line))
        line += match[0].count("\n")
        at = match.end()
    return found
