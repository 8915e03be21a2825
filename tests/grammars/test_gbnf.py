"""Writing GBNF, and the check of grammars from requests."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.grammars.charset import CharSet
from openedai.grammars.gbnf import Rules, char_class, literal, one_of
from openedai.grammars.gbnf_check import check_gbnf
from tests.grammars.gbnf_language import Grammar
from tests.grammars.gbnf_text import gbnf_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def grammar(body: str) -> Grammar:
    return Grammar(gbnf_text(lambda rules: rules.add("text", body)))


def test_names_are_unique_and_readable_by_llama_cpp() -> None:
    rules = Rules()
    assert rules.add("first_name", '"a"') == "first-name"
    assert rules.add("first name", '"b"') == "first-name-2"
    assert rules.add("first_name", '"a"') == "first-name"
    assert rules.add("root", '"c"') == "root-2"
    assert rules.add("ünï", '"d"') == "n"
    assert rules.add("名前", '"e"') == "rule"
    assert rules.text("n") == (
        'root ::= n\nfirst-name ::= "a"\nfirst-name-2 ::= "b"\nroot-2 ::= "c"\n'
        'n ::= "d"\nrule ::= "e"\n'
    )


def test_rules_can_be_used_before_they_are_defined() -> None:
    rules = Rules()
    name = rules.declare("list")
    rules.define(name, f'"x" {name}?')
    assert Grammar(rules.text(name)).matches("xxx")


@given(TEXTS)
def test_literals(text: str) -> None:
    written = grammar(literal(text))
    assert written.sample(Random(0)) == text


@given(st.sets(TEXTS, min_size=1), TEXTS)
def test_one_of_many_texts(texts: set[str], other: str) -> None:
    written = grammar(one_of(texts))
    assert all(map(written.matches, texts))
    assert written.matches(other) == (other in texts)


@given(
    st.sets(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.characters(exclude_categories=["Cs"]),
)
def test_classes(chars: set[str], other: str) -> None:
    charset = CharSet.chars("".join(chars))
    written = grammar(char_class(charset))
    assert all(map(written.matches, chars))
    assert written.matches(other) == (other in chars)
    assert not grammar(char_class(~charset)).matches(min(chars))


@given(st.integers(0, 1500), st.none() | st.integers(0, 1500), st.data())
def test_repeats(low: int, more: int | None, data: st.DataObject) -> None:
    rules = Rules()
    high = None if more is None else low + more
    body = rules.repeat("[a]", low, high)
    written = Grammar(rules.text(rules.add("text", body or '""')))
    count = data.draw(st.integers(0, 3100) | st.sampled_from([low, low + (more or 0)]))
    assert written.matches("a" * count) == (low <= count and (high is None or count <= high))


@pytest.mark.parametrize(
    "text",
    [
        'root ::= "a" [b-d]+ "\\"" [^\\x00-\\x1f\\]]{2,3}\n',
        '# a comment\nroot ::= (\n  item # another\n  | "b"\n)\nitem ::= .',
        'root::="a"\r\n',
        'root ::= "a" root | "b"',
        'root ::= list? "a"\nlist ::= "x" list?',
        "root ::= [a-] [-a] [\\u00e9-\\U0001F600] [\\n\\t]{2000}",
        'root ::= "a" | ',
        'root ::= (" "*)* space? "a"\nspace ::= [ \\n]*',
    ],
)
def test_supported_grammars_pass(text: str) -> None:
    check_gbnf(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no rule `root`"),
        (" \n# nothing\n", "no rule `root`"),
        ('top ::= "a"', "no rule `root`"),
        ("root ::= item", "`item`"),
        ('root ::= "a"\nroot ::= "b"', "two rules `root`"),
        ('root ::= root "a" | "b"', "begins with itself"),
        ('root ::= list "x"\nlist ::= root | "y"', "begins with itself"),
        ('root ::= space root "a" | "b"\nspace ::= " "?', "begins with itself"),
        ('root ::= (" "?){2} "a"', "may be empty"),
        ('root ::= space{0,20} "a"\nspace ::= " "*', "may be empty"),
        ('root ::= "a" root', "comes to an end"),
        ('root ::= "a" item\nitem ::= "b" root', "comes to an end"),
        ('root ::= "a"{3,1}', "out of order"),
        ('root ::= "a"{0,2001}', "more than 2000"),
        ('root ::= "a"{2001,}', "more than 2000"),
        ("root ::= [z-a]", "out of order"),
        ("root ::= []", "empty class"),
        ("root ::= [^]", "empty class"),
        ("root ::= [\\ud800]", "which no text has"),
        ("root ::= [\\U00110000]", "which no text has"),
        ('root ::= "\\x00"', "NUL"),
        ('root ::= "\\q"', "unknown escape"),
        ('root ::= "a', "can't be read"),
        ('root ::= ("a"', "not closed"),
        ('root ::= "a")', "out of place"),
        ('root ::= * "a"', "out of place"),
        ("root ::= <think>", "can't be read"),
        ('root := "a"', "can't be read"),
        ('"a"', "out of place"),
        ("root ::= " + "(" * 101 + '"a"' + ")" * 101, "deeper than 100"),
    ],
)
def test_other_grammars_are_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_gbnf(text)
