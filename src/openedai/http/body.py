"""Request bodies to typed models, with the official API's errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, PrivateAttr, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema, from_json
from starlette.requests import ClientDisconnect, Request

from openedai.errors import APIError, InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from openedai.http.exchange import exchange_of
from openedai.http.validation import TAG, as_invalid_request, invalid_json, is_unknown

M = TypeVar("M", bound="Body")

FORM = "application/x-www-form-urlencoded"
WARNING_HEADER = "x-openedai-warning"


class Body(BaseModel):
    """A JSON request body. Values are not converted to other JSON types.

    `passthrough_fields` None is a body that only this server understands. Otherwise the body can
    be passed on to another server: then `extra` has the parameters that are unknown here, and
    those of `passthrough_fields`, which have no effect here, unchanged.
    `parameter_names` gives the body's name for a parameter that engines know by another one.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)
    passthrough_fields: ClassVar[frozenset[str] | None] = None
    parameter_names: ClassVar[Mapping[str, str]] = {}
    _extra: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def extra(self) -> dict[str, Any]:
        """The parameters that are passed on unchanged."""
        return self._extra

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


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body, never more than `limit` bytes of it. Raises PayloadTooLarge."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    chunks = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise InvalidRequest("The request body ended too early.") from error
    return b"".join(chunks)


def _too_large(limit: int) -> APIError:
    return PayloadTooLarge(
        f"The request body is larger than the limit of {limit} bytes.", code="request_too_large"
    )


def require_json(request: Request) -> None:
    """Raise UnsupportedMediaType for a body that is not declared as JSON.

    A web page can post plain text anywhere without a preflight request, so the type must be that of
    JSON. Dialects whose users often call curl without a type accept that of a form too, unless a
    browser sent it.
    """
    headers = request.headers
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    by_browser = {"origin", "referer", "sec-fetch-site"} & set(headers)
    accepts_form_type = exchange_of(request.scope).dialect.accepts_form_type
    if media_type == FORM and accepts_form_type and not by_browser:
        return
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType(
            f"Unsupported content type: {media_type or 'none'!r}. Send the header "
            "'Content-Type: application/json'.",
            code="unsupported_content_type",
        )


async def read_json(
    request: Request,
    model: type[M],
    *,
    limit: int,
    unknown: Literal["refuse", "warn"],
    overrides: Mapping[str, Any],
    passes_unknown: Callable[[Mapping[str, Any]], bool],
) -> tuple[M, dict[str, str]]:
    """The parsed body, and headers for the answer: warnings of ignored parameters.

    `overrides` replace fields of the body. `passes_unknown` says of a body's fields whether
    its unknown parameters are passed on. Raises InvalidRequest.
    """
    require_json(request)
    values = _decode(await read_bytes(request, limit))
    if isinstance(values, dict):
        values |= overrides
        if model.passthrough_fields is not None and passes_unknown(values):
            return _with_extra(model, values, model.passthrough_fields), {}
    try:
        return model.model_validate(values), {}
    except ValidationError as error:
        details = error.errors(include_url=False)
    if unknown == "warn" and all(map(is_unknown, details)):
        return _without_unknown(model, values, details)
    raise as_invalid_request(details)


def _decode(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError as error:
        raise invalid_json(str(error)) from None


def _validate(model: type[M], values: Any) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise as_invalid_request(error.errors(include_url=False)) from error


def _with_extra(model: type[M], values: dict[str, Any], passthrough: frozenset[str]) -> M:
    """The body; its `extra` has what only another server understands."""
    names = {name for name in values if name not in model.model_fields or name in passthrough}
    body = _validate(model, {name: values[name] for name in values if name not in names})
    body._extra.update((name, values[name]) for name in values if name in names)
    return body


def _without_unknown(
    model: type[M], values: Any, unknown: list[ErrorDetails]
) -> tuple[M, dict[str, str]]:
    for detail in unknown:
        *parents, name = (part for part in detail["loc"] if not _is_tag(part))
        holder: Any = values
        for parent in parents:
            holder = holder[parent]
        holder.pop(name)
    names = ", ".join(sorted(str(detail["loc"][-1]) for detail in unknown))
    header = f"unknown parameters were ignored: {names}"
    return _validate(model, values), {WARNING_HEADER: header.encode("ascii", "replace").decode()}


def _is_tag(part: int | str) -> bool:
    return isinstance(part, str) and part.startswith(TAG)
