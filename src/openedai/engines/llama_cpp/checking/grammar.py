"""Checks the grammars of requests with llguidance. Runs in a process that any of them may end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from msgspec.structs import replace

from openedai.contract.chat import Tool
from openedai.contract.generate import Constraint
from openedai.contract.struct import Struct
from openedai.engines.llama_cpp.native.matcher import Matcher, MatcherFailed, Tokenizer
from openedai.grammars.lark.rules import LarkRules
from openedai.prompts.constraints import (
    answer_grammar,
    arguments_rule,
    invalid_constraint,
    invalid_parameters,
    strict_grammar,
)
from openedai.prompts.tool_call_formats import DEFAULT_FORMAT, MAX_CALLS, ToolCallFormat

_STEPS = 3
_BYTES = 256
_LONGEST_REASON = 300  # characters


class GrammarSpec(Struct, frozen=True):
    """The parameters of `answer_grammar`; or, if `from_call`, of `strict_grammar`."""

    constraint: Constraint | None = None
    tools: tuple[Tool, ...] = ()
    required: bool = False
    max_calls: int = MAX_CALLS
    tool_call_format: ToolCallFormat = DEFAULT_FORMAT
    reasoning: str | None = None
    from_call: bool = False


class GrammarWriter:
    """Writes grammars that llguidance accepts."""

    def __init__(self) -> None:
        self._tokenizer = Tokenizer([*(bytes([byte]) for byte in range(_BYTES)), b""], [_BYTES])

    def write(self, spec: GrammarSpec) -> str:
        """The grammar in Lark. A tool that is not strict, and whose schema cannot be enforced, gets
        any object as arguments. Raises InvalidRequest.
        """
        text = _text(spec)
        why = self._fault(text)
        if why is None:
            return text
        tools = tuple(self._enforceable(spec.tools))
        if tools != spec.tools:
            text = _text(replace(spec, tools=tools))
            why = self._fault(text)
        if why is None:
            return text
        raise invalid_constraint(spec.constraint, why)

    def _enforceable(self, tools: tuple[Tool, ...]) -> Iterator[Tool]:
        for tool in tools:
            rules = LarkRules()
            why = self._fault(rules.text(arguments_rule(tool, rules)))
            if why is not None and tool.strict:
                raise invalid_parameters(tool, why)
            yield tool if why is None else replace(tool, parameters={"type": "object"})

    def _fault(self, lark: str) -> str | None:
        """Why a grammar cannot be enforced; None if it can."""
        try:
            matcher = Matcher(self._tokenizer, lark)
            for _ in range(_STEPS):
                allowed = _first_token(matcher)
                if allowed is None:
                    break
                matcher.consume([allowed])
        except MatcherFailed as error:
            return _reason(str(error))
        return None


def _first_token(matcher: Matcher) -> int | None:
    """The first byte that may come next."""
    for index, word in enumerate(matcher.mask().tolist()):
        if word and index < _BYTES // 32:
            return index * 32 + int(word & -word).bit_length() - 1
    return None


def _text(spec: GrammarSpec) -> str:
    if spec.from_call:
        return strict_grammar(spec.tools, parallel=spec.max_calls > 1)
    text = answer_grammar(
        spec.constraint,
        spec.tools,
        required=spec.required,
        max_calls=spec.max_calls,
        tool_call_format=spec.tool_call_format,
        reasoning=spec.reasoning,
    )
    assert text is not None
    return text


def _reason(error: str) -> str:
    """What llguidance says, without the position in the grammar that we wrote."""
    first = error.split("\n")[0]
    with suppress(ValueError):
        return first[first.index("JSON schema: ") + 13 :][:_LONGEST_REASON]
    if "NoExtensionBias" in error:
        return "no text is allowed"
    return "the grammar is too complex"
