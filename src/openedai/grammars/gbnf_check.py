"""Refuses grammars on which llama.cpp fails open, hangs or crashes.

llama.cpp refuses what it cannot parse. It accepts, however: an empty grammar (no constraint at
all), repeats with bounds out of order (exhaust the memory) or above 2000 (no bound at all), counted
repeats of what may be empty (exponential time), left recursion after what may be empty (exhausts
the memory), characters that do not exist, and rules that never end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from openedai.grammars.gbnf_parser import (
    Alternation,
    Body,
    Class,
    Concatenation,
    Repeat,
    RuleReference,
    Text,
    in_order,
    parse_gbnf,
    subexpressions,
)


def check_gbnf(text: str) -> dict[str, Body]:
    """The rules of a grammar that llama.cpp enforces.

    Raises ValueError for any other, worded for the author of the grammar.
    """
    rules = parse_gbnf(text)
    if "root" not in rules:
        raise ValueError("the grammar has no rule `root`")
    for part in (part for body in rules.values() for part in subexpressions(body)):
        if isinstance(part, RuleReference) and part.name not in rules:
            raise ValueError(f"the grammar uses a rule `{part.name}` that it does not have")
    empty = rules_with(rules, _may_be_empty)
    for name, body in rules.items():
        repeats = (part for part in subexpressions(body) if isinstance(part, Repeat))
        if any(part.is_counted and _may_be_empty(part.item, empty) for part in repeats):
            raise ValueError(f"the rule `{name}` counts repeats of what may be empty")
    _refuse_left_recursion(rules, empty)
    if "root" not in rules_with(rules, can_end):
        raise ValueError("no text of the grammar comes to an end")
    return rules


def rules_with(
    rules: dict[str, Body],
    predicate: Callable[[Body, set[str]], bool],
    known: Iterable[str] = (),
) -> set[str]:
    """The names of the rules whose body satisfies the predicate, a fixed point of it.

    The predicate gets a body and the names found so far, which begin with the `known` ones.
    """
    found = {*known}
    size = -1
    while size < len(found):
        size = len(found)
        for name in [*rules, *reversed(rules)]:  # rules refer to earlier and to later ones
            if name not in found and predicate(rules[name], found):
                found.add(name)
    return found


def _may_be_empty(body: Body, empty: set[str]) -> bool:
    """Whether the body derives the empty text, given the names of the rules that do."""
    match body:
        case Text(text):
            return not text
        case Class():
            return False
        case RuleReference(name):
            return name in empty
        case Concatenation(items):
            return all(_may_be_empty(item, empty) for item in items)
        case Alternation(options):
            return any(_may_be_empty(option, empty) for option in options)
        case Repeat(item, low):
            return low == 0 or _may_be_empty(item, empty)


def can_end(body: Body, ending: set[str]) -> bool:
    """Whether the body derives any text, given the names of the rules that do."""
    match body:
        case Text():
            return True
        case Class(chars):
            return bool(chars.ranges)
        case RuleReference(name):
            return name in ending
        case Concatenation(items):
            return all(can_end(item, ending) for item in items)
        case Alternation(options):
            return any(can_end(option, ending) for option in options)
        case Repeat(item, low):
            return low == 0 or can_end(item, ending)


def _refuse_left_recursion(rules: dict[str, Body], empty: set[str]) -> None:
    first = {name: {*_leftmost(body, empty)} for name, body in rules.items()}
    recursive = rules.keys() - in_order(first)
    if recursive:
        path = [min(recursive)]
        while path[-1] not in path[:-1]:
            path.append(min(first[path[-1]] & recursive))
        raise ValueError(f"the rule `{path[-1]}` begins with itself: left recursion")


def _leftmost(body: Body, empty: set[str]) -> Iterator[str]:
    """The names of the rules that a text of the body may begin with."""
    match body:
        case RuleReference(name):
            yield name
        case Concatenation(items):
            for item in items:
                yield from _leftmost(item, empty)
                if not _may_be_empty(item, empty):
                    return
        case Alternation(options):
            for option in options:
                yield from _leftmost(option, empty)
        case Repeat(item):
            yield from _leftmost(item, empty)
