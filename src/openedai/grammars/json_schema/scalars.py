"""String and number schemas of JSON Schema as GBNF."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from openedai.grammars.decimal_ranges import Bound, integers, multiples, numbers
from openedai.grammars.gbnf import Rules
from openedai.grammars.json_rules import JsonRules
from openedai.grammars.json_schema.errors import UnsupportedSchema, below
from openedai.grammars.json_schema.merge import Keywords
from openedai.grammars.regex import UnsupportedPattern, containing
from openedai.grammars.regular import NOTHING, Expression, fit
from openedai.grammars.regular_gbnf import json_content, plain_text
from openedai.grammars.string_formats import FORMATS, format_expression

_INTEGER_DIGITS = 40
_LARGEST_INTEGER = 10**_INTEGER_DIGITS - 1


def string_body(json: JsonRules, rules: Rules, keywords: Keywords, path: str) -> str | None:
    """A GBNF rule body for the valid strings; None if there are none. Raises UnsupportedSchema."""
    low, high = keywords.get("minLength", 0), keywords.get("maxLength")
    if high is not None and high < low:
        return None
    content = _content(keywords, path)
    if content is None:
        if (low, high) == (0, None):
            return json.string
        return rf'"\"" {rules.repeat(json.char, low, high)} "\""' if high != 0 else r'"\"\""'
    fitted = fit(content, low, high)
    if fitted is None:
        name = "maxLength" if high is not None else "minLength"
        why = f"`{name}` can't be held together with the pattern or format"
        raise UnsupportedSchema(why, below(path, name))
    return None if fitted == NOTHING else rf'"\"" {json_content(fitted, rules)} "\""'


def _content(keywords: Keywords, path: str) -> Expression | None:
    """The texts that the pattern or format allows; None without either."""
    if "pattern" in keywords and "format" in keywords:
        raise UnsupportedSchema("`pattern` stands beside `format`", below(path, "pattern"))
    if "format" in keywords:
        if keywords["format"] not in FORMATS:
            why = f"the format `{keywords['format']}` is not supported"
            raise UnsupportedSchema(why, below(path, "format"))
        return format_expression(keywords["format"])
    if "pattern" in keywords:
        try:
            return containing(keywords["pattern"])
        except UnsupportedPattern as error:
            raise UnsupportedSchema(str(error), below(path, "pattern")) from error
    return None


def integer_body(rules: Rules, keywords: Keywords, path: str) -> str | None:
    """A GBNF rule body for the valid integers; None if there are none. Raises UnsupportedSchema."""
    low, high = _bounds(keywords)
    for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
        if abs(keywords.get(name, 0)) > _LARGEST_INTEGER:
            why = f"`{name}` has more than {_INTEGER_DIGITS} digits"
            raise UnsupportedSchema(why, below(path, name))
    first = None if low is None else math.ceil(low.value)
    last = None if high is None else math.floor(high.value)
    if low is not None and low.exclusive and first == low.value:
        first = int(low.value) + 1
    if high is not None and high.exclusive and last == high.value:
        last = int(high.value) - 1
    step = keywords.get("multipleOf", 1)
    if step == 1:
        return _rule_body(integers(first, last), rules)
    try:
        return _rule_body(multiples(first, last, _decimal(step)), rules)
    except ValueError as error:
        raise UnsupportedSchema(str(error), below(path, "multipleOf")) from error


def number_body(json: JsonRules, rules: Rules, keywords: Keywords, path: str) -> str | None:
    """A GBNF rule body for the valid numbers; None if there are none. Raises UnsupportedSchema."""
    if "multipleOf" in keywords:
        return integer_body(rules, keywords, path)
    low, high = _bounds(keywords)
    if low is None and high is None:
        return json.number
    try:
        return _rule_body(numbers(low, high), rules)
    except ValueError as error:
        at = "minimum" if low is not None else "maximum"
        raise UnsupportedSchema(str(error), below(path, at)) from error


def _rule_body(expression: Expression, rules: Rules) -> str | None:
    """A GBNF rule body; None for NOTHING."""
    return None if expression == NOTHING else plain_text(expression, rules)


def _bounds(keywords: Keywords) -> tuple[Bound | None, Bound | None]:
    """The lower and the upper bound; of an inclusive and an exclusive one, the tighter."""
    lows = [Bound(_decimal(keywords["minimum"]))] if "minimum" in keywords else []
    highs = [Bound(_decimal(keywords["maximum"]))] if "maximum" in keywords else []
    if "exclusiveMinimum" in keywords:
        lows.append(Bound(_decimal(keywords["exclusiveMinimum"]), exclusive=True))
    if "exclusiveMaximum" in keywords:
        highs.append(Bound(_decimal(keywords["exclusiveMaximum"]), exclusive=True))
    return (
        max(lows, key=lambda bound: (bound.value, bound.exclusive), default=None),
        min(highs, key=lambda bound: (bound.value, not bound.exclusive), default=None),
    )


def _decimal(value: Any) -> Decimal:
    """The shortest decimal that becomes the same double, which is how it was written."""
    return Decimal(repr(value))
