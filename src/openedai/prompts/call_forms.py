"""The forms in which models write calls: which one a template uses, and a grammar for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from openedai.engines.base import Tool
from openedai.prompts.gbnf import Rules, literal

Form = Literal["hermes", "llama3", "mistral", "mistral_args", "fenced"]
"""The forms in which an answer can be constrained to calls."""


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
    calls = f"{call} ({more})*" if parallel else call
    before, after = (part and literal(part) for part in (layout.before_all, layout.after_all))
    return rules.add("calls", _sequence(before, calls, after))


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
