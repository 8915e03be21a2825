"""Request bodies to typed models, with the errors the official API would give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, PrivateAttr, ValidationError
from pydantic_core import (
    CoreSchema,
    ErrorDetails,
    PydanticCustomError,
    core_schema,
    from_json,
    to_json,
)
from starlette.requests import ClientDisconnect, Request

from openedai.errors import APIError, InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from openedai.http.dialects import OLLAMA, dialect_of
from openedai.http.validation import as_invalid_request, is_unknown

M = TypeVar("M", bound="Body")

FORM = "application/x-www-form-urlencoded"
WARNING_HEADER = "x-openedai-warning"


class Body(BaseModel):
    """A JSON request body. JSON types are not converted into each other.

    `carried` are known parameters without a meaning here, of a body that can be read by another
    server. Where it is, `extra` has those that were given, refused ones too, and the unknown ones.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)
    carried: ClassVar[frozenset[str] | None] = None
    _extra: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def extra(self) -> dict[str, Any]:
        return self._extra


@dataclass(frozen=True)
class Only:
    """Marks an official parameter that is not there yet: only null, and `values` that ask for
    nothing, are accepted."""

    values: tuple[Any, ...] = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if value is None or any(value == neutral for neutral in self.values):
            return value
        raise PydanticCustomError("unsupported_parameter", "not supported")


Refused = Annotated[Any, Only()]


@dataclass(frozen=True, init=False)
class Lacking:
    """Marks an official parameter some of whose `values` are not there yet."""

    values: frozenset[Any]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", frozenset(values))

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if value in self.values:
            raise PydanticCustomError("unsupported_value", "not supported")
        return value


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body, never more than `limit` bytes of it. Raises PayloadTooLarge."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    pieces = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)
    except ClientDisconnect as error:
        raise InvalidRequest("The request body ended too early.") from error
    return b"".join(pieces)


def _too_large(limit: int) -> APIError:
    return PayloadTooLarge(
        f"The request body is larger than the limit of {limit} bytes.", code="request_too_large"
    )


def require_json(request: Request) -> None:
    """A web page can post plain text anywhere without asking: only JSON is taken as JSON.

    Ollama's users leave the type to curl, which then says that it is a form. A browser that posts
    one says where it comes from.
    """
    headers = request.headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    by_browser = {"origin", "referer", "sec-fetch-site"} & set(headers)
    if kind == FORM and not by_browser and dialect_of(request.url.path) is OLLAMA:
        return
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaType(
            f"Unsupported content type: {kind or 'none'!r}. Send the header "
            "'Content-Type: application/json'.",
            code="unsupported_content_type",
        )


async def read_json(
    request: Request,
    model: type[M],
    *,
    limit: int,
    unknown: Literal["refuse", "warn"],
    given: Mapping[str, Any],
    carries: Callable[[Mapping[str, Any]], bool],
) -> tuple[M, dict[str, str]]:
    """The parsed body, and headers for the answer: warnings of parameters that were ignored.

    `given` are fields that go before those of the body. `carries` says of a body's fields whether
    another server is to read what is not known here.
    """
    require_json(request)
    body = await read_bytes(request, limit)
    if given:
        body = _with(body, given)
    try:
        parsed = model.model_validate_json(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=True)
    else:
        aside = parsed.model_fields_set & (model.carried or frozenset())
        if aside and carries(vars(parsed)):
            return _carrying(model, from_json(body)), {}
        return parsed, {}
    values = None if model.carried is None else _object(body)
    if values is not None and carries(values):
        return _carrying(model, values), {}
    if unknown == "warn" and all(map(is_unknown, errors)):
        return _without(model, body, errors)
    raise as_invalid_request(errors)


def _with(body: bytes, given: Mapping[str, Any]) -> bytes:
    """Fields put into a JSON object; what is none stays as it is, to be refused."""
    values = _object(body)
    return body if values is None else msgspec.json.encode({**values, **given})


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        values = from_json(body)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def _carrying(model: type[M], values: dict[str, Any]) -> M:
    """The body without what only another server understands, which is its `extra`."""
    unknown = values.keys() - model.model_fields.keys()
    aside = unknown | (values.keys() & (model.carried or frozenset()))
    known = {name: value for name, value in values.items() if name not in aside}
    try:
        parsed = model.model_validate_json(to_json(known))
    except ValidationError as error:
        raise as_invalid_request(error.errors(include_url=False)) from error
    extra = {name: values[name] for name in values if name in aside}
    parsed._extra.update(extra)
    return parsed


def _without(model: type[M], body: bytes, unknown: list[ErrorDetails]) -> tuple[M, dict[str, str]]:
    values = from_json(body)
    for detail in unknown:
        *parents, name = (part for part in detail["loc"] if not _is_tag(part))
        holder: Any = values
        for parent in parents:
            holder = holder[parent]
        holder.pop(name)
    names = ", ".join(sorted(str(detail["loc"][-1]) for detail in unknown))
    try:
        parsed = model.model_validate_json(msgspec.json.encode(values))
    except ValidationError as error:
        raise as_invalid_request(error.errors(include_url=False)) from error
    header = f"unknown parameters were ignored: {names}"
    return parsed, {WARNING_HEADER: header.encode("ascii", "replace").decode()}


def _is_tag(part: int | str) -> bool:
    return isinstance(part, str) and part.startswith("~")
