"""Turns Pydantic's errors into the official API's: parameter, code and message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from openedai.errors import InvalidRequest, Unsupported, invalid_value, missing_parameter
from openedai.http.upload import FormFile

_JSON_TYPES = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "a boolean",
    "bool_parsing": "a boolean",
    "is_instance_of": "a file",
    "list_type": "an array",
    "tuple_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}

# The tags of a union's branches begin with this sign. Pydantic puts them into the location of an
# error; they are left out of the names that clients see.
TAG = "~"


def is_unknown(detail: ErrorDetails) -> bool:
    """Whether the error is an unknown parameter."""
    return detail["type"] == "extra_forbidden"


def location(parts: Sequence[int | str]) -> str | None:
    """`("messages", 0, "~user", "content")` as `messages[0].content`."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part.startswith(TAG):
            text += f".{part}" if text else part
    return text or None


def invalid_json(reason: str) -> InvalidRequest:
    """The error of a body that is not JSON, in the official API's words."""
    return InvalidRequest(
        "We could not parse the JSON body of your request. (HINT: This likely means you "
        "aren't using your HTTP library correctly. The server expects a JSON payload, but "
        f"what was sent was not valid JSON: {reason}.)"
    )


def as_invalid_request(details: Sequence[ErrorDetails]) -> InvalidRequest:
    """The first error in the official API's words; unknown parameters come last."""
    detail = min(details, key=is_unknown)
    error_type = detail["type"]
    param = location(detail["loc"])
    if param is None and error_type in _JSON_TYPES:
        return InvalidRequest(
            f"Invalid body: expected an object, but got {_json_type(detail['input'])} instead.",
            code="invalid_type",
        )
    if param is None:
        return invalid_value("body", detail["msg"])
    if error_type in _JSON_TYPES:
        return _wrong_type(detail, param, _JSON_TYPES[error_type])
    return _RULES.get(error_type, _other)(detail, param)


def _json_type(value: Any) -> str:
    """The JSON type of `value`."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list() | tuple():
            return "an array"
        case FormFile():
            return "a file"
        case _:
            return "an object"


def _wrong_type(detail: ErrorDetails, param: str, expected: str) -> InvalidRequest:
    got = _json_type(detail["input"])
    return InvalidRequest(
        f"Invalid type for '{param}': expected {expected}, but got {got} instead.",
        code="invalid_type",
        param=param,
    )


def _missing(detail: ErrorDetails, param: str) -> InvalidRequest:
    return missing_parameter(param)


def _unknown(detail: ErrorDetails, param: str) -> InvalidRequest:
    return unknown_parameter(param)


def unknown_parameter(param: str) -> InvalidRequest:
    return InvalidRequest(f"Unknown parameter: '{param}'.", code="unknown_parameter", param=param)


def _unsupported(detail: ErrorDetails, param: str) -> InvalidRequest:
    return Unsupported(
        f"Unsupported parameter: '{param}' is not supported by this server.",
        code="unsupported_parameter",
        param=param,
    )


def _unsupported_value(detail: ErrorDetails, param: str) -> InvalidRequest:
    return Unsupported(
        f"Unsupported value: '{param}' does not support {detail['input']!r} on this server.",
        code="unsupported_value",
        param=param,
    )


def _bound(detail: ErrorDetails, param: str) -> InvalidRequest:
    context = detail.get("ctx", {})
    limit = next(iter(context.values()))
    above = detail["type"].startswith("less")
    number = "decimal" if isinstance(limit, float) else "integer"
    rule = {
        "less_than_equal": "<=",
        "less_than": "<",
        "greater_than_equal": ">=",
        "greater_than": ">",
    }[detail["type"]]
    side = ("above", "maximum", "max") if above else ("below", "minimum", "min")
    return InvalidRequest(
        f"Invalid '{param}': {number} {side[0]} {side[1]} value. "
        f"Expected a value {rule} {_number(limit)}, but got {detail['input']} instead.",
        code=f"{number}_{side[0]}_{side[2]}_value",
        param=param,
    )


def _number(value: float) -> str:
    """A number as in JSON, without the fraction of a whole number."""
    return str(int(value)) if value == int(value) else str(value)


def _length(detail: ErrorDetails, param: str) -> InvalidRequest:
    context = detail["ctx"]
    text = detail["type"].startswith("string")
    noun = "string" if text else "array"
    long = detail["type"].endswith("too_long")
    limit = context.get("max_length", context.get("min_length"))
    got = len(detail["input"])
    side = ("long", "maximum", "above_max") if long else ("short", "minimum", "below_min")
    return InvalidRequest(
        f"Invalid '{param}': {noun} too {side[0]}. Expected {noun} with {side[1]} length "
        f"{limit}, but got {noun} with length {got} instead.",
        code=f"{noun}_{side[2]}_length",
        param=param,
    )


def _choice(detail: ErrorDetails, param: str) -> InvalidRequest:
    context = detail.get("ctx", {})
    allowed = str(context.get("expected", context.get("expected_tags", "")))
    allowed = allowed.replace(TAG, "").replace(" or ", ", ")
    value = detail["input"]
    if detail["type"] == "union_tag_invalid":
        return _wrong_type(detail, param, allowed.replace("'", "").replace(", ", " or "))
    return InvalidRequest(
        f"Invalid value: {value!r}. Supported values are: {allowed}.",
        code="invalid_value",
        param=param,
    )


def _other(detail: ErrorDetails, param: str) -> InvalidRequest:
    return invalid_value(param, detail["msg"].removeprefix("Value error, "))


_RULES: dict[str, Callable[[ErrorDetails, str], InvalidRequest]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "unsupported_parameter": _unsupported,
    "unsupported_value": _unsupported_value,
    "less_than": _bound,
    "less_than_equal": _bound,
    "greater_than": _bound,
    "greater_than_equal": _bound,
    "too_long": _length,
    "too_short": _length,
    "string_too_long": _length,
    "string_too_short": _length,
    "literal_error": _choice,
    "enum": _choice,
    "union_tag_invalid": _choice,
}
