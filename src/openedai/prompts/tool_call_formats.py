"""The formats in which models write tool calls, which of them a template uses, and their
grammars.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from openedai.contract.chat import Tool
from openedai.grammars.lark.rules import LarkRules, literal

ToolCallFormat = Literal["hermes", "llama3", "mistral", "mistral_args", "fenced"]
"""The formats for which there is a grammar."""

DEFAULT_FORMAT: ToolCallFormat = "hermes"
"""The format that models without a native one are instructed to use."""

MAX_CALLS = 16
"""The most calls in an answer, by default: small models would not stop."""


class _Layout(Struct, frozen=True):
    """The text around all calls, around each call, between calls, and before the arguments."""

    before_all: str = ""
    before: str = ""
    name: str = '{{"name": "{}",'
    arguments: str = '"arguments":'
    after: str = "}"
    between: str = "\n"
    after_all: str = ""


SPACE = r"(/ |\n {0,8}/)?"
"""A rule body for the whitespace that may stand between parts of JSON."""

_LAYOUTS: dict[ToolCallFormat, _Layout] = {
    "hermes": _Layout(before="<tool_call>\n", after="}\n</tool_call>"),
    "llama3": _Layout(arguments='"parameters":', between="; "),
    "mistral": _Layout(before_all="[TOOL_CALLS][", between=", ", after_all="]"),
    "mistral_args": _Layout(
        before="[TOOL_CALLS]", name="{}[ARGS]", arguments="", after="", between=""
    ),
    "fenced": _Layout(before="```json\n", after="}\n```"),
}

# The first pattern that is found in a rendered call decides.
_NATIVE_PATTERNS = (
    ("mistral_args", r"\[TOOL_CALLS\]\s*probe_function(\[CALL_ID\]\w*)?\[ARGS\]"),
    ("mistral", r'\[TOOL_CALLS\]\s*\[\s*\{[^\]]*"probe_function"'),
    ("qwen3_xml", r"<function=probe_function>\s*<parameter=probe_key>"),
    ("llama_function", r"<function=probe_function>\s*\{"),
    ("deepseek", r"<｜tool▁call▁begin｜>probe_function<｜tool▁sep｜>\s*\{"),
    ("hermes", r'<tool_call>\s*\{[^<]*"probe_function"'),
    ("fenced", r'```(json)?\s*[\[{][^`]*"probe_function"'),
    ("llama3", r'"name":\s*"probe_function",\s*"parameters":\s*\{'),
)


def format_with_grammar(native_format: str) -> ToolCallFormat | None:
    """This format if there is a grammar for it, otherwise None."""
    return next((known for known in _LAYOUTS if known == native_format), None)


def detect_native_format(sample: str) -> str | None:
    """The format in which a model's template rendered a call; None if it is not a known one.

    `sample` has a call of `probe_function` with the arguments `{"probe_key": "probe_value"}`. Some
    known formats have no grammar: see `format_with_grammar`.
    """
    return next((name for name, pattern in _NATIVE_PATTERNS if re.search(pattern, sample)), None)


def call_grammar(
    tools: Sequence[Tool],
    tool_call_format: ToolCallFormat,
    *,
    max_calls: int,
    rules: LarkRules,
    arguments: Callable[[Tool], str],
) -> str:
    """Add the rules for an answer that is 1 to `max_calls` calls of the tools.

    `arguments` returns the name of the rule for the arguments of a tool, a JSON object. Returns
    the name of the rule for the whole answer.
    """
    layout = _LAYOUTS[tool_call_format]
    space = rules.add(SPACE)
    choices = [_call_body(layout, tool.name, arguments(tool), space) for tool in tools]
    call = rules.add(" | ".join(choices))
    more = _join(layout.between and literal(layout.between), call)
    calls = f"{call} ({more}){{0,{max_calls - 1}}}" if max_calls > 1 else call
    before, after = (part and literal(part) for part in (layout.before_all, layout.after_all))
    return rules.add(_join(before, calls, after))


def strict_call_trigger(tools: Sequence[Tool]) -> str:
    """A regular expression that matches a call of a tool up to its arguments, in any format that
    has the name and the arguments as fields. Its group is where `strict_call_grammar` begins.

    It ends inside the key, where tokens end: a token that continued into a wrong value could not
    be taken back.
    """
    names = "|".join(tool.name for tool in tools)
    return rf'("name"\s*:\s*"(?:{names})"\s*,\s*"(?:arguments|parameters))'


def strict_call_grammar(
    tools: Sequence[Tool], *, parallel: bool, rules: LarkRules, arguments: Callable[[Tool], str]
) -> str:
    """Add the rules for the rest of an answer from the name of a call on: the arguments and, with
    `parallel`, any further calls. Returns the name of the rule.
    """
    space = rules.add(SPACE)
    key = '("\\"arguments\\"" | "\\"parameters\\"")'
    fields = [
        f'"\\"name\\"" {space} ":" {space} {literal(_quoted(tool.name))} {space} "," {space} '
        f'{key} {space} ":" {space} {arguments(tool)} {space} "}}"'
        for tool in tools
    ]
    closing = rules.add(f'({space} ("</tool_call>" | "```" | "]")){{0,2}}')
    opening = '("<tool_call>" | "```json" | "," | ";")?'
    call = rules.add(f"({' | '.join(fields)}) {closing}")
    more = f'({space} {opening} {space} "{{" {space} {call})*' if parallel else ""
    return rules.add(_join(call, more, space))


def _quoted(name: str) -> str:
    return f'"{name}"'


def _call_body(layout: _Layout, name: str, arguments: str, space: str) -> str:
    """The rule body for a call of one tool."""
    opening = literal(layout.before + layout.name.format(name))
    if not layout.arguments:
        return _join(opening, arguments)
    return _join(opening, space, literal(layout.arguments), space, arguments, literal(layout.after))


def _join(*parts: str) -> str:
    """A rule body: the parts that are not empty, one after the other."""
    return " ".join(part for part in parts if part)
