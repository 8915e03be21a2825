"""Unions in bodies: how a value picks its branch."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, Discriminator, GetCoreSchemaHandler, Tag
from pydantic_core import CoreSchema

from openedai.http.validation import TAG


def branch(name: str) -> Tag:
    """Marks a branch of a union; errors leave it out of the parameter's name."""
    return Tag(f"{TAG}{name}")


class ByType:
    """Marks a union of bodies: a value's `type` picks the body that allows this `type`.

    The last body of the union gets all other values, so that its error lists the known types.
    `type_of` returns the type of a value that has none.
    """

    def __init__(self, type_of: Callable[[Any], str | None] = lambda value: None) -> None:
        self._type_of = type_of

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        *known, other = get_args(source)
        names = {name: body.__name__ for body in known for name in _types_of(body)}

        def tag(value: Any) -> str:
            given = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
            if given is None:
                given = self._type_of(value)
            name = names.get(given) if isinstance(given, str) else None
            return f"{TAG}{name or other.__name__}"

        branches = [Annotated[body, branch(body.__name__)] for body in (*known, other)]
        return handler.generate_schema(Annotated[reduce(or_, branches), Discriminator(tag)])


BY_TYPE = ByType()


def _types_of(body: type[BaseModel]) -> tuple[str, ...]:
    """The types that the field `type` of a body allows."""
    return _literals(body.model_fields["type"].annotation)


def _literals(annotation: Any) -> tuple[str, ...]:
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return parts
    return tuple(name for part in parts for name in _literals(part))


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
