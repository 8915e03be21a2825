"""The grammars of constrained answers. What cannot be enforced is refused, naming the parameter."""

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
    """Add rules for a constraint; returns the name of the first. Raises InvalidRequest."""
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
    """The GBNF of a grammar from a request, checked. Raises InvalidRequest."""
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
    """The GBNF of an answer in a conversation; None if the answer is not constrained.

    With `required` the answer is tool calls only, otherwise tool calls or what the constraint
    allows. `parallel` is as in `Chat`. With `reasoning` a block of reasoning may come first:
    "maybe", or "open" if the prompt has begun it. Raises InvalidRequest.
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
    return rules.text(_reasoning_prefix(rules, reasoning) + answer)


def strict_grammar(tools: Sequence[Tool], *, parallel: bool) -> str:
    """The GBNF of the rest of a free answer from where it calls one of these strict tools."""
    rules = Rules()
    root = strict_call_grammar(
        tools, parallel=parallel, rules=rules, arguments=lambda tool: arguments_rule(tool, rules)
    )
    return rules.text(root)


def arguments_rule(tool: Tool, rules: Rules) -> str:
    """Add rules for the arguments of a tool; returns the name of the first.

    A schema that cannot be enforced allows any object, or raises InvalidRequest if the tool is
    strict.
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


def _reasoning_prefix(rules: Rules, reasoning: str | None) -> str:
    """The start of a rule body, for the reasoning before the answer.

    It ends at the first `</think>`, as for `ReasoningSplitter`.
    """
    if reasoning is None:
        return ""
    opened = rules.add("opened", '"<" ("<" | "/<")*')
    inside = f'([^<] | {opened} ([^</] | "/" [^<t]))*'
    text = rules.add("thought", rf'{inside} {opened} "/think>" "\n"{{0,2}}')
    return f"{text} " if reasoning == "open" else f'("<think>" {text})? '
