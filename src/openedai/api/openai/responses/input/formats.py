"""The formats of answers' texts, and the item that changes settings of a conversation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from openedai.api.parameters.generation.other_servers import Effort
from openedai.api.parameters.generation.tools import NAME
from openedai.api.parameters.unions import BY_TYPE
from openedai.http.body import Body


class PlainFormat(Body):
    """Also gives the error for an unknown type."""

    type: Literal["text", "json_object", "json_schema"]


class JsonSchemaFormat(Body):
    """`strict` changes nothing: a schema is enforced or refused."""

    type: Literal["json_schema"]
    name: str = Field(pattern=NAME)
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


TextFormat = Annotated[JsonSchemaFormat | PlainFormat, BY_TYPE]


class UpdatedReasoning(Body):
    effort: Effort | None = None


class UpdatedText(Body):
    format: TextFormat


class ConfigurationUpdate(Body):
    """Settings for all answers from here until the next update; those of the request take
    precedence.
    """

    type: Literal["configuration_update"]
    id: str | None = None
    reasoning: UpdatedReasoning | None = None
    text: UpdatedText | None = None
