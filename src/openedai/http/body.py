"""Parses request bodies, in JSON or as forms, into typed models, with the official API's errors."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema
from starlette.requests import ClientDisconnect, Request

from openedai.bounded_json import TooManyValues, read_json
from openedai.errors import (
    APIError,
    InvalidRequest,
    PayloadTooLarge,
    UnsupportedMediaType,
    invalid_value,
)
from openedai.http.body_memory import BodyMemory, BodyShare
from openedai.http.exchange import exchange_of
from openedai.http.form import FORM_DATA, FileReceiver, add_field, read_form
from openedai.http.upload import has_file
from openedai.http.validation import (
    as_invalid_request,
    invalid_json,
    is_unknown,
    unknown_parameter,
)

M = TypeVar("M", bound="Body")

FORM = "application/x-www-form-urlencoded"
WARNING_HEADER = "x-openedai-warning"
MAX_MEMBERS = 256  # of an object with named fields
_MAX_WARNING = 1000  # characters
_LARGE = 1 << 20  # bytes
_TOO_LARGE = "request_too_large"
_MEMBER = re.compile(r"([^\[\]]+)\[(.+)\]", re.DOTALL)  # its name may contain brackets
_AZURE_VERSION = "api-version"


def _fail_fast(schema: Any) -> None:
    """Report only one error for each array and object: millions of them would fill the memory."""
    if isinstance(schema, dict):
        if schema.get("type") in ("list", "tuple", "dict"):
            schema["fail_fast"] = True
        schema = list(schema.values())
    if isinstance(schema, list | tuple):
        for part in schema:
            _fail_fast(part)


class Body(BaseModel):
    """A request body. Values of JSON are not converted to other types.

    `accepts_json` and `accepts_form` say how it may be sent. With `ignores_unknown` unknown
    parameters are ignored, whatever the setting says. `passthrough_fields` None is a body that only
    this server understands. Otherwise the body can be passed on to another server: then `extra` has
    the parameters that are unknown here, and those of `passthrough_fields`, which have no effect
    here, unchanged. `parameter_names` gives the body's name for a parameter that engines know by
    another one, and `engine_names` those of a body whose values decide it.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)
    ignores_unknown: ClassVar[bool] = False
    passthrough_fields: ClassVar[frozenset[str] | None] = None
    parameter_names: ClassVar[Mapping[str, str]] = {}
    accepts_json: ClassVar[bool] = True
    accepts_form: ClassVar[bool] = False

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _fail_fast(schema)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _check_size(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > MAX_MEMBERS:
            raise PydanticCustomError("too_many_members", f"more than {MAX_MEMBERS} members")
        return value

    @cached_property  # which costs nothing in the many bodies inside another one
    def extra(self) -> dict[str, Any]:
        """The parameters that are passed on unchanged."""
        return {}

    def engine_names(self) -> Mapping[str, str]:
        """The body's name for each parameter that engines know by another one."""
        return self.parameter_names

    def check(self) -> None:
        """Raise InvalidRequest for fields that are not valid together."""


@dataclass(frozen=True)
class AllowedOnly:
    """Marks an official parameter that is not supported: only null is accepted, and `values`
    that change nothing.
    """

    values: tuple[Any, ...] = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if value is None or any(value == neutral for neutral in self.values):
            return value
        raise PydanticCustomError("unsupported_parameter", "not supported")


Refused = Annotated[Any, AllowedOnly()]


@dataclass(frozen=True, init=False)
class UnsupportedValues:
    """Marks an official parameter some of whose `values` are not supported."""

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


async def read_bytes(request: Request, limits: BodyLimits) -> bytearray:
    """The whole body, never reading more than the limit. Raises PayloadTooLarge and Unavailable."""
    limit = limits.json
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    share = _share(request, limits)
    body = bytearray()
    try:
        async for chunk in request.stream():
            if len(body) + len(chunk) > limit:
                raise _too_large(limit)
            share.take(len(chunk))
            body += chunk
    except ClientDisconnect as error:
        raise InvalidRequest("The request body ended too early.") from error
    return body


def _share(request: Request, limits: BodyLimits) -> BodyShare:
    """The body's share of the memory, until the end of the exchange."""
    exchange = exchange_of(request.scope)
    share = limits.memory.share(exchange.caller)
    exchange.cleanup.callback(share.release)
    return share


def _too_large(limit: int) -> APIError:
    return PayloadTooLarge(
        f"The request body is larger than the limit of {limit} bytes.", code=_TOO_LARGE
    )


def require_json(request: Request) -> None:
    """Raise UnsupportedMediaType for a body that is not declared as JSON.

    A web page can post plain text anywhere without a preflight request, so the type must be that of
    JSON. Dialects whose clients often send no type accept its absence, plain text and the type of a
    form, which is curl's default, too, unless a browser sent it.
    """
    headers = request.headers
    media_type = _media_type(request)
    by_browser = {"origin", "referer", "sec-fetch-site"} & set(headers)
    accepts_no_type = exchange_of(request.scope).dialect.accepts_no_type
    if media_type in ("", "text/plain", FORM) and accepts_no_type and not by_browser:
        return
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise _unsupported_type(media_type, "application/json")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _unsupported_type(media_type: str, expected: str) -> APIError:
    return UnsupportedMediaType(
        f"Unsupported content type: {media_type or 'none'!r}. Send the header "
        f"'Content-Type: {expected}'.",
        code="unsupported_content_type",
    )


@dataclass(frozen=True)
class BodyLimits:
    """The most bytes of a body in JSON, and of a body with files; `memory` is for all bodies
    together.
    """

    json: int
    form: int
    memory: BodyMemory


async def read_body(
    request: Request,
    model: type[M],
    *,
    limits: BodyLimits,
    unknown: Literal["refuse", "warn"],
    overrides: Mapping[str, Any] = MappingProxyType({}),
    passed_on: Callable[[Mapping[str, Any]], frozenset[str] | None] = lambda fields: None,
    receiver: FileReceiver | None = None,
) -> tuple[M, dict[str, str]]:
    """The parsed body, and headers for the answer: warnings of ignored parameters.

    `overrides` replace fields of the body. `passed_on` returns the known parameters that a body
    with these fields passes on in addition to the unknown ones; None if it passes on neither. The
    file of `receiver` goes there while the body is read. Raises InvalidRequest.
    """
    values, strict = await _read_values(request, model, limits, receiver)
    if isinstance(values, dict):
        values |= overrides
    return body_of(values, model, unknown=unknown, passed_on=passed_on, strict=strict)


def body_of(
    values: Any,
    model: type[M],
    *,
    unknown: Literal["refuse", "warn"],
    passed_on: Callable[[Mapping[str, Any]], frozenset[str] | None],
    strict: bool | None = None,
) -> tuple[M, dict[str, str]]:
    """The body made from decoded JSON values, as `read_body` returns it. Raises InvalidRequest."""
    passthrough = passed_on(values) if isinstance(values, dict) else None
    if passthrough is not None:
        return _with_extra(model, values, passthrough, strict), {}
    return _validated(model, values, strict, unknown)


def read_query(
    request: Request, model: type[M], *, unknown: Literal["refuse", "warn"]
) -> tuple[M, dict[str, str]]:
    """The parameters of a URL, in the way of `read_body`. Raises InvalidRequest."""
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name != _AZURE_VERSION:
            _add_parameter(values, name, value)
    listed = {name: _listed(model, name, value) for name, value in values.items()}
    return _validated(model, listed, False, unknown)


def _add_parameter(values: dict[str, Any], name: str, value: str) -> None:
    """Add a parameter of a URL to the values, according to the shape of its name."""
    if member := _MEMBER.fullmatch(name):
        holder = values.setdefault(member[1], {})
        if isinstance(holder, dict) and member[2] not in holder:
            holder[member[2]] = value
            return
    try:
        add_field(values, name, value)
    except InvalidRequest:
        raise invalid_value(name, "it contradicts another parameter") from None


def _validated(
    model: type[M], values: Any, strict: bool | None, unknown: Literal["refuse", "warn"]
) -> tuple[M, dict[str, str]]:
    try:
        return model.model_validate(values, strict=strict), {}
    except ValidationError as error:
        details = error.errors(include_url=False)
    ignored = unknown == "warn" or model.ignores_unknown
    if ignored and all(map(is_unknown, details)):
        return _without_unknown(model, values, details, strict)
    raise as_invalid_request(details)


async def _read_values(
    request: Request, model: type[Body], limits: BodyLimits, receiver: FileReceiver | None
) -> tuple[Any, bool | None]:
    """The values of the body, and whether their types are exact: in a form all values are
    strings.
    """
    media_type = _media_type(request)
    if model.accepts_form and (media_type == FORM_DATA or not model.accepts_json):
        if media_type != FORM_DATA:
            raise _unsupported_type(media_type, FORM_DATA)
        cleanup = exchange_of(request.scope).cleanup
        values = await read_form(request, limits.form, cleanup, _share(request, limits), receiver)
        return {name: _listed(model, name, value) for name, value in values.items()}, False
    require_json(request)
    return await _decode(await read_bytes(request, limits)), None


def _listed(model: type[Body], name: str, value: Any) -> Any:
    """The value of a form's field; an array is a list even if it has one item."""
    field = model.model_fields.get(name)
    if field is None or isinstance(value, list) or not _is_array(field.annotation):
        return value
    return [value]


def _is_array(annotation: Any) -> bool:
    """Whether all values of the type are arrays or None."""
    if get_origin(annotation) in (tuple, list):
        return True
    members = [one for one in get_args(annotation) if one is not NoneType]
    return get_origin(annotation) in (Union, UnionType) and all(map(_is_array, members))


async def _decode(body: bytearray) -> Any:
    """The value. A large body is read in a thread, so that others can run meanwhile as far as
    possible.
    """
    try:
        if len(body) < _LARGE:
            return read_json(body)
        return await asyncio.to_thread(read_json, body)
    except TooManyValues as error:
        raise PayloadTooLarge(f"The request body is too large: {error}.", code=_TOO_LARGE) from None
    except ValueError as error:
        raise invalid_json(str(error)) from None


def _validate(
    model: type[M], values: Any, strict: bool | None, extra: Literal["ignore"] | None = None
) -> M:
    try:
        return model.model_validate(values, strict=strict, extra=extra)
    except ValidationError as error:
        raise as_invalid_request(error.errors(include_url=False)) from error


def _with_extra(
    model: type[M], values: dict[str, Any], passthrough: frozenset[str], strict: bool | None
) -> M:
    """The body; its `extra` has what only other servers understand."""
    names = {name for name in values if name not in model.model_fields or name in passthrough}
    for name in names:
        if has_file(values[name]):
            raise unknown_parameter(name)
    body = _validate(model, {name: values[name] for name in values if name not in names}, strict)
    body.extra.update((name, values[name]) for name in values if name in names)
    return body


def _without_unknown(
    model: type[M], values: Any, unknown: list[ErrorDetails], strict: bool | None
) -> tuple[M, dict[str, str]]:
    names = ", ".join(sorted(str(detail["loc"][-1]) for detail in unknown))
    body = _validate(model, values, strict, extra="ignore")
    headers: dict[str, str] = {}
    add_warning(headers, f"unknown parameters were ignored: {names}")
    return body, headers


def add_warning(headers: MutableMapping[str, str], text: str) -> None:
    """Add a warning to the headers of an answer, without line breaks and not too long for
    clients.
    """
    text = "; ".join(filter(None, (headers.get(WARNING_HEADER), text)))
    text = text if len(text) <= _MAX_WARNING else f"{text[:_MAX_WARNING]}…"
    shown = "".join(char if char.isprintable() else "?" for char in text)
    headers[WARNING_HEADER] = shown.encode("ascii", "replace").decode()
