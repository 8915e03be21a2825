"""The format of an answer: the official `response_format`, and the parameters of other servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from openedai.api.parameters.generation.tools import NAME
from openedai.api.parameters.unions import BY_TYPE
from openedai.bounded_json import read_json
from openedai.contract.generate import Constraint, Grammar, JsonObject, JsonSchema, Regex
from openedai.errors import InvalidRequest, missing_parameter
from openedai.http.body import AllowedOnly, Body

MAX_TEXT = 1 << 16  # characters of a grammar or a pattern

GrammarText = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


def _schema(value: Any) -> Any:
    """A schema may be sent as the text of its JSON."""
    if not isinstance(value, str):
        return value
    try:
        return read_json(value)
    except ValueError as error:
        raise ValueError(f"expected a JSON Schema: {error}") from None


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


Schema = Annotated[dict[str, Any], BeforeValidator(_schema)]
Choices = Annotated[list[str], Field(min_length=1, max_length=1024)]
OptionalGrammar = Annotated[GrammarText | None, BeforeValidator(_none_if_empty)]


class TextFormat(Body):
    """The other types have their own classes. This one also gives the error for an unknown type."""

    type: Literal["text", "json_object", "json_schema"]


class JsonObjectFormat(Body):
    """`schema` is a field of other servers."""

    type: Literal["json_object"]
    schema_: dict[str, Any] | None = Field(None, alias="schema")


class NamedSchema(Body):
    """`strict` changes nothing: a schema is enforced or refused."""

    name: str = Field(pattern=NAME)
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class JsonSchemaFormat(Body):
    """`schema` in place of `json_schema` is a field of other servers."""

    type: Literal["json_schema"]
    json_schema: NamedSchema | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")


ResponseFormat = Annotated[JsonObjectFormat | JsonSchemaFormat | TextFormat, BY_TYPE]


class StructuredOutputs(Body):
    """The formats of vLLM's `structured_outputs`."""

    json_: Schema | None = Field(None, alias="json")
    regex: GrammarText | None = None
    choice: Choices | None = None
    grammar: GrammarText | None = None
    json_object: bool | None = None
    disable_fallback: bool | None = None
    disable_any_whitespace: Annotated[bool | None, AllowedOnly((False,))] = None
    disable_additional_properties: Annotated[bool | None, AllowedOnly((False,))] = None
    whitespace_pattern: Annotated[str | None, AllowedOnly()] = None
    structural_tag: Annotated[str | None, AllowedOnly()] = None

    def constraints(self, name: str) -> Iterator[tuple[str, Constraint]]:
        """The constraints that it asks for, with the names of the parameters; `name` is its own."""
        if self.json_ is not None:
            yield f"{name}.json", JsonSchema(schema=self.json_)
        if self.regex is not None:
            yield f"{name}.regex", Regex(pattern=self.regex)
        if self.choice is not None:
            yield f"{name}.choice", one_of(self.choice)
        if self.grammar is not None:
            yield f"{name}.grammar", Grammar(gbnf=self.grammar)
        if self.json_object:
            yield f"{name}.json_object", JsonObject()


def format_constraint(response_format: ResponseFormat | None) -> Constraint | None:
    """The constraint of `response_format`. Raises InvalidRequest for one without a schema."""
    match response_format:
        case JsonObjectFormat(schema_=schema):
            return JsonObject() if schema is None else JsonSchema(schema=schema)
        case JsonSchemaFormat(json_schema=None, schema_=None):
            raise missing_parameter("response_format.json_schema")
        case JsonSchemaFormat(json_schema=None, schema_=schema):
            return JsonSchema(schema=schema or {})
        case JsonSchemaFormat(json_schema=NamedSchema(schema_=schema)):
            return JsonSchema(schema=schema or {})
        case _:
            return None


def one_of(texts: list[str]) -> Regex:
    """The answer is one of the texts."""
    return Regex(pattern="|".join(re.sub(r"[][\\^$.|?*+(){}/-]", r"\\\g<0>", one) for one in texts))


def only_constraint(
    found: list[tuple[str, Constraint]],
) -> tuple[str, Constraint] | None:
    """The only one of the constraints that a request has, with the name of its parameter.

    Raises InvalidRequest if there are several.
    """
    if len(found) > 1:
        first, second = found[0][0], found[1][0]
        raise InvalidRequest(
            f"'{first}' and '{second}' cannot both be set.", code="invalid_value", param=second
        )
    return found[0] if found else None
