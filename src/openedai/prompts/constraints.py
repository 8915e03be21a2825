"""The grammars of constrained answers. What cannot be enforced is refused with an error that names
the parameter.
"""

from __future__ import annotations

from collections.abc import Sequence

from openedai.contract.chat import InputGrammar, Tool
from openedai.contract.generate import Constraint, Grammar, JsonObject, JsonSchema, Regex
from openedai.errors import PARAM, InvalidRequest
from openedai.grammars.gbnf import Rules
from openedai.grammars.gbnf_parser import Body
from openedai.grammars.json_schema.schema import ANY_OBJECT, UnsupportedSchema, lark_json
from openedai.grammars.lark.rules import LarkRules
from openedai.grammars.lark.writer import add_gbnf, add_parsed
from openedai.grammars.lark_reader.json_string import as_json_strings
from openedai.grammars.lark_reader.parser import START, parse_lark
from openedai.grammars.lark_reader.terminals import pattern
from openedai.grammars.regex import UnsupportedPattern, regex
from openedai.prompts.tool_call_formats import (
    DEFAULT_FORMAT,
    MAX_CALLS,
    SPACE,
    ToolCallFormat,
    call_grammar,
    strict_call_grammar,
)

_NO_ARGUMENTS = {"type": "object", "properties": {}}


def regex_grammar(pattern: str) -> str:
    """The GBNF of a pattern. Raises InvalidRequest."""
    rules = Rules()
    try:
        return rules.text(regex(pattern, rules))
    except UnsupportedPattern as error:
        raise InvalidRequest(
            f"Invalid 'regex': {error}", code="invalid_value", param="regex"
        ) from error


def answer_grammar(
    constraint: Constraint | None,
    tools: Sequence[Tool] = (),
    *,
    required: bool = False,
    max_calls: int = MAX_CALLS,
    tool_call_format: ToolCallFormat = DEFAULT_FORMAT,
    reasoning: str | None = None,
) -> str | None:
    """The grammar of an answer in a conversation, in the Lark of llguidance; None if the answer is
    not constrained.

    With `required` the answer is tool calls only, otherwise tool calls or what the constraint
    allows; at most `max_calls` of them. With `reasoning` a block of reasoning may come first:
    "maybe", or "open" if the prompt has begun it. Raises InvalidRequest.
    """
    if isinstance(constraint, Grammar):
        if tools:
            raise InvalidRequest(
                "'grammar' cannot be set beside tools.", code="invalid_value", param="grammar"
            )
        reasoning = None
    rules = LarkRules()
    options = []
    if tools and (required or constraint is not None):
        options.append(
            call_grammar(
                tools,
                tool_call_format,
                max_calls=max_calls,
                rules=rules,
                arguments=lambda tool: arguments_rule(tool, rules),
            )
        )
    if constraint is not None and not required:
        options.append(_constraint_rule(constraint, rules))
    if not options:
        return None
    return rules.text(f"{_reasoning_prefix(rules, reasoning)}({' | '.join(options)})")


def strict_grammar(tools: Sequence[Tool], *, parallel: bool) -> str:
    """The grammar of the rest of a free answer, from the point where it calls one of these strict
    tools.
    """
    rules = LarkRules()
    root = strict_call_grammar(
        tools, parallel=parallel, rules=rules, arguments=lambda tool: arguments_rule(tool, rules)
    )
    return rules.text(root)


def arguments_rule(tool: Tool, rules: LarkRules) -> str:
    """Add a rule for the arguments of a tool; returns its name.

    A schema that cannot be enforced allows any object, or raises InvalidRequest if the tool is
    strict.
    """
    if tool.strict and tool.input_grammar is not None:
        return _input_rule(tool, tool.input_grammar, rules)
    try:
        item = lark_json(_NO_ARGUMENTS if tool.parameters is None else tool.parameters)
    except UnsupportedSchema as error:
        if not tool.strict:
            return rules.add(lark_json(ANY_OBJECT))
        raise invalid_parameters(tool, str(error)) from error
    return rules.add(item)


def _input_rule(tool: Tool, grammar: InputGrammar, rules: LarkRules) -> str:
    """Add a rule for an object whose only member, `input`, is a text of the grammar."""
    try:
        text = add_parsed(input_rules(grammar), rules)
    except ValueError as error:
        raise InvalidRequest(
            f"Invalid grammar of the tool '{tool.name}': {error}",
            code="invalid_value",
            param="tools",
        ) from error
    space = rules.add(SPACE)
    return rules.add(f'"{{" {space} "\\"input\\"" {space} ":" {space} {text} {space} "}}"')


def input_rules(grammar: InputGrammar) -> dict[str, Body]:
    """The rules for the texts of a grammar as JSON strings, in quotes; the start is `root`.

    Raises ValueError, worded for the author of the grammar.
    """
    try:
        if grammar.syntax == "regex":
            return as_json_strings({START: pattern(grammar.definition, "")})
        return as_json_strings(parse_lark(grammar.definition))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def invalid_parameters(tool: Tool, why: str) -> InvalidRequest:
    """The error for a schema of a tool's arguments."""
    return InvalidRequest(
        f"Invalid schema for function '{tool.name}': {why}",
        code="invalid_function_parameters",
        param="tools",
    )


def invalid_constraint(constraint: Constraint | None, why: str) -> InvalidRequest:
    """The error for a constraint that cannot be enforced; without one, the tools cannot be."""
    match constraint:
        case JsonObject() | JsonSchema():
            return InvalidRequest(
                f"Invalid schema for '{PARAM}': {why}",
                code="invalid_json_schema",
                param="response_format",
            )
        case Grammar():
            param = "grammar"
        case Regex():
            param = "regex"
        case None:
            param = "tools"
    return InvalidRequest(f"Invalid '{PARAM}': {why}", code="invalid_value", param=param)


def _constraint_rule(constraint: Constraint, rules: LarkRules) -> str:
    """Add rules for a constraint; returns the name of the first. Raises InvalidRequest."""
    try:
        match constraint:
            case JsonObject():
                return rules.add(lark_json(ANY_OBJECT))
            case JsonSchema(schema=schema):
                return rules.add(lark_json(schema))
            case Regex(pattern=pattern):
                return add_gbnf(regex_grammar(pattern), rules)
            case Grammar(gbnf=gbnf):
                return add_gbnf(gbnf, rules)
    except UnsupportedSchema as error:
        raise invalid_constraint(constraint, str(error)) from error
    except ValueError as error:
        raise _invalid_grammar(error) from error


def _invalid_grammar(error: ValueError) -> InvalidRequest:
    return InvalidRequest(f"Invalid 'grammar': {error}", code="invalid_value", param="grammar")


def _reasoning_prefix(rules: LarkRules, reasoning: str | None) -> str:
    """The start of a rule body, for the reasoning before the answer.

    It ends at the first `</think>`, as for `ReasoningSplitter`.
    """
    if reasoning is None:
        return ""
    thought = rules.add("/(?s:.*)/", 'suffix="</think>"')
    text = rules.add(rf'{thought} "\n"? "\n"?')
    return f"{text} " if reasoning == "open" else f'("<think>" {text})? '
