"""Reads grammars in Lark, as the rules of a language of characters.

A terminal may match any of its texts: no longest match and no priority chooses between them, as in
Lark's own lexer `dynamic_complete`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from openedai.grammars.gbnf_parser import Body, Repeat, RuleReference, in_order, references
from openedai.grammars.lark_reader.common import COMMON
from openedai.grammars.lark_reader.terminals import (
    char_range,
    either,
    in_sequence,
    literal_text,
    pattern,
)
from openedai.grammars.lark_reader.tokens import Token, tokens

START = "start"
_IGNORED = "%ignore"
_MAX_DEPTH = 100
_MAX_REPEAT = 2000
_QUANTIFIERS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_COUNT = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}")
_END = Token("end", "", 0)


def parse_lark(source: str) -> dict[str, Body]:
    """The rules and terminals of a grammar by name; its texts are those of `start`.

    Raises ValueError, worded for the author of the grammar.
    """
    parser = _Parser(tokens(source))
    rules = parser.definitions()
    if START not in rules:
        raise ValueError(f"it has no rule `{START}`")
    for name, body in rules.items():
        for used in references(body):
            if used not in rules:
                raise ValueError(f"it uses `{used}` and does not define it")
            if _is_terminal(name) and not _is_terminal(used):
                raise ValueError(f"the terminal `{name}` uses the rule `{used}`")
    terminals = {name: {*references(body)} for name, body in rules.items() if _is_terminal(name)}
    if circular := terminals.keys() - in_order(terminals):
        raise ValueError(f"the terminal `{min(circular)}` leads back to itself")
    return rules


def _is_terminal(name: str) -> bool:
    return name == _IGNORED or name.lstrip("_")[:1].isupper()


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0
        self._in_terminal = False
        self._ignores = any(token.type == "directive" and token.text == _IGNORED for token in found)
        self._rules: dict[str, Body] = {}
        self._ignored: list[Body] = []

    def definitions(self) -> dict[str, Body]:
        while (token := self._next()).type != "end":
            if token.type == "directive":
                self._directive(token)
            elif token.type in ("rule", "terminal"):
                self._definition(token)
            elif token.type != "newline":
                raise self._out_of_place(token)
        if self._ignores:
            self._rules[_IGNORED] = Repeat(either(self._ignored), 0, None)
            if (start := self._rules.get(START)) is not None:
                self._rules[START] = in_sequence([RuleReference(_IGNORED), start])
        return self._rules

    def _directive(self, token: Token) -> None:
        if token.text == _IGNORED:
            self._in_terminal = True
            self._ignored.append(self._alternation())
            self._end_line()
        elif token.text == "%import":
            self._import(token)
        else:
            raise ValueError(f"`{token.text}` is not supported (line {token.line})")

    def _import(self, token: Token) -> None:
        path = ""
        while self._peek().type in ("rule", "terminal") or self._peek().text == ".":
            path += self._next().text
        module, _, name = path.partition(".")
        if module != "common":
            raise ValueError(f"only `common` can be imported (line {token.line})")
        names = {name: name} if name else {}
        if not name and self._take("("):
            while self._peek().type == "terminal":
                one = self._next().text
                names[one] = one
                self._take(",")
            self._expect(")")
        elif self._take("->"):
            names = {self._next().text: name}
        for alias, one in names.items():
            if one not in COMMON:
                raise ValueError(f"`common` has no `{one}` (line {token.line})")
            self._define(alias, pattern(COMMON[one], ""), token)
        self._end_line()

    def _definition(self, token: Token) -> None:
        self._in_terminal = token.type == "terminal"
        if self._take("."):  # a priority, which decides between readings of one text
            self._next()
        if self._peek().text != ":":
            raise ValueError(
                f"`{token.text}` is not followed by a colon (line {token.line}): templates and "
                "attributes are not supported"
            )
        self._next()
        self._define(token.text, self._alternation(), token)
        self._end_line()

    def _define(self, name: str, body: Body, token: Token) -> None:
        if name in self._rules:
            raise ValueError(f"`{name}` is defined twice (line {token.line})")
        self._rules[name] = body

    def _alternation(self) -> Body:
        options = [self._concatenation()]
        while self._take("|", over_lines=True):
            options.append(self._concatenation())
        return either(options)

    def _concatenation(self) -> Body:
        items: list[Body] = []
        while True:
            if self._depth and self._peek().type == "newline":
                self._next()
            token = self._peek()
            if token.type not in ("rule", "terminal", "text", "regex") and token.text not in (
                "(",
                "[",
            ):
                break
            items.append(self._quantified(self._item()))
        if self._take("->"):  # the name of a branch of the tree
            self._next()
        return in_sequence(items)

    def _quantified(self, item: Body) -> Body:
        """The item with the quantifiers after it."""
        while True:
            token = self._peek()
            if token.text in _QUANTIFIERS:
                self._next()
                item = Repeat(item, *_QUANTIFIERS[token.text])
            elif token.text == "~":
                self._next()
                low = self._number()
                high = self._number() if self._take("..") else low
                item = self._counted(item, low, high, token)
            elif token.type == "count":
                self._next()
                item = self._counted(item, *_counts(token), token)
            else:
                return item

    def _counted(self, item: Body, low: int, high: int | None, token: Token) -> Body:
        if max(low, high or 0) > _MAX_REPEAT:
            raise ValueError(f"a repeat is larger than {_MAX_REPEAT} (line {token.line})")
        if low < 0 or (high is not None and high < low):
            raise ValueError(f"the bounds of a repeat are out of order (line {token.line})")
        return Repeat(item, low, high)

    def _item(self) -> Body:
        token = self._next()
        match token.type:
            case "rule":
                if self._in_terminal:
                    raise ValueError(f"a terminal uses the rule `{token.text}` (line {token.line})")
                return RuleReference(token.text)
            case "terminal":
                return self._terminal(RuleReference(token.text))
            case "text" if self._take(".."):
                last = self._next()
                return self._terminal(self._read(lambda: char_range(token.text, last.text), token))
            case "text":
                return self._terminal(self._read(lambda: literal_text(token.text), token))
            case "regex":
                return self._terminal(self._read(lambda: _regex(token.text), token))
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError(f"parentheses are nested deeper than {_MAX_DEPTH}")
        inside = self._alternation()
        if self._peek().type == "newline":
            self._next()
        self._expect(")" if token.text == "(" else "]")
        self._depth -= 1
        return inside if token.text == "(" else Repeat(inside, 0, 1)

    def _terminal(self, body: Body) -> Body:
        """A terminal, followed by what is ignored if it is used in a rule."""
        if self._in_terminal or not self._ignores:
            return body
        return in_sequence([body, RuleReference(_IGNORED)])

    def _read(self, read: Callable[[], Body], token: Token) -> Body:
        try:
            return read()
        except ValueError as error:
            raise ValueError(f"{error} (line {token.line}: {token.text:.60})") from error

    def _number(self) -> int:
        token = self._next()
        if token.type != "number" or len(token.text) > 9:
            raise self._out_of_place(token)
        return int(token.text)

    def _expect(self, text: str) -> None:
        token = self._next()
        if token.text != text:
            raise ValueError(f"a `{text}` is missing (line {token.line or 'after the last'})")

    def _end_line(self) -> None:
        token = self._next()
        if token.type not in ("newline", "end"):
            raise self._out_of_place(token)

    def _take(self, text: str, *, over_lines: bool = False) -> bool:
        """Take the next token if it is this sign; `over_lines`, also at the start of a line."""
        ahead = 1 if over_lines and self._peek().type == "newline" else 0
        token = self._peek(ahead)
        found = token.type == "sign" and token.text == text
        self._at += (ahead + 1) * found
        return found

    def _peek(self, ahead: int = 0) -> Token:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else _END

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _out_of_place(self, token: Token) -> ValueError:
        if token.type == "end":
            return ValueError("it ends too early")
        return ValueError(f"`{token.text.strip()[:40]}` is out of place (line {token.line})")


def _regex(token: str) -> Body:
    """The texts of a token `/…/flags`."""
    inside, _, flags = token[1:].rpartition("/")
    return pattern(inside.replace(r"\/", "/"), flags)


def _counts(token: Token) -> tuple[int, int | None]:
    found = _COUNT.fullmatch(token.text)
    if found is None or not (found[1] or found[3]) or max(len(found[1]), len(found[3])) > 9:
        raise ValueError(f"the repeat `{token.text}` is not one (line {token.line})")
    low = int(found[1] or 0)
    return low, int(found[3]) if found[3] else None if found[2] else low
