"""Object schemas of JSON Schema as GBNF."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from openedai.grammars import gbnf
from openedai.grammars.charset import ANY, CharSet
from openedai.grammars.gbnf import Rules
from openedai.grammars.json_rules import JsonRules
from openedai.grammars.json_schema.errors import UnsupportedSchema, below
from openedai.grammars.json_schema.merge import Keywords
from openedai.grammars.regex import UnsupportedPattern, json_string
from openedai.grammars.regular import (
    EMPTY,
    Chars,
    Expression,
    alternation,
    concat,
    repeat,
    text,
)
from openedai.grammars.regular_gbnf import json_content

# The grammar for "any other name" is nested as deeply as the longest declared name is long.
_MAX_NAME = 64


class Schemas(Protocol):
    """Writes the rules of inner schemas: see `SchemaRules`."""

    rules: Rules
    json: JsonRules

    def value(self, schema: Any, path: str) -> str: ...

    def allows_nothing(self, schema: Any, path: str) -> bool: ...


@dataclass(frozen=True)
class _Member:
    """A declared member. `body` is the rule body for its name, the colon and the value."""

    body: str
    required: bool


def object_body(schemas: Schemas, keywords: Keywords, path: str) -> str | None:
    """A GBNF rule body for the valid objects; None if there are none. Raises UnsupportedSchema."""
    required = keywords.get("required", [])
    rest = keywords.get("additionalProperties", True)
    declared = {**dict.fromkeys(required, rest), **keywords.get("properties", {})}
    order = [*keywords.get("properties", {}), *required]
    for name in ("patternProperties", "propertyNames"):
        if keywords.get(name, {}) != {}:
            if declared:
                why = f"`{name}` stands beside `properties` or `required`"
                raise UnsupportedSchema(why, below(path, name))
            return _named_map(schemas, keywords, name, path)
    if declared:
        return _declared(schemas, {name: declared[name] for name in order}, keywords, path)
    return _map(schemas, schemas.json.string, rest, keywords, path)


def _named_map(schemas: Schemas, keywords: Keywords, keyword: str, path: str) -> str | None:
    at = below(path, keyword)
    if keyword == "propertyNames":
        if keywords.get("patternProperties"):
            raise UnsupportedSchema("`propertyNames` stands beside `patternProperties`", at)
        names = {"allOf": [{"type": "string"}, keywords[keyword]]}
        if schemas.allows_nothing(names, at):
            return None if keywords.get("minProperties") else '"{}"'
        rest = keywords.get("additionalProperties", True)
        return _map(schemas, schemas.value(names, at), rest, keywords, path)
    if len(keywords[keyword]) > 1:
        raise UnsupportedSchema("a name may match several patterns", at)
    ((pattern, schema),) = keywords[keyword].items()
    try:
        name = json_string(pattern, schemas.rules)
    except UnsupportedPattern as error:
        raise UnsupportedSchema(str(error), below(at, pattern)) from error
    return _map(schemas, name, schema, keywords, path)


def _map(schemas: Schemas, name: str, value: Any, keywords: Keywords, path: str) -> str | None:
    """Objects whose members have the same schema.

    A model may write a name twice, and only one of the values counts.
    """
    low, high = keywords.get("minProperties", 0), keywords.get("maxProperties")
    if low > 1:
        why = "`minProperties` above 1 is not supported where names are free"
        raise UnsupportedSchema(why, below(path, "minProperties"))
    at = below(path, "additionalProperties")
    if high == 0 or schemas.allows_nothing(value, at):
        return None if low else '"{}"'
    member = schemas.json.member(name, schemas.value(value, at))
    return schemas.json.object_of(member, low, high)


def _declared(
    schemas: Schemas, declared: Mapping[str, Any], keywords: Keywords, path: str
) -> str | None:
    members = []
    for name, schema in declared.items():
        at, required = below(path, "properties", name), name in keywords.get("required", [])
        if not schemas.allows_nothing(schema, at):
            body = schemas.json.member(_quoted(name, at), schemas.value(schema, at))
            members.append(_Member(body, required))
        elif required:
            return None
    low = keywords.get("minProperties", 0)
    least = sum(member.required for member in members)
    _check_counts(low, least, len(members), keywords, path)
    starts = _starts(schemas, members, _other_member(schemas, declared, keywords, path))
    may_be_empty = not low and not least
    if not starts:
        return '"{}"' if may_be_empty else None
    full = schemas.json.bracketed("{}", gbnf.alternatives(starts))
    return f'"{{}}" | {full}' if may_be_empty else full


def _check_counts(low: int, least: int, most: int, keywords: Keywords, path: str) -> None:
    if low > max(least, 1):
        why = "`minProperties` is not met by the required properties"
        raise UnsupportedSchema(why, below(path, "minProperties"))
    if keywords.get("maxProperties", most) < most:
        why = "`maxProperties` is less than the declared properties"
        raise UnsupportedSchema(why, below(path, "maxProperties"))


def _starts(schemas: Schemas, members: list[_Member], other: str | None) -> list[str]:
    """The content of the object, an alternative for each member that may come first.

    Optional members may be left out. What may follow a member is one rule, so that the grammar
    grows with the number of members and not with that of their subsets.
    """
    json, follow, starts = schemas.json, "", []
    if other is not None:
        follow = schemas.rules.add("others", json.following(other)) + "*"
        starts = [f"{other} {follow}"]
    for index, member in reversed([*enumerate(members)]):
        start = f"{member.body} {follow}".rstrip()
        starts = [start] if member.required else [start, *starts]
        if index:
            follower = json.following(member.body)
            body = follower if member.required else f"({follower})?"
            follow = schemas.rules.add("rest", f"{body} {follow}".rstrip())
    return starts


def _other_member(
    schemas: Schemas, declared: Mapping[str, Any], keywords: Keywords, path: str
) -> str | None:
    """A rule body for undeclared members; None if they are unconstrained or not allowed."""
    rest = keywords.get("additionalProperties", True)
    at = below(path, "additionalProperties")
    if rest in (True, {}) or "maxProperties" in keywords or schemas.allows_nothing(rest, at):
        return None
    if max(map(len, declared)) > _MAX_NAME:
        why = f"it stands beside a name of more than {_MAX_NAME} characters"
        raise UnsupportedSchema(why, at)
    others = json_content(_other_than([*declared]), schemas.rules)
    name = schemas.rules.add("name", rf'"\"" {others} "\""')
    return schemas.json.member(name, schemas.value(rest, at))


def _other_than(names: list[str]) -> Expression:
    """All texts except the names."""
    rests = defaultdict(list)  # of the names, by first character
    for name in filter(None, names):
        rests[name[0]].append(name[1:])
    anything = repeat(Chars(ANY), 0, None)
    return alternation(
        *([] if "" in names else [EMPTY]),
        concat(Chars(ANY - CharSet.chars("".join(rests))), anything),
        *(concat(text(first), _other_than(following)) for first, following in rests.items()),
    )


def _quoted(name: str, path: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise UnsupportedSchema("the name is not valid Unicode", path) from error
    return gbnf.literal(json.dumps(name, ensure_ascii=False))
