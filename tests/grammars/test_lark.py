"""Grammars in Lark have the same language, as llguidance enforces it."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from openedai.contract.chat import Tool
from openedai.contract.generate import JsonObject, JsonSchema
from openedai.engines.llama_cpp.native.matcher import MatcherFailed
from openedai.grammars.charset import CharSet
from openedai.grammars.gbnf import Rules, char_class, literal
from openedai.grammars.gbnf_check import check_gbnf
from openedai.prompts.constraints import answer_grammar, strict_grammar
from tests.grammars.gbnf_language import Grammar
from tests.grammars.llguidance_language import Language, lark_of
from tests.grammars.random_grammars import random_grammar, texts_near

CHARS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string", "maxLength": 700}, "page": {"type": "integer"}},
    "required": ["word", "page"],
    "additionalProperties": False,
}
# llguidance panics where it joins alternatives of which two are the same text, once as a sequence
# and once whole. Then the grammar is refused.
PANIC = "panic: called `Option::unwrap()` on a `None` value"
TOOL = Tool(name="look_up", description="", strict=True, parameters=SCHEMA)


@given(st.integers(0, 10**9))
@example(7685)  # a panic
def test_random_grammars(seed: int) -> None:
    random = Random(seed)
    text = random_grammar(random)
    try:
        check_gbnf(text)
    except ValueError:
        assume(False)
    grammar, lark = Grammar(text), lark_of(text)
    try:
        language = Language(lark)
    except MatcherFailed as error:
        if str(error).startswith(PANIC):
            return
        raise
    for near in texts_near(grammar, random):
        with suppress(RecursionError):  # of the interpreter
            expected = grammar.matches(near)
            assert language.matches(near) == expected, near


def test_llguidance_panics_at_this_grammar() -> None:
    """If a release does not, `test_random_grammars` need not allow for it."""
    with pytest.raises(MatcherFailed) as caught:
        Language(lark_of('root ::= ("é"* | "a" "é") | "aé"'))
    assert str(caught.value).startswith(PANIC)


@pytest.mark.parametrize(
    ("gbnf", "inside", "outside"),
    [
        ('root ::= "(" root ")" | "a" "ab" | "aa"', ["aab", "(aa)", "((aab))"], ["aa(", "ab"]),
        ('root ::= "a"* end\nend ::= "ab" | "(" end ")"', ["ab", "aab", "aaa(ab)"], ["a", "aa"]),
        ('root ::= word root? "."\nword ::= [a-z]+ | "if"', ["a.", "ab..", "ifa..."], ["a", ".."]),
        ('root ::= [0-9]+ | "(" root ")" root', ["1", "(12)34", "((1)2)3"], ["(1)", "1(2)"]),
        ('root ::= " "* item\nitem ::= " x" | "[" root "]"', [" x", "   x", " [  x]"], ["x"]),
        ('root ::= . root . | "é"', ["aéb", "é\né\n日", "😀éé"], ["aé", "日", ""]),
        ('root ::= many "b"\nmany ::= "a" many | "ab" many | ""', ["b", "abab", "aabb"], ["aba"]),
    ],
)
def test_lexemes_end_where_the_rest_of_the_grammar_goes_on(
    gbnf: str, inside: list[str], outside: list[str]
) -> None:
    language = Language(lark_of(gbnf))
    assert [*filter(language.matches, inside)] == inside
    assert not [*filter(language.matches, outside)]


@given(st.text(CHARS), st.text(CHARS, max_size=3))
def test_texts(text: str, other: str) -> None:
    language = Language(lark_of(f'root ::= {literal(text)} | "(" root ")"'))
    assert language.matches(text)
    assert language.matches(f"({text})")
    assert language.matches(other) == (other == text)


@given(st.sets(CHARS, min_size=1), st.booleans(), CHARS)
def test_classes(chars: set[str], negated: bool, other: str) -> None:
    charset = CharSet.chars("".join(chars))
    language = Language(lark_of(f"root ::= {char_class(~charset if negated else charset)}"))
    assert language.matches(min(chars)) != negated
    assert language.matches(other) == ((other in chars) != negated)


@given(st.integers(0, 1500), st.none() | st.integers(0, 1500), st.data())
def test_repeats_in_blocks(low: int, more: int | None, data: st.DataObject) -> None:
    rules = Rules()
    high = None if more is None else low + more
    body = rules.repeat("[a]", low, high)
    text = rules.text(rules.add("text", body or '""'))
    count = data.draw(st.integers(0, 3100) | st.sampled_from([low, low + (more or 0)]))
    expected = low <= count and (high is None or count <= high)
    assert Language(lark_of(text)).matches("a" * count) == expected
    assert lark_of(text).count("\n") <= 5


@pytest.mark.parametrize(
    ("gbnf", "count"),
    [
        ("root ::= x{3}\nx ::= [a]{2,4}", {*range(6, 13)}),
        ("root ::= x{2,3}\nx ::= [a]{3}", {6, 9}),
        ("root ::= x? x?\nx ::= [a]{3}", {0, 3, 6}),
        ("root ::= (x | [a]{5})?\nx ::= [a]{1,3}", {0, 1, 2, 3, 5}),
        ("root ::= x | [a]{4} [a]*\nx ::= [a]{1,3}", {*range(1, 50)}),
        ("root ::= x x\nx ::= [a]{0} | [a]", {0, 1, 2}),
    ],
)
def test_repeats_with_and_without_gaps(gbnf: str, count: set[int]) -> None:
    language = Language(lark_of(gbnf))
    assert {number for number in range(50) if language.matches("a" * number)} == count


@pytest.mark.parametrize("reasoning", [None, "maybe", "open"])
def test_answers_with_reasoning_and_calls(reasoning: str | None) -> None:
    schema = JsonSchema(schema=SCHEMA)
    arguments = json.dumps({"word": "日" * 700, "page": 7}, ensure_ascii=False)
    call = f'<tool_call>\n{{"name": "look_up", "arguments": {arguments}}}\n</tool_call>'
    thought = {None: "", "maybe": "<think>a</<b</n<</think>\n", "open": "<</think>\n\n"}
    for text, grammar in {
        arguments: answer_grammar(schema, reasoning=reasoning),
        f"{call}\n{call}": answer_grammar(None, [TOOL], required=True, reasoning=reasoning),
    }.items():
        assert grammar is not None
        language = Language(grammar)
        assert language.matches((thought[reasoning] or "") + text)
        assert not language.matches("<think>" + text)


@pytest.mark.parametrize(
    "gbnf",
    [
        'root ::= "a" root | "b"',
        "root ::= item\nitem ::= ([ab] ([ab] item)?)? ",
        'root ::= "a" ("b" (root | "c") | root) | ("a" root)?',
    ],
)
def test_rules_that_end_with_themselves_are_no_recursion(gbnf: str) -> None:
    grammar, language = Grammar(gbnf), Language(lark_of(gbnf))
    assert "start: T" in lark_of(gbnf)
    for length in range(7):
        for chars in product("abc", repeat=length):
            assert language.matches("".join(chars)) == grammar.matches("".join(chars))


def test_strict_calls() -> None:
    call = '"name": "look_up", "arguments": {"word": "a", "page": 1}}'
    language = Language(strict_grammar([TOOL], parallel=True))
    assert language.matches(call)
    assert language.matches(f"{call}\n</tool_call>\n<tool_call>\n{{{call}\n</tool_call>\n")
    assert not Language(strict_grammar([TOOL], parallel=False)).matches(f"{call},{{{call}")


@pytest.mark.parametrize(
    "value",
    [{}, {"a": [1, -2.5e3, {"b": []}], "c": '\\ " \u00e9 ☃'}, {"a": {"a": {"a": [[[None]]]}}}],
)
def test_objects_of_any_depth(value: Any) -> None:
    grammar = answer_grammar(JsonObject())
    assert grammar is not None
    language = Language(grammar)
    assert language.matches(json.dumps(value, ensure_ascii=False))
    assert language.matches(json.dumps(value, indent=2, ensure_ascii=False))
    assert not language.matches(json.dumps(value) + "}")
    assert not language.matches(json.dumps(value)[:-1])
