"""Patterns, as in JSON Schema and the `regex` constraint, as GBNF.

The syntax is what ECMA-262 and Python have in common. Where their character classes differ, the
grammar has only characters that both accept. What is not regular is refused.
"""

from __future__ import annotations

from openedai.grammars.charset import ANY, CharSet, Range
from openedai.grammars.gbnf import LARGEST_REPEAT, Rules
from openedai.grammars.regular import (
    NOTHING,
    Chars,
    Expression,
    alternation,
    concat,
    repeat,
    size,
)
from openedai.grammars.regular_gbnf import plain_text

_MAX_DEPTH = 40
_MAX_SIZE = 10_000
_NUL = CharSet.chars("\0")
_DIGITS = CharSet.between("0", "9")
_WORD = _DIGITS | CharSet.between("a", "z") | CharSet.between("A", "Z") | CharSet.chars("_")
_NOT_ASCII = CharSet.of([(0x80, 0x10FFFF)])
_SPACE = CharSet.chars(" \t\n\v\f\r\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | CharSet.between(
    "\u2000", "\u200a"
)
_SOME_SPACE = _SPACE | CharSet.between("\x1c", "\x1f") | CharSet.chars("\x85\ufeff")

# The characters that both dialects have in a class, and those that at least one of them has.
_CLASSES = {
    "d": (_DIGITS, _DIGITS | _NOT_ASCII),
    "w": (_WORD, _WORD | _NOT_ASCII),
    "s": (_SPACE, _SOME_SPACE),
}
_CLASSES |= {name.upper(): (~any_dialect, ~both) for name, (both, any_dialect) in _CLASSES.items()}
_NEWLINES = CharSet.chars("\n\r\u2028\u2029")
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_HEX_DIGITS = {"x": 2, "u": 4}


class UnsupportedPattern(ValueError):
    """The pattern is not valid, or cannot be enforced exactly."""


def regex(pattern: str, rules: Rules) -> str:
    """Add rules for the texts that match the pattern as a whole; returns the name of the first.

    `^` at its beginning and `$` at its end have no effect. Raises UnsupportedPattern.
    """
    return rules.add("text", plain_text(expression(pattern), rules))


def expression(pattern: str, *, dot_is_any: bool = False) -> Expression:
    """The texts that match the pattern as a whole; `.` may also match the end of a line.

    Raises UnsupportedPattern.
    """
    dot = ANY if dot_is_any else ANY - _NEWLINES
    whole = alternation(*(one for _, one, _ in _Parser(pattern, ANY - _NUL, dot).alternatives()))
    if whole == NOTHING:
        raise UnsupportedPattern("no text matches the pattern")
    return whole


class _Parser:
    def __init__(self, pattern: str, universe: CharSet, dot: CharSet) -> None:
        self._pattern = pattern
        self._universe = universe
        self._dot = dot
        self._known: dict[CharSet, Expression] = {}
        self._at = 0
        self._depth = 0

    def alternatives(self) -> list[tuple[bool, Expression, bool]]:
        """The alternatives of the whole pattern: (whether its start is anchored, expression,
        whether its end is).
        """
        found = [self._anchored()]
        while self._take("|"):
            found.append(self._anchored())
        if self._at < len(self._pattern):
            raise self._unsupported(f"`{self._pattern[self._at]}` is out of place")
        return found

    def _anchored(self) -> tuple[bool, Expression, bool]:
        start = self._take("^")
        expression = self._concatenation()
        return start, expression, self._take("$")

    def _alternation(self) -> Expression:
        options = [self._concatenation()]
        while self._take("|"):
            options.append(self._concatenation())
        return alternation(*options)

    def _concatenation(self) -> Expression:
        items = []
        while self._peek() not in ("", "|", ")", "$"):
            items.append(self._quantified(self._atom()))
        return concat(*items)

    def _quantified(self, atom: Expression) -> Expression:
        low, high = 1, 1
        match self._peek():
            case "*":
                low, high = 0, -1
            case "+":
                low, high = 1, -1
            case "?":
                low, high = 0, 1
            case "{":
                return self._lazy(repeat(atom, *self._counts()))
            case _:
                return atom
        self._at += 1
        return self._lazy(repeat(atom, low, None if high < 0 else high))

    def _lazy(self, repeated: Expression) -> Expression:
        """Skip the sign of a lazy quantifier, which only affects which match is found, not whether
        there is one.
        """
        self._take("?")
        if self._peek() in ("*", "+", "?", "{"):
            raise self._unsupported("a quantifier follows a quantifier")
        if size(repeated) > _MAX_SIZE:
            raise self._unsupported("groups that may be empty are repeated in each other")
        return repeated

    def _counts(self) -> tuple[int, int | None]:
        end = self._pattern.find("}", self._at)
        low, comma, high = self._pattern[self._at + 1 : max(end, 0)].partition(",")
        if not _number(low) or not (high == "" or _number(high)):
            raise self._unsupported("a `{` that begins no quantifier needs a backslash")
        self._at = end + 1
        if max(len(low), len(high)) > 9 or max(int(low), int(high or 0)) > LARGEST_REPEAT:
            raise self._unsupported(f"a repeat is larger than {LARGEST_REPEAT}")
        most = int(low) if not comma else int(high) if high else None
        if most is not None and most < int(low):
            raise self._unsupported("the bounds of a quantifier are out of order")
        return int(low), most

    def _atom(self) -> Expression:
        char = self._next()
        match char:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return self._chars(self._dot)
            case "\\":
                both, _ = self._escape(in_class=False)
                return self._chars(both)
            case "^":
                raise self._unsupported("an anchor is not at the edge of the pattern")
            case "*" | "+" | "?" | "{":
                raise self._unsupported(f"nothing stands before `{char}`")
            case _:
                return self._chars(CharSet.chars(char))

    def _group(self) -> Expression:
        if self._take("?"):
            named = self._take("P<") or (self._peek() == "<" and self._peek(1) not in ("=", "!"))
            if named:
                self._at = self._pattern.find(">", self._at) + 1 or len(self._pattern)
            elif not self._take(":"):
                raise self._unsupported("lookarounds, flags and references are not regular")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._unsupported(f"groups are nested deeper than {_MAX_DEPTH}")
        inside = self._alternation()
        self._depth -= 1
        if self._peek() == "$":
            raise self._unsupported("an anchor is not at the edge of the pattern")
        if not self._take(")"):
            raise self._unsupported("a group is not closed")
        return inside

    def _class(self) -> Expression:
        negated = self._take("^")
        ranges: list[Range] = []
        first = True
        while first or self._peek() != "]":
            if first and self._peek() == "]":
                raise self._unsupported("a class is empty; `]` needs a backslash in it")
            ranges += self._class_item()[negated].ranges
            first = False
        self._at += 1
        chars = CharSet.of(ranges)
        return self._chars(~chars if negated else chars)

    def _class_item(self) -> tuple[CharSet, CharSet]:
        both, any_dialect = self._class_atom()
        if self._peek() != "-" or self._peek(1) in ("]", ""):
            return both, any_dialect
        self._at += 1
        first, last = both.single(), self._class_atom()[0].single()
        if first is None or last is None or last < first:
            raise self._unsupported("a range in a class is wrong")
        return (CharSet.between(first, last),) * 2

    def _class_atom(self) -> tuple[CharSet, CharSet]:
        char = self._next()
        if char == "\\":
            return self._escape(in_class=True)
        if char == "[":
            raise self._unsupported("a `[` in a class needs a backslash")
        return (CharSet.chars(char),) * 2

    def _escape(self, in_class: bool) -> tuple[CharSet, CharSet]:
        """The characters that the escape means in both dialects, and those that it means in at
        least one.
        """
        char = self._next()
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROLS and not (char == "0" and self._peek().isdigit()):
            return (CharSet.chars(_CONTROLS[char]),) * 2
        if char == "b" and in_class:
            return (CharSet.chars("\b"),) * 2
        if char in _HEX_DIGITS:
            return (CharSet.chars(self._code_point(_HEX_DIGITS[char])),) * 2
        if char.isascii() and char.isalnum():
            raise self._unsupported(rf"`\{char}` is not supported")
        return (CharSet.chars(char),) * 2

    def _code_point(self, digits: int) -> str:
        code = self._pattern[self._at : self._at + digits]
        if len(code) < digits or not all(char in "0123456789abcdefABCDEF" for char in code):
            raise self._unsupported("an escape lacks hexadecimal digits")
        self._at += digits
        return chr(int(code, 16))

    def _chars(self, chars: CharSet) -> Expression:
        if chars not in self._known:
            usable = chars & self._universe
            self._known[chars] = Chars(usable) if usable.ranges else NOTHING
        return self._known[chars]

    def _peek(self, ahead: int = 0) -> str:
        return self._pattern[self._at + ahead : self._at + ahead + 1]

    def _next(self) -> str:
        char = self._peek()
        if not char:
            raise self._unsupported("it ends too early")
        self._at += 1
        return char

    def _take(self, expected: str) -> bool:
        found = self._pattern.startswith(expected, self._at)
        self._at += len(expected) * found
        return found

    def _unsupported(self, why: str) -> UnsupportedPattern:
        return UnsupportedPattern(f"{why}, at character {self._at} of the pattern")


def _number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit()
