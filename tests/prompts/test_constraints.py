"""Grammars of whole answers: reasoning, tool calls or a constraint, and refusals."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.contract.chat import Tool
from openedai.contract.generate import Constraint, JsonObject, JsonSchema, Regex
from openedai.contract.generate import Grammar as UserGrammar
from openedai.errors import InvalidRequest
from openedai.prompts.constraints import answer_grammar
from tests.grammars.llguidance_language import Language

YES = Regex(pattern="yes")
TOOL = Tool(name="f", parameters={"type": "object", "properties": {}})
CALL = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'


def grammar(constraint: Constraint | None, *tools: Tool, **options: object) -> Language:
    text = answer_grammar(constraint, tools, **options)  # type: ignore[arg-type]
    assert text is not None
    return Language(text)


CHUNKS = st.lists(st.sampled_from(["<", "</", "</t", "think>", "</think>", "a", "\n"]), max_size=6)


@given(CHUNKS, st.sampled_from(["yes", "\nyes", "\n\nyes", "\n\n\nyes", "no", ""]))
def test_the_constraint_holds_from_the_first_closing_tag_on(chunks: list[str], end: str) -> None:
    text = "".join(chunks) + "</think>" + end
    _, _, answer = text.partition("</think>")
    valid = bool(re.fullmatch(r"\n{0,2}yes", answer))
    assert grammar(YES, reasoning="open").matches(text) == valid
    assert grammar(YES, reasoning="maybe").matches("<think>" + text) == valid


def test_reasoning_is_optional_unless_the_prompt_begins_it() -> None:
    assert grammar(YES, reasoning="maybe").matches("yes")
    assert not grammar(YES, reasoning="open").matches("yes")
    assert not grammar(YES).matches("<think>Hm.</think>yes")


def test_calls_or_the_constraint() -> None:
    both = grammar(YES, TOOL)
    assert both.matches("yes")
    assert both.matches(CALL)
    required = grammar(YES, TOOL, required=True)
    assert required.matches(f"{CALL}\n{CALL}")
    assert not required.matches("yes")
    assert not grammar(None, TOOL, required=True, max_calls=1).matches(f"{CALL}\n{CALL}")


def test_an_unconstrained_answer_has_no_grammar() -> None:
    assert answer_grammar(None) is None
    assert answer_grammar(None, [TOOL]) is None


NOT = JsonSchema(schema={"not": {}})
STRICT = Tool(name="f", parameters={"type": "object", "not": {}}, strict=True)


@pytest.mark.parametrize(
    ("constraint", "tools", "code", "param"),
    [
        (NOT, [], "invalid_json_schema", "response_format"),
        (Regex(pattern="(?=a)b"), [], "invalid_value", "regex"),
        (UserGrammar(gbnf="root ::= other"), [], "invalid_value", "grammar"),
        (UserGrammar(gbnf='root ::= "a"'), [TOOL], "invalid_value", "grammar"),
        (JsonObject(), [STRICT], "invalid_function_parameters", "tools"),
    ],
)
def test_unsupported_constraints_are_refused(
    constraint: Constraint, tools: list[Tool], code: str, param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        answer_grammar(constraint, tools)
    assert (caught.value.code, caught.value.param) == (code, param)
