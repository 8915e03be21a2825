"""Custom tools, whose input is one text, as functions for the model."""

from __future__ import annotations

from typing import Any

from openedai.contract.chat import InputGrammar, Tool


def custom_tool(name: str, description: str, grammar: InputGrammar | None, *, strict: bool) -> Tool:
    """A function with the argument `input`. Its description tells the model about the grammar.

    With `strict` the model's engine enforces it; otherwise it gets a regular expression at most.
    """
    text: dict[str, Any] = {"type": "string"}
    if grammar is not None:
        description += (
            f"\n\nIts input has the form of this grammar ({grammar.syntax}):\n{grammar.definition}"
        )
    is_regex = grammar is not None and grammar.syntax == "regex"
    if grammar is not None and is_regex:
        text["pattern"] = f"^(?:{grammar.definition})$"
    parameters = {
        "type": "object",
        "properties": {"input": text},
        "required": ["input"],
        "additionalProperties": False,
    }
    return Tool(
        name=name,
        description=description.strip(),
        parameters=parameters,
        strict=strict or is_regex,
        input_grammar=grammar if strict else None,
    )
