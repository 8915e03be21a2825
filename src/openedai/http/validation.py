"""Pydantic's errors to the official API's: which field, which code, which sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from openedai.errors import InvalidRequest, Unsupported, invalid_value, missing_parameter

_KINDS = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "tuple_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}

# A union's branches are told apart by tags, which pydantic puts into the location. Ours begin
# with this sign, so that they can be left out of the names that clients see.
TAG = "~"


def is_unknown(detail: ErrorDetails) -> bool:
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
    """The error of a body that is not JSON, as the official API words it."""
    return InvalidRequest(
        "We could not parse the JSON body of your request. (HINT: This likely means you "
        "aren't using your HTTP library correctly. The server expects a JSON payload, but "
        f"what was sent was not valid JSON: {reason}.)"
    )


def as_invalid_request(details: Sequence[ErrorDetails]) -> InvalidRequest:
    """The first error as the official API words it; an unknown parameter comes last."""
    detail = min(details, key=is_unknown)
    kind = detail["type"]
    where = location(detail["loc"])
    if where is None:
        return InvalidRequest(
            f"Invalid body: expected an object, but got {_name(detail['input'])} instead.",
            code="invalid_type",
        )
    if kind in _KINDS:
        return _wrong_type(detail, where, _KINDS[kind])
    return _RULES.get(kind, _other)(detail, where)


def _name(value: Any) -> str:
    """What JSON calls the type of `value`."""
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
        case _:
            return "an object"


def _wrong_type(detail: ErrorDetails, where: str, expected: str) -> InvalidRequest:
    got = _name(detail["input"])
    return InvalidRequest(
        f"Invalid type for '{where}': expected {expected}, but got {got} instead.",
        code="invalid_type",
        param=where,
    )


def _missing(detail: ErrorDetails, where: str) -> InvalidRequest:
    return missing_parameter(where)


def _unknown(detail: ErrorDetails, where: str) -> InvalidRequest:
    return InvalidRequest(f"Unknown parameter: '{where}'.", code="unknown_parameter", param=where)


def _unsupported(detail: ErrorDetails, where: str) -> InvalidRequest:
    return Unsupported(
        f"Unsupported parameter: '{where}' is not supported by this server.",
        code="unsupported_parameter",
        param=where,
    )


def _unsupported_value(detail: ErrorDetails, where: str) -> InvalidRequest:
    return Unsupported(
        f"Unsupported value: '{where}' does not support {detail['input']!r} on this server.",
        code="unsupported_value",
        param=where,
    )


def _bound(detail: ErrorDetails, where: str) -> InvalidRequest:
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
        f"Invalid '{where}': {number} {side[0]} {side[1]} value. "
        f"Expected a value {rule} {limit:g}, but got {detail['input']} instead.",
        code=f"{number}_{side[0]}_{side[2]}_value",
        param=where,
    )


def _length(detail: ErrorDetails, where: str) -> InvalidRequest:
    context = detail["ctx"]
    text = detail["type"].startswith("string")
    noun, short = ("string", "string") if text else ("array", "array")
    long = detail["type"].endswith("too_long")
    limit = context.get("max_length", context.get("min_length"))
    got = len(detail["input"])
    side = ("long", "maximum", "above_max") if long else ("short", "minimum", "below_min")
    return InvalidRequest(
        f"Invalid '{where}': {noun} too {side[0]}. Expected {noun} with {side[1]} length "
        f"{limit}, but got {noun} with length {got} instead.",
        code=f"{short}_{side[2]}_length",
        param=where,
    )


def _choice(detail: ErrorDetails, where: str) -> InvalidRequest:
    context = detail.get("ctx", {})
    allowed = str(context.get("expected", context.get("expected_tags", "")))
    allowed = allowed.replace(TAG, "").replace(" or ", ", ")
    value = detail["input"]
    if detail["type"] == "union_tag_invalid":
        return _wrong_type(detail, where, allowed.replace("'", "").replace(", ", " or "))
    return InvalidRequest(
        f"Invalid value: {value!r}. Supported values are: {allowed}.",
        code="invalid_value",
        param=where,
    )


def _other(detail: ErrorDetails, where: str) -> InvalidRequest:
    return invalid_value(where, detail["msg"].removeprefix("Value error, "))


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
