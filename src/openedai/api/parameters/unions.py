"""Unions in bodies: how a value picks its branch."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Discriminator, Tag

from openedai.http.validation import TAG


def branch(name: str) -> Tag:
    """Marks a branch of a union; errors leave it out of the parameter's name."""
    return Tag(f"{TAG}{name}")


def by_type(*types: str) -> Discriminator:
    """Picks the branch that `type` names, if it is one of `types`, and else `other`."""

    def tag(value: Any) -> str:
        name = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return f"{TAG}{name}" if name in types else f"{TAG}other"

    return Discriminator(tag)


def _json_type(value: Any) -> str:
    if isinstance(value, str):
        return f"{TAG}a string"
    if isinstance(value, list):
        return f"{TAG}an array"
    if isinstance(value, dict | BaseModel):
        return f"{TAG}an object"
    return f"{TAG}something else"


BY_JSON_TYPE = Discriminator(_json_type)
"""Picks the branch `a string`, `an array`, `an object` or `something else`."""
