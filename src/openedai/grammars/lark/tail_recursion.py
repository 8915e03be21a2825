"""Rewrites rules that end with themselves as repeats, which need no recursion."""

from __future__ import annotations

from collections.abc import Mapping

from openedai.grammars.gbnf_parser import (
    Alternation,
    Body,
    Concatenation,
    Repeat,
    RuleReference,
    Text,
    references,
)


def without_tail_recursion(rules: Mapping[str, Body]) -> dict[str, Body]:
    """The rules with the same languages. Recursion over several rules stays as it is."""
    return {name: _without(name, body) for name, body in rules.items()}


def _without(name: str, body: Body) -> Body:
    split = _split(name, body) if name in references(body) else None
    if split is None or not split[1]:  # it never ends
        return body
    before, ends = split
    return Concatenation((Repeat(_either(before), 0, None), _either(ends)))


def _split(name: str, body: Body) -> tuple[list[Body], list[Body]] | None:
    """What may come before the rule itself at the end of the body, and the alternatives without the
    rule; None if the rule also occurs elsewhere in the body.
    """
    if name not in references(body):
        return [], [body]
    match body:
        case RuleReference():
            return [Concatenation(())], []
        case Alternation(options):
            splits = [_split(name, option) for option in options]
        case Repeat(item, 0, 1):
            splits = [_split(name, item), ([], [Text("")])]
        case Concatenation((*items, last)) if not any(name in references(item) for item in items):
            split = _split(name, last)
            if split is None:
                return None
            before, ends = ([Concatenation((*items, end)) for end in part] for part in split)
            return [*before], [*ends]
        case _:
            return None
    found = [split for split in splits if split is not None]
    if len(found) < len(splits):
        return None
    return [one for before, _ in found for one in before], [
        one for _, ends in found for one in ends
    ]


def _either(options: list[Body]) -> Body:
    return options[0] if len(options) == 1 else Alternation(tuple(options))
