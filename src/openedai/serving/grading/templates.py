"""Texts with placeholders such as `{{ item.question }}`, which are filled from variables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openedai.errors import invalid_value

NAMESPACES = ("item", "sample")
MAX_LENGTH = 1_000_000  # characters of a filled text

_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_STEP = r"""\.\w+|\[\d+\]|\['[^']*'\]|\["[^"]*"\]"""
_PATH = re.compile(rf"\s*(\w+)((?:{_STEP})*)\s*", re.DOTALL)
_STEPS = re.compile(_STEP, re.DOTALL)


class UnknownVariable(Exception):
    """A placeholder has no value; the argument is its path."""


@dataclass(frozen=True)
class Template:
    """`texts` are the texts between the placeholders, one more than there are `paths`."""

    texts: tuple[str, ...]
    paths: tuple[tuple[str | int, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Raises ValueError for a placeholder that is not a path."""
        parts = _PLACE.split(text)
        return cls(tuple(parts[::2]), tuple(_path(inside) for inside in parts[1::2]))

    def fill(self, variables: Mapping[str, Any]) -> str:
        """The filled text. Values other than texts are written as JSON.

        Raises UnknownVariable, and InvalidRequest for a text that becomes too long.
        """
        filled = [self.texts[0]]
        length = len(self.texts[0])
        for path, text in zip(self.paths, self.texts[1:], strict=True):
            filled += [_as_text(_value(variables, path)), text]
            length += len(filled[-2]) + len(text)
            if length > MAX_LENGTH:
                raise invalid_value("grader", f"a filled text has over {MAX_LENGTH} characters")
        return "".join(filled)


def _path(inside: str) -> tuple[str | int, ...]:
    found = _PATH.fullmatch(inside)
    if found is None or found[1] not in NAMESPACES:
        raise ValueError(f"'{inside.strip()}' is not the path of an `item` or a `sample`")
    return (found[1], *map(_step, _STEPS.findall(found[2])))


def _step(text: str) -> str | int:
    if text.startswith("."):
        return text[1:]
    inside = text[1:-1]
    return int(inside) if inside.isdigit() else inside[1:-1]


def _value(variables: Mapping[str, Any], path: Sequence[str | int]) -> Any:
    value: Any = variables
    for step in path:
        try:
            if isinstance(value, list):
                value = value[int(step)]
            elif isinstance(value, Mapping):
                value = value[str(step)]
            else:
                raise UnknownVariable(path)
        except (LookupError, ValueError):
            raise UnknownVariable(path) from None
    return value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
