"""The forms in which models write calls: which one a template uses, and a grammar for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from openedai.contract.chat import Tool
from openedai.grammars.gbnf import Rules, literal

Form = Literal["hermes", "llama3", "mistral", "mistral_args", "fenced"]
"""The forms in which an answer can be constrained to calls."""

OWN_FORM: Form = "hermes"
"""The form in which models without one of their own are asked to call."""


MAX_CALLS = 16
"""A small model would call for ever."""


class _Layout(Struct, frozen=True):
    """What stands around all calls, around each, between them, and in front of the arguments."""

    before_all: str = ""
    before: str = ""
    name: str = '{{"name": "{}",'
    arguments: str = '"arguments":'
    after: str = "}"
    between: str = "\n"
    after_all: str = ""


_LAYOUTS: dict[Form, _Layout] = {
    "hermes": _Layout(before="<tool_call>\n", after="}\n</tool_call>"),
    "llama3": _Layout(arguments='"parameters":', between="; "),
    "mistral": _Layout(before_all="[TOOL_CALLS][", between=", ", after_all="]"),
    "mistral_args": _Layout(
        before="[TOOL_CALLS]", name="{}[ARGS]", arguments="", after="", between=""
    ),
    "fenced": _Layout(before="```json\n", after="}\n```"),
}

_NATIVE = (
    ("mistral_args", r"\[TOOL_CALLS\]\s*probe_function(\[CALL_ID\]\w*)?\[ARGS\]"),
    ("mistral", r'\[TOOL_CALLS\]\s*\[\s*\{[^\]]*"probe_function"'),
    ("qwen3_xml", r"<function=probe_function>\s*<parameter=probe_key>"),
    ("llama_function", r"<function=probe_function>\s*\{"),
    ("deepseek", r"<｜tool▁call▁begin｜>probe_function<｜tool▁sep｜>\s*\{"),
    ("hermes", r'<tool_call>\s*\{[^<]*"probe_function"'),
    ("fenced", r'```(json)?\s*[\[{][^`]*"probe_function"'),
    ("llama3", r'"name":\s*"probe_function",\s*"parameters":\s*\{'),
)


def constrainable(form: str) -> Form | None:
    """The same form, if there is a grammar for it."""
    return next((known for known in _LAYOUTS if known == form), None)


def native_form(sample: str) -> str | None:
    """The form in which a model's template rendered a call; None if it is none of those known.

    `sample` has a call of `probe_function` with the arguments `{"probe_key": "probe_value"}`.
    """
    return next((form for form, pattern in _NATIVE if re.search(pattern, sample)), None)


def call_grammar(
    tools: Sequence[Tool],
    form: Form,
    *,
    parallel: bool,
    rules: Rules,
    arguments: Callable[[Tool], str],
) -> str:
    """Add the rules for one call of the tools, or with `parallel` for one and more.

    `arguments` gives the name of the rule for a tool's arguments, which are an object. Returns
    the name of the rule for the whole answer.
    """
    layout = _LAYOUTS[form]
    space = rules.add("call-space", r'(" " | "\n" " "{0,8})?')
    choices = [_one(layout, tool.name, arguments(tool), space) for tool in tools]
    call = rules.add("call", " | ".join(choices))
    more = _sequence(layout.between and literal(layout.between), call)
    calls = f"{call} ({more}){{0,{MAX_CALLS - 1}}}" if parallel else call
    before, after = (part and literal(part) for part in (layout.before_all, layout.after_all))
    return rules.add("calls", _sequence(before, calls, after))


def strict_call_trigger(tools: Sequence[Tool]) -> str:
    """A regular expression for where a call of a tool has got to its arguments, in any form with
    a name and arguments as fields; its group is what `strict_call_grammar` begins with.

    It ends inside of the key, where tokens end: one that went on into a wrong value could not be
    taken back.
    """
    names = "|".join(tool.name for tool in tools)
    return rf'("name"\s*:\s*"(?:{names})"\s*,\s*"(?:arguments|parameters))'


def strict_call_grammar(
    tools: Sequence[Tool], *, parallel: bool, rules: Rules, arguments: Callable[[Tool], str]
) -> str:
    """Add the rules for what follows from the name of a call on: its arguments, and at most, with
    `parallel`, more such calls. Returns the name of the rule.
    """
    space = rules.add("call-space", r'(" " | "\n" " "{0,8})?')
    key = '("\\"arguments\\"" | "\\"parameters\\"")'
    call = rules.declare("strict-call")
    fields = [
        f'"\\"name\\"" {space} ":" {space} {literal(_quoted(tool.name))} {space} "," {space} '
        f'{key} {space} ":" {space} {arguments(tool)} {space} "}}"'
        for tool in tools
    ]
    closing = rules.add("call-closing", f'({space} ("</tool_call>" | "```" | "]")){{0,2}}')
    opening = '("<tool_call>" | "```json" | "," | ";")?'
    more = f'({space} {opening} {space} "{{" {space} {call})?' if parallel else ""
    rules.define(call, f"({' | '.join(fields)}) {closing} {more} {space}")
    return call


def _quoted(name: str) -> str:
    return f'"{name}"'


def _one(layout: _Layout, name: str, arguments: str, space: str) -> str:
    """The body of a rule for a call of one tool."""
    opening = literal(layout.before + layout.name.format(name))
    if not layout.arguments:
        return _sequence(opening, arguments)
    return _sequence(
        opening, space, literal(layout.arguments), space, arguments, literal(layout.after)
    )


def _sequence(*parts: str) -> str:
    return " ".join(part for part in parts if part)
