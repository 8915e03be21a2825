"""What an answer must follow, as a grammar. What cannot be enforced is refused, with the field."""

from __future__ import annotations

from collections.abc import Sequence

from openedai.contract.chat import Tool
from openedai.contract.generate import Constraint, Grammar, JsonObject, JsonSchema, Regex
from openedai.errors import PARAM, InvalidRequest
from openedai.grammars.gbnf import Rules
from openedai.grammars.gbnf_check import check_gbnf
from openedai.grammars.json_schema.schema import UnsupportedSchema, json_object, json_schema
from openedai.grammars.regex import UnsupportedPattern, regex
from openedai.prompts.tool_call_formats import (
    DEFAULT_FORMAT,
    ToolCallFormat,
    call_grammar,
    strict_call_grammar,
)


def constraint_rule(constraint: JsonObject | JsonSchema | Regex, rules: Rules) -> str:
    """Add the rules of a constraint and return the name of the first. Raises InvalidRequest."""
    try:
        match constraint:
            case JsonObject():
                return json_object(rules)
            case JsonSchema(schema=schema):
                return json_schema(schema, rules)
            case Regex(pattern=pattern):
                return regex(pattern, rules)
    except UnsupportedSchema as error:
        raise InvalidRequest(
            f"Invalid schema for '{PARAM}': {error}",
            code="invalid_json_schema",
            param="response_format",
        ) from error
    except UnsupportedPattern as error:
        raise InvalidRequest(
            f"Invalid 'regex': {error}", code="invalid_value", param="regex"
        ) from error


def user_grammar(grammar: Grammar) -> str:
    """The text of a grammar that came with a request, once it is known to do no harm."""
    try:
        check_gbnf(grammar.gbnf)
    except ValueError as error:
        raise InvalidRequest(
            f"Invalid 'grammar': {error}", code="invalid_value", param="grammar"
        ) from error
    return grammar.gbnf


def answer_grammar(
    constraint: Constraint | None,
    tools: Sequence[Tool] = (),
    *,
    required: bool = False,
    parallel: bool = True,
    tool_call_format: ToolCallFormat = DEFAULT_FORMAT,
    reasoning: str | None = None,
) -> str | None:
    """The grammar of an answer in a conversation; None if it is free.

    `required`: calls and nothing else. Otherwise calls or what the constraint says. With
    `reasoning` there may be a block of reasoning first: "maybe", or "open" if the prompt began it.
    Raises InvalidRequest.
    """
    if isinstance(constraint, Grammar):
        if tools:
            raise InvalidRequest(
                "'grammar' cannot be set beside tools.", code="invalid_value", param="grammar"
            )
        return user_grammar(constraint)
    rules = Rules()
    options = []
    if tools and (required or constraint is not None):
        options.append(
            call_grammar(
                tools,
                tool_call_format,
                parallel=parallel,
                rules=rules,
                arguments=lambda tool: arguments_rule(tool, rules),
            )
        )
    if constraint is not None and not required:
        options.append(constraint_rule(constraint, rules))
    if not options:
        return None
    answer = f"({' | '.join(options)})"
    return rules.text(_thinking(rules, reasoning) + answer)


def strict_grammar(tools: Sequence[Tool], *, parallel: bool) -> str:
    """The grammar of free answers from where they call one of these strict tools."""
    rules = Rules()
    root = strict_call_grammar(
        tools, parallel=parallel, rules=rules, arguments=lambda tool: arguments_rule(tool, rules)
    )
    return rules.text(root)


def arguments_rule(tool: Tool, rules: Rules) -> str:
    """Add the rules of a tool's arguments; any object where nothing was promised.

    Raises InvalidRequest for a strict tool whose schema cannot be enforced.
    """
    try:
        return json_schema(tool.parameters or {"type": "object", "properties": {}}, rules)
    except UnsupportedSchema as error:
        if not tool.strict:
            return json_object(rules)
        raise InvalidRequest(
            f"Invalid schema for function '{tool.name}': {error}",
            code="invalid_function_parameters",
            param="tools",
        ) from error


def _thinking(rules: Rules, reasoning: str | None) -> str:
    """What may come before the answer, as the beginning of a rule: all up to the first `</think>`,
    where the answer begins for those who read it.
    """
    if reasoning is None:
        return ""
    thought, opened, closed = (rules.declare(name) for name in ("thought", "opened", "closed"))
    end = '"think>" "\\n"{0,2}'
    rules.define(thought, f'[^<] {thought} | "<" {opened}')
    rules.define(opened, f'"<" {opened} | "/" {closed} | [^</] {thought}')
    rules.define(closed, f'"<" {opened} | [^<t] {thought} | {end}')
    return f"{thought} " if reasoning == "open" else f'("<think>" {thought})? '
