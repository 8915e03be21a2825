"""Grammars that clients write in Lark, against the package `lark`, and what of them is refused."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Literal

import pytest
from lark import Lark, UnexpectedInput
from lark.exceptions import ParseError

from openedai.contract.chat import InputGrammar, Tool
from openedai.errors import InvalidRequest
from openedai.grammars.lark.rules import LarkRules
from openedai.grammars.lark.writer import add_parsed
from openedai.grammars.lark_reader.common import COMMON
from openedai.prompts.constraints import answer_grammar, input_rules, strict_grammar
from tests.grammars.llguidance_language import Language

PATCH = r"""
start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?

hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change?

filename: /(.+)/
add_line: "+" /(.*)/ LF -> line
change: (change_context | change_line)+ eof_line?
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.*)/ LF
eof_line: "*** End of File" LF

%import common.LF
"""
EDIT = '*** Begin Patch\n*** Update File: a.py\n@@ def "x"\\:\n-a = 1\n+b = "2\\t"\n*** End Patch'


class Inputs:
    """The inputs that a tool with the grammar gets."""

    def __init__(self, definition: str, syntax: Literal["lark", "regex"] = "lark") -> None:
        rules = LarkRules()
        start = add_parsed(input_rules(InputGrammar(syntax, definition)), rules)
        self._strings = Language(rules.text(start))

    def has(self, text: str) -> bool:
        return self._strings.matches(json.dumps(text, ensure_ascii=False))


def lark_has(grammar: Lark, text: str) -> bool:
    try:
        grammar.parse(text)
    except (UnexpectedInput, ParseError):
        return False
    return True


@pytest.mark.parametrize(
    ("definition", "alphabet", "length"),
    [
        ('start: "a" | "b"+ | ["c"]', "abc", 4),
        ('start: a b?\na: "x" a | "y"\nb: "y" | a a', "xy", 6),
        ('start: start "+" x | x\nx: x "*" /[0-9]+/ | "1"', "1+*2", 4),
        ('start: pair\npair: "(" pair ")" | pair pair | "a"', "a()", 5),
        ('start: x ("," x)*\n?x: A | B ~ 2\nA: "a".."c"\nB: "d"', "abd,", 4),
        ('start: "a"~2..3 B~1\nB: "b"', "ab", 5),
        ('start: "if"i NAME\nNAME: /[f-i]/i+', "ifIG", 4),
        ('start: NAME NAME\nNAME: /[ab]+/\n%ignore " "', "ab ", 4),
        ('start: "a" x "b"\nx: | "a" x\n%ignore /,+/\n%ignore "-"', "ab,-", 4),
        ('start: /[^"]/ "\\"" /\\n|\\\\/\n', 'ab"\n\\', 3),
        ("start: /./ /./s", "a\n", 3),
        (r"start: /\/(a|b{1,2})/", "/ab", 4),
        ('start: (A | B)+\nA.2: "ab"\nB: "a" | "b"', "ab", 5),
        ('// a comment\nstart: x\n\n   | "b"\n// more\nx: ( "a" )', "ab", 3),
        ('start: x -> one\n     | y -> two\n!x: "a"\n_y: "b"\ny: _y', "ab", 2),
        ('start: a\na: b | "x"\nb: a | "y" a', "xy", 4),
        ('start: "é" | "😀" "é"?', "é😀", 3),
    ],
)
def test_the_same_texts_as_the_package(definition: str, alphabet: str, length: int) -> None:
    """All texts of some length. It tries all ways to divide a text into terminals."""
    theirs = Lark(definition, parser="earley", lexer="dynamic_complete")
    ours = Inputs(definition)
    found = 0
    for size in range(1, length + 1):
        for chars in product(alphabet, repeat=size):
            text = "".join(chars)
            assert ours.has(text) == lark_has(theirs, text), text
            found += ours.has(text)
    assert found


@pytest.mark.parametrize("name", COMMON)
def test_common_terminals(name: str) -> None:
    definition = f"start: {name}\n%import common.{name}"
    theirs = Lark(definition, parser="earley", lexer="dynamic_complete")
    ours = Inputs(definition)
    texts = {
        *("0", "12", "-12", "+3", "1.5", ".5", "5.", "1e9", "-1.5E-3", "e3", "1.e", "1.2e+10"),
        *("a", "F", "g", "aZ", "_a9", "9a", "a b", '""', '"a\\"b"', '"a', '"\\\\"', '"\n"'),
        *(" ", "\t ", "\n", "\r", "\r\n", "\n\r\n", " \n\f", "#a", "# b\n", "//", "//x y", "/x"),
        *("/**/", "/* a * b\n **/", "/* */ */", "/*", "--", "-- sql", "-x"),
    }
    assert {text for text in texts if ours.has(text)} == {
        text for text in texts if lark_has(theirs, text)
    }


def test_patches_of_codex() -> None:
    patches = Inputs(PATCH)
    assert patches.has(EDIT)
    assert patches.has(f"{EDIT}\n")
    assert not patches.has(EDIT.removesuffix("h"))
    assert not patches.has(EDIT.replace("\n+b", "\nb"))


def test_imports_have_other_names_and_lists() -> None:
    inputs = Inputs("start: N WORD\n%import common.INT -> N\n%import common (WORD, WS)\n")
    assert inputs.has("12ab")
    assert not inputs.has("12")


@pytest.mark.parametrize(
    ("definition", "inside", "outside"),
    [
        ("[0-9]+", ["1", "22"], ["", "a1"]),
        ("^a|b$", ["a", "b"], ["ab"]),
        (r'"\\\n"|\t', ['"\\\n"', "\t"], ['"', "t"]),
    ],
)
def test_regular_expressions(definition: str, inside: list[str], outside: list[str]) -> None:
    inputs = Inputs(definition, "regex")
    assert [text for text in inside + outside if inputs.has(text)] == inside


def test_control_characters_are_not_written() -> None:
    """They have no short escape in JSON."""
    inputs = Inputs(r'start: /[\x00-\x20]/ "x"?')
    assert inputs.has("\n")
    assert not inputs.has("\x01")


def test_two_tools_with_grammars() -> None:
    tools = [
        Tool(name=name, strict=True, input_grammar=InputGrammar("lark", f'start: "{name}" start?'))
        for name in ("f", "g")
    ]
    text = answer_grammar(None, tools, required=True, max_calls=1)
    assert text is not None
    language = Language(text)
    free = Language(strict_grammar(tools, parallel=False))
    for name, other in (("f", "g"), ("g", "f")):
        rest = f'"name": "{name}", "arguments": {{"input": "%s"}}}}'
        assert free.matches(rest % name)
        assert not free.matches(rest % other)
        call = f'<tool_call>\n{{"name": "{name}", "arguments": {{"input": "%s"}}}}\n</tool_call>'
        assert language.matches(call % (name * 3))
        assert not language.matches(call % other)


@pytest.mark.parametrize(
    ("definition", "why"),
    [
        ("", "it has no rule `start`"),
        ('begin: "a"', "it has no rule `start`"),
        ("start: x", "uses `x` and does not define it"),
        ("start: X", "uses `X` and does not define it"),
        ('start: "a"\nstart: "b"', "`start` is defined twice (line 2)"),
        ('start: "a" start', "no text of it comes to an end"),
        (r'start: "\x01"', "no text of it comes to an end"),
        ('start: A\nA: "a" A | "b"', "the terminal `A` leads back to itself"),
        ('start: A\nA: "a" x\nx: "b"', "a terminal uses the rule `x` (line 2)"),
        ('start: ("a"', "a `)` is missing"),
        ('start: "a")', "`)` is out of place (line 1)"),
        ('start: "a', "line 1 cannot be read"),
        ('start: "a" ~ 3..2', "out of order (line 1)"),
        ('start: "a"{3000}', "larger than 2000 (line 1)"),
        ('start: "a"~x', "`x` is out of place (line 1)"),
        ('start: "\\q"', r"unknown escape `\q` (line 1"),
        ('start: "ab".."c"', "a range is not between two characters (line 1"),
        ("start: /a(?=b)/", "not regular, at character"),
        ("start: /(/", "a group is not closed"),
        ("start: /a/x", "the flag `x`"),
        ('start{a}: "b"', "cannot be read"),
        ('start: %json {"type": "object"}', "line 1 cannot be read at"),
        ("%import python.NAME\nstart: NAME", "only `common` can be imported (line 1)"),
        ("%import common.NOPE\nstart: NOPE", "`common` has no `NOPE` (line 1)"),
        ('%declare A\nstart: "a"', "`%declare` is not supported (line 1)"),
        ("start: " + "(" * 200 + '"a"' + ")" * 200, "nested deeper than 100"),
    ],
)
def test_what_is_refused(definition: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        input_rules(InputGrammar("lark", definition))
    tool = Tool(name="f", strict=True, input_grammar=InputGrammar("lark", definition))
    with pytest.raises(InvalidRequest, match="Invalid grammar of the tool 'f': "):
        answer_grammar(None, [tool], required=True)
