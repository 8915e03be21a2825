"""Constraints of answers: what they allow, and what they refuse."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from random import Random
from string import ascii_letters

import numpy as np
import pytest

from openedai.contract.chat import Tool
from openedai.engines.llama_cpp.native.grammars import Constraint, Grammars, Tokens
from openedai.engines.llama_cpp.native.matcher import Matcher, Tokenizer
from openedai.errors import InvalidRequest
from openedai.prompts.constraints import strict_grammar
from openedai.prompts.tool_call_formats import strict_call_trigger
from tests.grammars.llguidance_language import BYTES, lark_of

WORDS = [b"{", b"}", b"ab", b"abc", b"abcd", b'"', b'"name"', b'": ', b"\xf0\x9f", b"\x98\x80"]
# After the bytes some words, then tokens without text, two of which end answers.
TOKENS = Tokens([*BYTES.pieces[1:], *WORDS, b"", b"", b""], [266, 268])

# Each of its characters may be any of very many places in the grammar.
COMPLEX = f"({' | '.join(f'.* [{char}] .{{{ord(char)}}}' for char in ascii_letters)})*"


@pytest.fixture(scope="module")
def grammars() -> Grammars:
    return Grammars(lambda: TOKENS)


@pytest.fixture
def tools() -> list[Tool]:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    return [Tool(name="look_up", description="", strict=True, parameters=schema)]


def allowed(constraint: Constraint) -> set[int]:
    """The tokens that the mask leaves, which are those that are allowed one by one."""
    logits = np.ones(len(TOKENS.pieces), np.float32)
    constraint.mask(logits.ctypes.data)
    assert set(np.unique(logits)) <= {1, -np.inf}
    found = {int(token) for token in np.flatnonzero(logits == 1)}
    assert found == {token for token in range(len(logits)) if constraint.allows(token)}
    return found


def texts(tokens: set[int]) -> set[bytes]:
    return {TOKENS.pieces[token] for token in tokens}


def accept(constraint: Constraint, text: bytes) -> None:
    for byte in text:
        assert constraint.accept(byte)


def write(constraint: Constraint, random: Random) -> None:
    """Some random tokens of the grammar."""
    logits = np.zeros(len(TOKENS.pieces), np.float32)
    for _ in range(50):
        constraint.mask(logits.ctypes.data)
        choices = {int(token) for token in np.flatnonzero(logits == 0)} - {*TOKENS.ends}
        if not choices:
            break
        assert constraint.accept(random.choice(sorted(choices)))
        logits[:] = 0


def test_tokens_that_span_parts_of_the_grammar(grammars: Grammars) -> None:
    constraint = grammars.compile(lark_of('root ::= "a" [b-c]+ "d"?'), param="grammar")
    assert texts(allowed(constraint)) == {b"a", b"ab", b"abc", b"abcd"}
    assert constraint.accept(TOKENS.pieces.index(b"abc"))
    assert texts(allowed(constraint)) == {b"b", b"c", b"d", b""}
    assert not constraint.ended
    assert constraint.accept(ord("d"))
    assert constraint.ended
    assert allowed(constraint) == {*TOKENS.ends}
    assert constraint.accept(TOKENS.ends[1])


def test_a_token_that_may_not_come_changes_nothing(grammars: Grammars) -> None:
    constraint = grammars.compile(lark_of('root ::= "(" root ")" | "ab"'), param="grammar")
    for wrong in (*TOKENS.ends, 267, ord("a") + 1, TOKENS.pieces.index(b"abc")):
        assert not constraint.accept(wrong)
    accept(constraint, b"((ab")
    assert not constraint.accept(TOKENS.ends[0])
    accept(constraint, b"))")
    assert constraint.ended
    assert not constraint.accept(ord(")"))


def test_characters_of_several_tokens(grammars: Grammars) -> None:
    constraint = grammars.compile(lark_of("root ::= [\\U0001F600-\\U0001F602]"), param="grammar")
    assert texts(allowed(constraint)) == {b"\xf0", b"\xf0\x9f"}
    assert constraint.accept(TOKENS.pieces.index(b"\xf0\x9f"))
    assert texts(allowed(constraint)) == {b"\x98", b"\x98\x80"}
    accept(constraint, b"\x98\x82")
    assert constraint.ended


def test_a_strict_tool_constrains_from_its_call_on(grammars: Grammars, tools: list[Tool]) -> None:
    grammar, trigger = strict_grammar(tools, parallel=False), strict_call_trigger(tools)
    constraint = grammars.compile(grammar, param="tools", trigger=trigger)
    everything = {*range(len(TOKENS.pieces))}
    accept(constraint, '{"name": "other", "arguments": "é'.encode())
    assert allowed(constraint) == everything
    accept(constraint, b'{"name": "look_up", "argument')
    assert allowed(constraint) == everything
    assert not constraint.ended
    accept(constraint, b"s")
    assert texts(allowed(constraint)) == {b'"', b'": '}
    accept(constraint, b'": {"a": 1}}')
    assert TOKENS.ends[0] in allowed(constraint)
    assert b'"' not in texts(allowed(constraint))


def test_a_token_that_calls_a_strict_tool_with_something_else(tools: list[Tool]) -> None:
    tokens = Tokens([*TOKENS.pieces, b's": [', b's": {'], TOKENS.ends)
    grammars = Grammars(lambda: tokens)
    grammar, trigger = strict_grammar(tools, parallel=False), strict_call_trigger(tools)
    constraint = grammars.compile(grammar, param="tools", trigger=trigger)
    accept(constraint, b'{"name": "look_up", "argument')
    assert not constraint.accept(len(TOKENS.pieces))
    assert constraint.accept(len(TOKENS.pieces) + 1)
    assert constraint.allows(ord('"'))
    assert not constraint.allows(ord("["))


def test_errors_name_the_parameter(grammars: Grammars) -> None:
    with pytest.raises(
        InvalidRequest, match="Invalid 'regex': the grammar is too complex"
    ) as wrong:
        grammars.compile(lark_of(doubled('"a"')), param="regex")
    assert wrong.value.param == "regex"


def doubled(last: str) -> str:
    """A text that is longer than any memory."""
    rules = "".join(f"r{number} ::= r{number + 1} r{number + 1}\n" for number in range(60))
    return f"root ::= r0 root?\n{rules}r60 ::= {last}\n"


@pytest.mark.parametrize(
    "gbnf",
    [
        f'root ::= {"x " * 40}\nx ::= "a"? "b"? "c"? | "a"? "b"?',
        f"root ::= {COMPLEX}",
        'root ::= "a" root "b" | "a"',
        'root ::= "(" root ")" | s+\ns ::= [a-z]+ | [a-z] s | "x" root "y"',
        f"root ::= {'(' * 100}[ab]{')*' * 100}",
        f'root ::= "{"é" * 30_000}" root | "b"',
        f'root ::= "{"a" * 1_000_000}"',
        " | ".join(f'"v{number}x"' for number in range(1000)).join(("root ::= ", ' | "(" root')),
        "root ::= r{2000} | root2\nr ::= s{2000}\ns ::= [ab]{2000}\nroot2 ::= [a]{2000} root2 | r",
        doubled('"a"'),
        doubled('"a"?'),
        'root ::= "\\x00"',
        "root ::= [^\\U00000000-\\U0010FFFF]",
        "root ::= <[1]> <think>",
    ],
    ids=lambda gbnf: gbnf[:30],
)
def test_no_grammar_ends_in_a_crash(grammars: Grammars, gbnf: str) -> None:
    try:
        constraint = grammars.compile(lark_of(gbnf), param="grammar")
    except (InvalidRequest, ValueError):
        return
    with suppress(InvalidRequest):
        write(constraint, Random(0))


def test_tokens_that_do_not_exist() -> None:
    grammars = Grammars(lambda: Tokens([b"a", b""], [1]))
    constraint = grammars.compile(lark_of('root ::= "a" "b"'), param="tools")
    assert constraint.accept(0)
    with pytest.raises(InvalidRequest, match="Invalid 'tools': no token may come next"):
        constraint.mask(np.zeros(2, np.float32).ctypes.data)


def test_vocabularies_without_an_end() -> None:
    grammars = Grammars(lambda: Tokens([b"a", b"b"], []))
    constraint = grammars.compile(lark_of('root ::= "a" "b"?'), param="grammar")
    logits = np.zeros(2, np.float32)
    assert constraint.accept(0)
    constraint.mask(logits.ctypes.data)
    assert logits.tolist() == [-np.inf, 0]
    assert constraint.accept(1)
    assert constraint.ended


def test_long_answers_of_many_states() -> None:
    random = Random(0)
    words = ["".join(chars).encode() for chars in product("ab", repeat=8)]
    tokenizer = Tokenizer([*words, b""], [len(words)], limits={"max_lexer_states": 4000})
    matcher = Matcher(tokenizer, 'start: T\nT: /[ab]/* "a" /[ab]/{300}\n')
    for _ in range(60):
        assert matcher.mask().tobytes()[:32] == b"\xff" * 32
        matcher.consume([random.randrange(len(words))])
