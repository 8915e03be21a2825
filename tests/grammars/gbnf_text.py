"""Grammars as the code under test writes them."""

from __future__ import annotations

from collections.abc import Callable

from openedai.grammars.gbnf import Rules
from openedai.grammars.gbnf_check import check_gbnf


def gbnf_text(add_rules: Callable[[Rules], str]) -> str:
    """The grammar of the rule that `add_rules` adds and names, checked."""
    rules = Rules()
    text = rules.text(add_rules(rules))
    check_gbnf(text)
    return text
