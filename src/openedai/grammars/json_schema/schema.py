"""JSON Schemas for llguidance, which compiles them: every text that it allows then validates.

A schema that cannot be enforced is refused, here or by llguidance. The reverse does not hold: not
every valid text is allowed; docs/structured-outputs.md describes those that are.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from openedai.grammars.json_schema.arrays import few_values
from openedai.grammars.json_schema.endings import circles, comes_to_an_end
from openedai.grammars.json_schema.errors import UnsupportedSchema, below
from openedai.grammars.json_schema.keywords import (
    CHECKS,
    COMBINING,
    OF_TYPE,
    REFUSED,
    REWRITTEN,
    checked,
)
from openedai.grammars.json_schema.rewriting import Schema, rewrite

__all__ = ["ANY_OBJECT", "UnsupportedSchema", "check_schema", "lark_json"]

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}

_MAX_CHECKED = 2000  # schemas
_MAX_SIZE = 1 << 20  # characters of JSON
_SUPPORTED = {"type", "enum", "const"}.union(COMBINING, REWRITTEN, *OF_TYPE.values())
_OF_STRINGS = {"pattern", "type"}
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "patternProperties")
_SINGLE = ("items", "additionalProperties")

# Between two parts of the JSON there may be one space, or a line break with indentation, so that a
# model cannot write white space endlessly. Unnecessary escapes would give a property other names.
_NOTATION = {"whitespace_pattern": r" |\n {0,20}", "json_allowed_escapes": 'nrbtf\\"'}


def lark_json(schema: Mapping[str, Any] | bool) -> str:
    """The JSON texts that validate, as an item of a rule in Lark. Raises UnsupportedSchema."""
    try:
        document = _Document(schema).prepared()
        text = json.dumps({**document, "x-guidance": _NOTATION}, allow_nan=False)
    except RecursionError as error:
        raise UnsupportedSchema("it is nested too deeply", "#") from error
    except ValueError as error:
        if isinstance(error, UnsupportedSchema):
            raise
        raise UnsupportedSchema("it has a number that is not JSON", "#") from error
    if len(text) > _MAX_SIZE:
        raise UnsupportedSchema("it is too large", "#")
    return f"%json {text}"


def check_schema(schema: Any) -> None:
    """Raise UnsupportedSchema for a schema that is not well-formed, enforceable or not.

    Only the first part of a large schema is checked, because other requests wait meanwhile.
    """
    pending = [(schema, "#")]
    for _ in range(_MAX_CHECKED):
        if not pending:
            break
        one, path = pending.pop()
        if isinstance(one, bool):
            continue
        if not isinstance(one, Mapping):
            raise UnsupportedSchema("a schema is an object or a boolean", path)
        for name, value in one.items():
            if name in CHECKS and not CHECKS[name](value):
                raise UnsupportedSchema(f"the value of `{name}` is wrong", below(path, name))
            pending += _inner(name, value, path)


def _inner(name: str, value: Any, path: str) -> list[tuple[Any, str]]:
    """The schemas in the well-formed value of a keyword, and their paths."""
    if name in (*_MAPS, "$defs", "definitions", "dependentSchemas"):
        return [(inner, below(path, name, key)) for key, inner in value.items()]
    if name in _LISTS or (name == "items" and isinstance(value, list)):
        return [(inner, below(path, name, index)) for index, inner in enumerate(value)]
    if name in (*_SINGLE, "not", "if", "then", "else", "propertyNames", "contains"):
        return [(value, below(path, name))]
    return []


class _Document:
    """A schema whose references are turned into references to its own definitions."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._names: dict[str, str] = {}
        self._pending: deque[tuple[str, Any, str]] = deque()
        self._inlined: dict[int, str] = {}
        self._narrower: list[tuple[Schema, Schema]] = []
        self._combines = False

    def prepared(self) -> Schema:
        root = self._prepared(self._root, "#")
        definitions = {}
        while self._pending:
            name, schema, path = self._pending.popleft()
            definitions[name] = self._prepared(schema, path, defined=True)
        if not self._combines:
            for schema, keywords in self._narrower:
                schema.update(keywords)
        if circles(definitions):
            raise UnsupportedSchema("a reference leads back to itself", "#")
        if not comes_to_an_end(root, definitions):
            raise UnsupportedSchema("no value is ever complete", "#")
        if root is False:
            raise UnsupportedSchema("no value is allowed", "#")
        document = root if isinstance(root, dict) else {}
        return {**document, "$defs": definitions} if definitions else document

    def _prepared(self, schema: Any, path: str, *, defined: bool = False) -> Any:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise UnsupportedSchema("a schema is an object or a boolean", path)
        path = self._inlined.get(id(schema), path)
        if not defined and path != "#" and _has_referring_branches(schema):
            return {"$ref": self._definition(path, schema)}
        own = self._own_keywords(schema, path)
        if _has_referring_branches(own):
            own["oneOf"] = [self._inline(branch, path) for branch in own["oneOf"]]
        items = own.get("items")
        if own.get("uniqueItems") and _is_reference(items):
            own["items"] = self._few_values(items, below(path, "items"))
        names = own.get("propertyNames")
        if isinstance(names, Mapping) and [*names] == ["$ref"]:
            at = below(path, "propertyNames")
            own["propertyNames"] = self._resolve(self._local(names["$ref"], at), at)
        own = rewrite(own, path)
        if own.get("enum") == [] or own.get("type") == []:
            return False
        found = {name: self._rewritten(name, value, path) for name, value in own.items()}
        self._check_counts(found, path)
        if _combines(found):
            self._combines = True
        else:
            self._narrower.append((found, _narrowed(found)))
        return found

    def _own_keywords(self, schema: Mapping[str, Any], path: str) -> Schema:
        """The constraining keywords, checked. Raises UnsupportedSchema."""
        found = {}
        for name, value in schema.items():
            if name in _SUPPORTED:
                found[name] = checked(name, value, path)
            elif name in REFUSED:
                raise UnsupportedSchema(REFUSED[name], below(path, name))
        return found

    def _rewritten(self, name: str, value: Any, path: str) -> Any:
        if name == "$ref":
            return self._reference(value, below(path, name))
        if name in _MAPS:
            at = below(path, name)
            return {key: self._prepared(inner, below(at, key)) for key, inner in value.items()}
        if name in _LISTS:
            at = below(path, name)
            return [self._prepared(inner, below(at, index)) for index, inner in enumerate(value)]
        if name in _SINGLE:
            return self._prepared(value, below(path, name))
        return value

    def _check_counts(self, schema: Schema, path: str) -> None:
        """Refuse counts of properties with free names: such a name may be written twice, and would
        count twice.
        """
        closed = schema.get("additionalProperties", True) is False
        free = not closed or "patternProperties" in schema
        if free and schema.get("minProperties", 0) > max(1, len({*schema.get("required", [])})):
            why = "`minProperties` above 1 is not supported where names are free"
            raise UnsupportedSchema(why, below(path, "minProperties"))

    def _reference(self, reference: str, path: str) -> str:
        """A reference to a definition that is prepared later."""
        reference = self._local(reference, path)
        return self._definition(unquote(reference), self._resolve(reference, path))

    def _local(self, reference: str, path: str) -> str:
        """The reference from the schema's root. Raises UnsupportedSchema."""
        root = self._root.get("$id", self._root.get("id"))
        if isinstance(root, str):
            reference = reference.removeprefix(root.removesuffix("#"))
        if not (reference + "/").startswith("#/"):
            raise UnsupportedSchema("only references within the schema are followed", path)
        return reference

    def _definition(self, path: str, schema: Any) -> str:
        """A reference to a definition made of the schema at this path."""
        if path not in self._names:
            self._names[path] = f"d{len(self._names)}"
            self._pending.append((self._names[path], schema, path))
        return f"#/$defs/{self._names[path]}"

    def _inline(self, branch: Any, path: str) -> Any:
        """The schema that a branch refers to: llguidance only distinguishes branches that it
        sees.
        """
        if not isinstance(branch, Mapping) or not _is_reference(branch):
            return branch
        reference = self._local(branch["$ref"], path)
        found = self._resolve(reference, path)
        self._inlined[id(found)] = unquote(reference)
        return found

    def _few_values(self, items: Any, path: str) -> Any:
        """The items of an array, with their values if there are few."""
        values = few_values(self._resolve(self._local(items["$ref"], path), path))
        return items if values is None else {"enum": values}

    def _resolve(self, reference: str, path: str) -> Any:
        found: Any = self._root
        for step in unquote(reference).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and len(name) < 7:
                found = found[int(name)] if int(name) < len(found) else None
            else:
                found = found.get(name) if isinstance(found, Mapping) else None
            if found is None:
                raise UnsupportedSchema(f"the reference `{reference[:100]}` leads nowhere", path)
        return found


def _has_referring_branches(schema: Mapping[str, Any]) -> bool:
    branches = schema.get("oneOf")
    return isinstance(branches, list) and any(map(_is_reference, branches))


def _is_reference(schema: Any) -> bool:
    """Whether the schema is a reference, without other constraints."""
    return isinstance(schema, Mapping) and schema.keys() & _SUPPORTED == {"$ref"}


def _combines(schema: Schema) -> bool:
    """Whether several schemas of objects may hold for one value."""
    combining = schema.keys() & COMBINING
    parts = [part for part in schema.get("allOf", []) if not isinstance(part, bool)]
    if combining == {"allOf"} and all(part.keys() <= _OF_STRINGS for part in parts):
        return False
    return bool(combining & {"allOf", "oneOf"}) or bool(combining and schema.keys() - COMBINING)


def _narrowed(schema: Schema) -> Schema:
    """Keywords that narrow the schema to what its author had in mind: the types that its keywords
    are about, and only the declared properties.
    """
    narrower: Schema = {}
    if "type" not in schema and not schema.keys() & {"enum", "const", *COMBINING}:
        types = [name for name in OF_TYPE if OF_TYPE[name] & schema.keys()]
        if types:
            narrower["type"] = types
    declared = schema.get("properties", {}).keys()
    open_ended = schema.keys() & {"additionalProperties", "patternProperties"}
    if declared and declared >= {*schema.get("required", [])} and not open_ended:
        narrower["additionalProperties"] = False
    return narrower
