"""A schema as a list of alternatives, with references resolved and combinations expanded."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any
from urllib.parse import unquote

from openedai.grammars.json_schema.errors import UnsupportedSchema, below
from openedai.grammars.json_schema.keywords import TYPES, frozen, own_keywords, types_of
from openedai.grammars.json_schema.merge import Keywords, merge

_MAX_ALTERNATIVES = 1000
_MAX_DEPTH = 40


class SchemaDocument:
    """A schema with the definitions that its references point to."""

    def __init__(self, root: Mapping[str, Any] | bool) -> None:
        self._root = root

    def alternatives(self, schema: Any, path: str, inside: tuple[str, ...] = ()) -> list[Keywords]:
        """The alternatives of a schema, without references. A valid value is valid for one of them.

        Without alternatives no value is valid. `inside` are the paths of the schemas that combine
        or reference this one. Raises UnsupportedSchema.
        """
        if isinstance(schema, bool):
            return [{}] if schema else []
        if not isinstance(schema, Mapping):
            raise UnsupportedSchema("a schema is an object or a boolean", path)
        if path in inside:
            raise UnsupportedSchema("the reference leads back to itself", path)
        if len(inside) > _MAX_DEPTH:
            raise UnsupportedSchema(f"it is combined deeper than {_MAX_DEPTH}", path)
        inside = (*inside, path)
        found = [own_keywords(schema, path)]
        if "$ref" in schema:
            target, at = self._resolve(schema["$ref"], below(path, "$ref"))
            found = _product(found, self.alternatives(target, at, inside), path)
        for number, part in enumerate(_parts(schema, "allOf", path)):
            at = below(path, "allOf", number)
            found = _product(found, self.alternatives(part, at, inside), path)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                found = self._any_of(schema, keyword, path, found, inside)
        return found

    def _any_of(
        self,
        schema: Mapping[str, Any],
        keyword: str,
        path: str,
        base: list[Keywords],
        inside: tuple[str, ...],
    ) -> list[Keywords]:
        branches = []
        for number, part in enumerate(_parts(schema, keyword, path)):
            at = below(path, keyword, number)
            branches.append(_product(base, self.alternatives(part, at, inside), path))
        if keyword == "oneOf":
            for one, other in combinations(branches, 2):
                if not all(self._are_disjoint(a, b, path) for a in one for b in other):
                    why = "its branches are not apart by type, or by a required `const` or `enum`"
                    raise UnsupportedSchema(why, below(path, keyword))
        found = [keywords for branch in branches for keywords in branch]
        return _limited(found, path)

    def _are_disjoint(self, one: Keywords, other: Keywords, path: str, depth: int = 0) -> bool:
        """Whether it is certain that no value is valid for both alternatives."""
        if "enum" in one and "enum" in other:
            return set(map(frozen, one["enum"])).isdisjoint(map(frozen, other["enum"]))
        shared = _types(one) & _types(other)
        if not shared:
            return True
        if shared != {"object"} or depth > 3:
            return False
        return any(
            self._values_are_disjoint(one, other, name, path, depth)
            for name in {*one.get("required", [])} & {*other.get("required", [])}
        )

    def _values_are_disjoint(
        self, one: Keywords, other: Keywords, name: str, path: str, depth: int
    ) -> bool:
        at = below(path, "properties", name)
        sides = [
            self.alternatives(side.get("properties", {}).get(name, True), at)
            for side in (one, other)
        ]
        return all(self._are_disjoint(a, b, at, depth + 1) for a in sides[0] for b in sides[1])

    def _resolve(self, reference: Any, path: str) -> tuple[Any, str]:
        if not isinstance(reference, str) or not (reference + "/").startswith("#/"):
            raise UnsupportedSchema("only references within the schema are followed", path)
        found: Any = self._root
        for step in unquote(reference).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, Mapping) and name in found:
                found = found[name]
            else:
                raise UnsupportedSchema(f"the reference `{reference}` leads nowhere", path)
        return found, unquote(reference)


def _parts(schema: Mapping[str, Any], keyword: str, path: str) -> list[Any]:
    parts = schema.get(keyword, [])
    if not isinstance(parts, list) or (keyword in schema and not parts):
        raise UnsupportedSchema(f"`{keyword}` is not a list of schemas", below(path, keyword))
    return parts


def _product(ones: list[Keywords], others: list[Keywords], path: str) -> list[Keywords]:
    """Every alternative of the ones merged with every one of the others."""
    merged = (merge(one, other, path) for one in ones for other in others)
    return _limited([keywords for keywords in merged if keywords is not None], path)


def _limited(alternatives: list[Keywords], path: str) -> list[Keywords]:
    if len(alternatives) > _MAX_ALTERNATIVES:
        raise UnsupportedSchema(f"it has more than {_MAX_ALTERNATIVES} alternatives", path)
    return alternatives


def _types(keywords: Keywords) -> set[str]:
    """The types that a value of the alternative may have; with `number` also `integer`."""
    if "enum" in keywords:
        return {name for value in keywords["enum"] for name in types_of(value)}
    types = {*keywords.get("type", TYPES)}
    return types | {"integer"} if "number" in types else types
