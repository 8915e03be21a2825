"""Grammars in GBNF, llama.cpp's notation."""

from __future__ import annotations


class Rules:
    """The rules of one grammar."""

    def __init__(self) -> None:
        self._bodies: dict[str, str] = {}

    def add(self, name: str, body: str) -> str:
        """Add a rule; the name under which it can be referred to."""
        if self._bodies.get(name, body) != body:
            return self.add(name + "-x", body)
        self._bodies[name] = body
        return name

    def text(self, root: str) -> str:
        """The grammar, beginning with the rule `root`."""
        rules = {"root": root, **self._bodies}
        return "".join(f"{name} ::= {body}\n" for name, body in rules.items())


def literal(text: str) -> str:
    """The text as a quoted string of GBNF."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'
