"""Grammars of patterns against Python's regular expressions."""

from __future__ import annotations

import re
import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openedai.grammars.gbnf import Rules
from openedai.grammars.regex import UnsupportedPattern, regex
from tests.grammars.gbnf_language import Grammar
from tests.grammars.gbnf_text import gbnf_text

ATOMS = ["a", "b", "-", "é", r"\n", r"\"", r"\\", ".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S"]
ATOMS += ["[ab]", "[^a]", r"[^\d]", r"[^\W]", r"[\s\-]", "[+-.]", r"[\]\^]", r"\x41", r"\u00e9"]
SPACE = r" \t\n\v\f\r\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
QUANTIFIERS = ["", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "{0}"]


def grouped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequences = st.lists(inner, max_size=3).map("".join)
    groups = st.builds(
        lambda options, times: f"({'|'.join(options)}){times}",
        st.lists(sequences, min_size=1, max_size=3),
        st.sampled_from(QUANTIFIERS),
    )
    return groups | sequences


QUANTIFIED_ATOMS = st.builds(
    lambda atom, times: atom + times, st.sampled_from(ATOMS), st.sampled_from(QUANTIFIERS)
)
PATTERNS = st.recursive(QUANTIFIED_ATOMS, grouped, max_leaves=8)


def both_match(pattern: str, text: str) -> bool:
    """Whether the text matches by the rules of Python, and by those of ECMA-262."""
    ecma = pattern.replace(r"[\s\-]", rf"[{SPACE}\-]")
    ecma = ecma.replace(r"\s", f"[{SPACE}]").replace(r"\S", f"[^{SPACE}]")
    return bool(re.fullmatch(pattern, text) and re.fullmatch(ecma, text, re.ASCII))


def text_grammar(pattern: str) -> Grammar:
    return Grammar(gbnf_text(lambda rules: regex(pattern, rules)))


@settings(deadline=None, max_examples=200)
@given(PATTERNS, st.integers(0, 1000))
def test_texts_of_the_grammar_match_the_pattern(pattern: str, seed: int) -> None:
    text = text_grammar(pattern).sample(Random(seed))
    assert both_match(pattern, text)


@settings(deadline=None, max_examples=200)
@given(PATTERNS, st.text("ab-é1 \n", max_size=5))
def test_matching_texts_are_in_the_grammar(pattern: str, text: str) -> None:
    ascii_only = r"\D" in pattern or r"\W" in pattern or r"[^\d]" in pattern
    if ascii_only and not text.isascii():
        return
    assert text_grammar(pattern).matches(text) == both_match(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("^ab$", ["ab"], ["a", "abb"]),
        ("^a|b$", ["a", "b"], ["ab"]),
        ("(?:a|b)+?c", ["ac", "abbc"], ["c"]),
        (r"(?P<year>\d{4})-(?<month>\d\d)", ["2024-02"], ["24-02"]),
        (r"a{300,700}", ["a" * 300, "a" * 511, "a" * 512, "a" * 700], ["a" * 299, "a" * 701]),
        (r"(a*)*b", ["b", "aaab"], ["a"]),
        (r"\.\*\/\-", [".*/-"], ["ab/-"]),
        (r"[\t\x20]\f", [" \f", "\t\f"], ["\n\f"]),
        ("", [""], ["a"]),
        ("a||b", ["a", "", "b"], ["ab"]),
        ("]", ["]"], [""]),
    ],
)
def test_whole_patterns(pattern: str, matching: list[str], other: list[str]) -> None:
    grammar = text_grammar(pattern)
    assert [text for text in matching if not grammar.matches(text)] == []
    assert [text for text in other if grammar.matches(text)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(a)\1", r"(?P=a)", "(?i)a", r"\bword", r"\p{L}",
        "a^b", "a$b", "(^a)", "(a$)", "*a", "a**", "a*+", "a{3,1}", "a{", "a{,3}", "x{100001}",
        "[]", "[z-a]", r"[\d-z]", "[a", "(a", "a)", "a\\", r"\x4", r"\u00g0", r"\Z", r"\k<a>",
        r"[^\s\S]", "[[:alpha:]]", "(?>a)", "(" * 41 + "a" + ")" * 41, "(?<a", r"\01", "^*", r"\0",
        "a{" + "9" * 5000 + "}", "(c?" * 40 + "d?" + ")*" * 40,
    ],
)  # fmt: skip
def test_unsupported_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedPattern):
        regex(pattern, Rules())


@pytest.mark.parametrize(
    "pattern",
    [
        f"[{''.join(chr(0x4E00 + 2 * number) for number in range(5_000))}]",
        "".join(f"a{{{number},{number + 5}}}" for number in range(3000)),
        "(a?b?c?|a?b?)" * 40,
        "a" * 20_000,
    ],
    ids=lambda pattern: pattern[:10],
)
def test_large_patterns_take_linear_time(pattern: str) -> None:
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        rules = Rules()
        rules.text(regex(pattern, rules))
    finally:
        sys.setprofile(None)
    assert calls < 300 * len(pattern)
