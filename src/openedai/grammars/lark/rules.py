"""Writing grammars in the Lark notation of llguidance."""

from __future__ import annotations

import json
from collections.abc import Iterable

# Texts that have to come next are not tokenised: the model chooses their tokens.
_OPTIONS = '%llguidance {"no_forcing": true}\n'


class LarkRules:
    """The rules of a grammar."""

    def __init__(self) -> None:
        self._definitions: dict[tuple[str, str], str] = {}
        self._others: list[tuple[str, str]] = []
        self._grammars = 0

    def add(self, body: str, attributes: str = "") -> str:
        """Add a rule and return its name. The same body gives the same rule."""
        return self._definitions.setdefault((body, attributes), f"r{len(self._definitions)}")

    def new_prefix(self) -> str:
        """A prefix that distinguishes the names of one grammar from those of others."""
        self._grammars += 1
        return f"{self._grammars}_"

    def add_grammar(self, definitions: Iterable[tuple[str, str]]) -> None:
        """Add definitions with their own names, which begin with `g` or `T`."""
        self._others += definitions

    def text(self, start: str) -> str:
        """The grammar whose texts are those of the body `start`."""
        lines = [_OPTIONS, f"start: {start}\n"]
        for (body, attributes), name in self._definitions.items():
            lines.append(f"{name}{attributes and f'[{attributes}]'}: {body}\n")
        lines += [f"{name}: {body}\n" for name, body in self._others]
        return "".join(lines)


def literal(text: str) -> str:
    """An item for the text."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")
