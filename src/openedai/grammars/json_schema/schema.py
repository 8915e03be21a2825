"""JSON Schema as GBNF: every text of the grammar is JSON that validates against the schema.

A schema that cannot be enforced is refused. The reverse does not hold: not every valid text is in
the grammar; docs/structured-outputs.md describes those that are.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openedai.grammars import gbnf
from openedai.grammars.gbnf import Rules
from openedai.grammars.gbnf_check import has_finite_text
from openedai.grammars.json_rules import JsonRules
from openedai.grammars.json_schema.alternatives import SchemaDocument
from openedai.grammars.json_schema.errors import UnsupportedSchema, below
from openedai.grammars.json_schema.keywords import OF_TYPE, types_of
from openedai.grammars.json_schema.merge import Keywords
from openedai.grammars.json_schema.objects import object_body
from openedai.grammars.json_schema.scalars import integer_body, number_body, string_body

_MAX_RULES = 20_000
_ORDER = ("object", "array", "string", "number", "integer", "boolean", "null")

__all__ = ["UnsupportedSchema", "json_object", "json_schema"]


def json_schema(schema: Mapping[str, Any] | bool, rules: Rules) -> str:
    """Add rules for the JSON texts that validate; returns the name of the first.

    Raises UnsupportedSchema.
    """
    try:
        return SchemaRules(schema, rules).root()
    except RecursionError as error:
        raise UnsupportedSchema("it is nested too deeply", "#") from error


def json_object(rules: Rules) -> str:
    """Add rules for any JSON object; returns the name of the first."""
    return JsonRules(rules).object


@dataclass(frozen=True)
class _Pending:
    """A schema whose rule has a name, but no body yet."""

    name: str
    schema: Any
    path: str


class SchemaRules:
    """Adds one rule for each distinct schema in a schema.

    The rules are written one after the other from a queue, so schemas may be deep or recursive.
    """

    def __init__(self, schema: Mapping[str, Any] | bool, rules: Rules) -> None:
        self.rules = rules
        self.json = JsonRules(rules)
        self._root = schema
        self._start = len(rules)
        self._document = SchemaDocument(schema)
        self._names: dict[str, str] = {}
        self._pending: deque[_Pending] = deque()

    def root(self) -> str:
        """Write all rules; returns the name of the first. Raises UnsupportedSchema."""
        root = self.value(self._root, "#")
        while self._pending:
            pending = self._pending.popleft()
            self.rules.define(pending.name, self._body(pending.schema, pending.path))
            if len(self.rules) > _MAX_RULES:
                raise UnsupportedSchema("it is too large", "#")
        if not has_finite_text(self.rules.text(root, self._start)):
            raise UnsupportedSchema("no value is ever complete", "#")
        return root

    def value(self, schema: Any, path: str) -> str:
        """The name of the rule for a schema; the rule itself is written later."""
        key = json.dumps(schema)
        if key not in self._names:
            name = self.rules.declare(path.rsplit("/", 1)[-1] if "/" in path else "json")
            self._names[key] = name
            self._pending.append(_Pending(name, schema, path))
        return self._names[key]

    def allows_nothing(self, schema: Any, path: str) -> bool:
        """Whether no value is valid."""
        return not self._document.alternatives(schema, path)

    def _body(self, schema: Any, path: str) -> str:
        alternatives = self._document.alternatives(schema, path)
        options = [option for keywords in alternatives for option in self._options(keywords, path)]
        if not options:
            raise UnsupportedSchema("no value is allowed", path)
        return " | ".join(dict.fromkeys(options))

    def _options(self, keywords: Keywords, path: str) -> list[str]:
        if not keywords:
            return [self.json.value]
        if "enum" in keywords:
            return self._enum(keywords, path)
        types = keywords.get("type") or _implied_types(keywords)
        if "number" in types:
            types = [name for name in types if name != "integer"]
        bodies = [self._of_type(name, keywords, path) for name in _ORDER if name in types]
        return [body for body in bodies if body]

    def _of_type(self, name: str, keywords: Keywords, path: str) -> str | None:
        match name:
            case "object":
                return object_body(self, keywords, path)
            case "array":
                return self._array(keywords, path)
            case "string":
                return string_body(self.json, self.rules, keywords, path)
            case "integer":
                return integer_body(self.rules, keywords, path)
            case "number":
                return number_body(self.json, self.rules, keywords, path)
            case "boolean":
                return '"true" | "false"'
            case _:
                return '"null"'

    def _enum(self, keywords: Keywords, path: str) -> list[str]:
        others = keywords.keys() - {"enum", "type"}
        if others:
            name = min(others)
            raise UnsupportedSchema(
                f"`{name}` stands beside a `const` or `enum`", below(path, name)
            )
        types = {*keywords.get("type", _ORDER)}
        values = [value for value in keywords["enum"] if types & types_of(value)]
        try:
            texts = [json.dumps(value, ensure_ascii=False, allow_nan=False) for value in values]
            "".join(texts).encode()
        except ValueError as error:
            raise UnsupportedSchema("a value is not JSON", below(path, "enum")) from error
        return [gbnf.one_of(texts)] if texts else []

    def _array(self, keywords: Keywords, path: str) -> str | None:
        prefix = keywords.get("prefixItems", [])
        low, high = keywords.get("minItems", 0), keywords.get("maxItems")
        items = keywords.get("items", True)
        if self.allows_nothing(items, below(path, "items")):
            high = len(prefix) if high is None else min(high, len(prefix))
        if keywords.get("uniqueItems") and (high is None or high > 1):
            raise UnsupportedSchema("`uniqueItems` is not supported", below(path, "uniqueItems"))
        if high is not None and high < low:
            return None
        item = (
            ""
            if high is not None and high <= len(prefix)
            else self.value(items, below(path, "items"))
        )
        if not prefix or high == 0:
            return self.json.array_of(item, low, high)
        return self._tuple(prefix[:high], item, low, high, path)

    def _tuple(self, prefix: list[Any], item: str, low: int, high: int | None, path: str) -> str:
        names = [
            self.value(schema, below(path, "prefixItems", index))
            for index, schema in enumerate(prefix)
        ]
        rest = ""
        if item:
            following = self.rules.add("more", self.json.following(item))
            most = None if high is None else high - len(prefix)
            rest = self.rules.repeat(following, max(0, low - len(prefix)), most)
        for index, name in reversed([*enumerate(names)][1:]):
            rest = f"{self.json.following(name)} {rest}".rstrip()
            if index >= low:
                rest = f"{self.rules.add('rest', rest)}?"
        full = self.json.bracketed("[]", f"{names[0]} {rest}".rstrip())
        return full if low else f'"[]" | {full}'


def _implied_types(keywords: Keywords) -> list[str]:
    """The types that the keywords apply to, for a schema without `type`.

    The standard allows all types there; the grammar only those that the author had in mind.
    """
    implied = [name for name in OF_TYPE if OF_TYPE[name] & keywords.keys()]
    return implied or [*_ORDER]
